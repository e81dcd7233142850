package bench

import (
	"context"
	"fmt"
	"os"
	"time"
)

// peerRuns are the columns of drained.columns of a peer's runs.
type peerRuns struct {
	name    string
	columns [][]float64
	missing error
}

// reference is the median of one column.
func (r peerRuns) reference(column int) reference {
	out := reference{name: r.name, missing: r.missing}
	if r.missing == nil {
		var values []float64
		for _, run := range r.columns {
			values = append(values, run[column])
		}
		out.value = median(values)
	}
	return out
}

// peerDrains lets a peer do what the agent did, some times over.
func (s *Suite) peerDrains(ctx context.Context, kind peerKind, b backlog, times int) peerRuns {
	r := peerRuns{name: string(kind)}
	for range times {
		d, err := s.peerDrain(ctx, kind, b)
		if err != nil {
			r.missing = err
			s.say("%s: %v", kind, err)
			return r
		}
		s.say("%s, %d drained: reconnect %.2f s, total %.2f s, %.0f events/s, %.1f B on the line, %.2f s of processor per 100,000, restart %.0f ms", kind, b.events, d.reconnect, d.total, d.perSecond, d.wire, d.processor, d.restart)
		r.columns = append(r.columns, d.columns())
	}
	return r
}

func (s *Suite) peerDrain(ctx context.Context, kind peerKind, b backlog) (d drained, err error) {
	dir, err := s.folder("peer")
	if err != nil {
		return d, err
	}
	defer os.RemoveAll(dir)
	p, err := s.peers.open(ctx, dir, kind)
	if err != nil {
		return d, err
	}
	defer p.close()
	p.line.Shape(b.kbits, b.delay)
	callers, batch := "4", "100"
	if b.singles {
		callers, batch = "64", "1"
	}
	if _, err := p.put(ctx, "-callers", callers, "-batch", batch, "-total", fmt.Sprint(b.events)); err != nil {
		return d, err
	}
	if kind != mosquittoPeer { // its queue is in memory, and not all of it comes back
		p.site.Stop()
		began := time.Now()
		if err := p.start(ctx); err != nil {
			return d, err
		}
		d.restart = time.Since(began).Seconds() * 1000
	}
	if err := p.count(); err != nil {
		return d, err
	}
	return d, p.drainInto(ctx, b, &d)
}

func (p *peer) drainInto(ctx context.Context, b backlog, d *drained) error {
	used, err := processorTime(p.site.PID())
	if err != nil {
		return err
	}
	up, back := p.line.BytesForth(), time.Now()
	p.line.Cut(false)
	err = waitFor(ctx, "the peer's drain", 2*time.Minute, 5*time.Millisecond, func() (bool, error) {
		return p.sink.now().Events >= b.events, nil
	})
	seen := p.sink.now()
	if err != nil {
		return fmt.Errorf("%w: %d of %d arrived; its log ends: %s", err, seen.Events, b.events, p.site.LogTail())
	}
	after, err := processorTime(p.site.PID())
	n := float64(b.events)
	first, last := time.Unix(0, seen.First), time.Unix(0, seen.Last)
	d.reconnect, d.total, d.perSecond = first.Sub(back).Seconds(), last.Sub(back).Seconds(), n/last.Sub(first).Seconds()
	d.wire, d.processor = float64(p.line.BytesForth()-up)/n, (after-used).Seconds()/n*1e5
	return err
}
