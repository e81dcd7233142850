package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/agent/journal"
)

// backlog is what a site has gathered while its line was down.
type backlog struct {
	events int64
	// singles: they came one a call; else 100 a call.
	singles bool
	// kbits a second are what the line carries when it is back, 0 for no bound, and delay how long a byte travels one way.
	kbits int
	delay time.Duration
	// ready: the backlog is put into the journal's folder in process, since only what follows is of interest.
	ready bool
}

// drained is what sending a backlog came to. Times are from the line being back, in seconds.
type drained struct {
	reconnect, total, perSecond float64
	wire, disk                  float64 // bytes an event: upward on the line; on disk before it
	diskAfter                   float64 // by that before
	processor                   float64 // seconds per 100,000
	before, after               memoryUse
	restart                     float64 // milliseconds
}

// drain measures what happens when the line is back.
func (s *Suite) drain(ctx context.Context) error {
	for _, part := range []func(context.Context) error{s.drainMany, s.drainSingles, s.drainMillion, s.longOutage} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

const many = 200_000

func (s *Suite) drainMany(ctx context.Context) error {
	b := backlog{events: many}
	v, last, err := s.drainRounds(ctx, b)
	if err != nil {
		return err
	}
	slow := s.peerDrains(ctx, otelcolPeer, b, s.Rounds)
	fast := s.peerDrains(ctx, natsPeer, b, 1)
	s.beside("200,000, line back to the last in the inbox", v[1], "s", slow.reference(1), atMost(2.5/5.3))
	s.beside("200,000, first to last in the collector's durable inbox", v[2], "events/s", fast.reference(2), atLeast(2))
	s.beside("200,000, first to last, and the durable peer", v[2], "events/s", s.peerDrains(ctx, otelcolFsync, b, 1).reference(2), atLeast(2))
	s.beside("200,000, processor of the agent per 100,000", v[3], "s", fast.reference(3), atMost(1))
	s.absolute("200,000, reconnect after a short outage", v[0], "s", atMost(1))
	s.absolute("200,000, wire an event upward (TLS included)", last.wire, "B", atMost(55))
	s.absolute("200,000, disk an event", last.disk, "B", atMost(150))
	s.absolute("200,000, disk after the drain by that before", last.diskAfter, "x", atMost(1.2))
	s.beside("200,000, restart over the backlog", v[4], "ms", slow.reference(4), atMost(150.0/88))
	return nil
}

func (s *Suite) drainSingles(ctx context.Context) error {
	b := backlog{events: 30_000, singles: true}
	v, last, err := s.drainRounds(ctx, b)
	if err != nil {
		return err
	}
	s.beside("30,000 that came singly, line back to the last in the inbox", v[1], "s", s.peerDrains(ctx, mosquittoPeer, b, s.Rounds).reference(1), atMost(1.5/5.3))
	// The durable peer takes minutes for as many; its rate does not depend on how many there are.
	s.beside("30,000 that came singly, first to last, and the durable peer with 3,000", v[2], "events/s", s.peerDrains(ctx, otelcolFsync, backlog{events: 3000, singles: true}, 1).reference(2), atLeast(11))
	s.absolute("30,000 that came singly, disk an event", last.disk, "B", atMost(150))
	return nil
}

func (s *Suite) drainMillion(ctx context.Context) error {
	small, err := s.drainOnce(ctx, backlog{events: 10_000, ready: true})
	if err != nil {
		return err
	}
	s.absolute("anonymous memory at the end, 10,000", small.after.Anonymous/megabyte, "MB", atMost(40))
	b := backlog{events: million, ready: true}
	large, err := s.drainOnce(ctx, b)
	if err != nil {
		return err
	}
	s.absolute("anonymous memory at the end, a million", large.after.Anonymous/megabyte, "MB", atMost(40))
	s.absolute("anonymous memory before, a million", large.before.Anonymous/megabyte, "MB", atMost(40))
	s.absolute("a million, wire an event upward (TLS included)", large.wire, "B", atMost(55))
	s.absolute("a million, disk after the drain by that before", large.diskAfter, "x", atMost(1.2))
	slow := s.peerDrains(ctx, otelcolPeer, b, 1)
	s.beside("a million, line back to the last in the inbox", large.total, "s", slow.reference(1), atMost(9/17.9))
	s.beside("a million, restart over the backlog", large.restart, "ms", slow.reference(4), atMost(150.0/88))
	return nil
}

// longOutage lets the agent's pauses grow to their longest before the line is back.
func (s *Suite) longOutage(ctx context.Context) error {
	dir, c, st, err := s.openPair(ctx, centreConfig{})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer c.close()
	defer st.close()
	if err := c.start(ctx); err != nil {
		return err
	}
	st.line.Cut(true)
	if _, err := st.load(ctx, 1, SourceConfig{Batch: 10, Total: 100}); err != nil {
		return err
	}
	select {
	case <-time.After(25 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	st.line.Cut(false)
	back := time.Now()
	first, _, err := st.emptied(ctx, time.Minute)
	if err != nil {
		return err
	}
	s.absolute("reconnect after a long outage", first.Sub(back).Seconds(), "s", atMost(5))
	return nil
}

// drainRounds are the medians of reconnect, total, rate, processor and restart, and the last run.
func (s *Suite) drainRounds(ctx context.Context, b backlog) (v []float64, last drained, err error) {
	v, err = s.rounds(func() ([]float64, error) {
		last, err = s.drainOnce(ctx, b)
		return last.columns(), err
	})
	return v, last, err
}

func (d drained) columns() []float64 {
	return []float64{d.reconnect, d.total, d.perSecond, d.processor, d.restart}
}

// openPair is a centre that is not started and a station of it, in a folder of their own.
func (s *Suite) openPair(ctx context.Context, config centreConfig) (dir string, c *centre, st *station, err error) {
	if dir, err = s.folder("pair"); err != nil {
		return dir, nil, nil, err
	}
	if c, err = s.openCentre(ctx, dir, config); err != nil {
		return dir, nil, nil, err
	}
	if st, err = s.openStation(ctx, dir, c); err != nil {
		c.close()
	}
	return dir, c, st, err
}

func (s *Suite) drainOnce(ctx context.Context, b backlog) (d drained, err error) {
	dir, c, st, err := s.openPair(ctx, centreConfig{})
	if err != nil {
		return d, err
	}
	defer os.RemoveAll(dir)
	defer c.close()
	defer st.close()
	st.line.Shape(b.kbits, b.delay)
	st.line.Cut(true)
	if err := st.gather(ctx, b); err != nil {
		return d, err
	}
	before, err := st.journalBytes()
	if err != nil {
		return d, err
	}
	d.disk = before / float64(b.events)
	if err := c.start(ctx); err != nil {
		return d, err
	}
	if d.restart, err = st.captureOpen(ctx); err != nil {
		return d, err
	}
	if err := st.drainInto(ctx, b, &d); err != nil {
		return d, err
	}
	after, err := st.journalBytes()
	d.diskAfter = after / before
	s.say("%d drained: reconnect %.2f s, total %.2f s, %.0f events/s, %.1f B on the line, %.2f s of processor per 100,000, restart %.0f ms", b.events, d.reconnect, d.total, d.perSecond, d.wire, d.processor, d.restart)
	return d, err
}

// gather fills the journal, and leaves the agent stopped and without plugins.
func (st *station) gather(ctx context.Context, b backlog) error {
	if b.ready {
		j, err := journal.Open(filepath.Join(st.dataDir(), "journal"), journal.Options{Tenant: tenant, Site: site})
		if err != nil {
			return err
		}
		if err := firstError(fill(j, uint64(b.events)), j.Close()); err != nil {
			return err
		}
		return st.configure()
	}
	batch := 100
	if b.singles {
		batch = 1
	}
	if _, err := st.load(ctx, 4, SourceConfig{Batch: batch, Total: b.events / 4}); err != nil {
		return err
	}
	st.process.Stop()
	return st.configure()
}

func (st *station) drainInto(ctx context.Context, b backlog, d *drained) (err error) {
	h, err := st.status(ctx)
	if err != nil {
		return err
	}
	if int64(h.GetJournalEvents()) != b.events {
		return fmt.Errorf("%d events wait, want %d", h.GetJournalEvents(), b.events)
	}
	if d.before, err = memoryOf(st.process.PID()); err != nil {
		return err
	}
	used, err := processorTime(st.process.PID())
	if err != nil {
		return err
	}
	up, back := st.line.BytesForth(), time.Now()
	st.line.Cut(false)
	first, last, err := st.emptied(ctx, 5*time.Minute)
	if err != nil {
		return err
	}
	if d.after, err = memoryOf(st.process.PID()); err != nil {
		return err
	}
	after, err := processorTime(st.process.PID())
	n := float64(b.events)
	d.reconnect, d.total, d.perSecond = first.Sub(back).Seconds(), last.Sub(back).Seconds(), n/last.Sub(first).Seconds()
	d.wire, d.processor = float64(st.line.BytesForth()-up)/n, (after-used).Seconds()/n*1e5
	return err
}
