package bench

import (
	"context"
	"fmt"
	"os"
	"time"
)

// captureLoad is how callers put events.
type captureLoad struct {
	name           string
	sources, batch int
	oneCaller      bool
	// what the driver of a peer is told, for the same.
	callers string
}

var (
	oneCaller   = captureLoad{"one caller", 1, 1, true, "1"}
	manyCallers = captureLoad{"64 callers", 4, 1, false, "64"}
	batches     = captureLoad{"4 callers of 100", 4, 100, true, "4"}
)

// captureTime is how long callers put events.
const captureTime = 2 * time.Second

// capture measures what a site takes while its centre cannot be reached: durable before it is answered, through a plugin's process.
func (s *Suite) capture(ctx context.Context) error {
	for _, load := range []captureLoad{oneCaller, manyCallers, batches} {
		if err := s.captureBeside(ctx, load); err != nil {
			return fmt.Errorf("%s: %w", load.name, err)
		}
	}
	return s.flushes(ctx)
}

// captured is what a load came to: rate, the callers' p99, processor seconds per 100,000.
type captured []float64

func (s *Suite) captureBeside(ctx context.Context, load captureLoad) error {
	peers := []peerKind{natsAlways, otelcolFsync}
	found := map[peerKind]captured{}
	missing := map[peerKind]error{}
	v, err := s.rounds(func() ([]float64, error) {
		for _, kind := range peers {
			r, err := s.peerCapture(ctx, kind, load)
			if err != nil {
				missing[kind] = err
				r = captured{0, 0, 0}
			}
			found[kind] = append(found[kind], r...)
		}
		return s.ownCapture(ctx, load)
	})
	if err != nil {
		return err
	}
	of := func(kind peerKind, column int) reference {
		var values []float64
		for i := column; i < len(found[kind]); i += 3 {
			values = append(values, found[kind][i])
		}
		return reference{name: string(kind), value: median(values), missing: missing[kind]}
	}
	switch load.name {
	case oneCaller.name:
		s.beside("one caller", v[0], "events/s", of(natsAlways, 0), atLeast(0.9))
		s.beside("one caller", v[0], "events/s", of(otelcolFsync, 0), atLeast(0.9))
	case manyCallers.name:
		s.beside("64 callers", v[0], "events/s", of(natsAlways, 0), atLeast(4))
		s.beside("64 callers", v[0], "events/s", of(otelcolFsync, 0), atLeast(12))
		s.beside("64 callers, p99", v[1], "ms", of(natsAlways, 1), atMost(10.0/33))
		s.beside("64 callers, processor of the agent per 100,000", v[2], "s", of(natsAlways, 2), atMost(4/5.4))
	default:
		s.beside("4 callers of 100", v[0], "events/s", of(otelcolFsync, 0), atLeast(2))
		s.beside("4 callers of 100", v[0], "events/s", of(natsAlways, 0), atLeast(2))
	}
	return nil
}

func (s *Suite) ownCapture(ctx context.Context, load captureLoad) (captured, error) {
	dir, err := s.folder("capture")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	st, err := s.openStation(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	defer st.close()
	wait, err := st.begin(ctx, load.sources, SourceConfig{Batch: load.batch, OneCaller: load.oneCaller, Milliseconds: captureTime.Milliseconds()})
	if err != nil {
		return nil, err
	}
	before, err := processorTime(st.process.PID())
	if err != nil {
		return nil, err
	}
	results, err := wait(time.Minute)
	if err != nil {
		return nil, err
	}
	after, err := processorTime(st.process.PID())
	perSecond, _, p99, events := together(results)
	return captured{perSecond, p99, (after - before).Seconds() / float64(events) * 1e5}, err
}

func (s *Suite) peerCapture(ctx context.Context, kind peerKind, load captureLoad) (captured, error) {
	dir, err := s.folder("peer")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p, err := s.peers.open(ctx, dir, kind)
	if err != nil {
		return nil, err
	}
	defer p.close()
	r, err := p.put(ctx, "-callers", load.callers, "-batch", fmt.Sprint(load.batch), "-for", captureTime.String())
	if err != nil {
		return nil, err
	}
	s.say("%s, %s: %.0f events/s, p99 %.1f ms, %.1f s per 100,000", kind, load.name, float64(r.Events)/r.Seconds, r.P99, r.ProcessorPer100000)
	return captured{float64(r.Events) / r.Seconds, r.P99, r.ProcessorPer100000}, nil
}
