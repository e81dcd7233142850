package shape_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/shape"
	"github.com/dockline/dockline/testenv"
)

// system tells what it is made of, or fails.
type system struct {
	*connectortest.Memory
	shape connector.Shape
	err   error
	asked int
}

func (s *system) Shape(context.Context) (connector.Shape, error) {
	s.asked++
	return s.shape, s.err
}

// world has one system, two processes that watch it, and a clock.
type world struct {
	t      *testing.T
	db     *db.DB
	now    time.Time
	system *system
	both   []*shape.Watch
	// open is the case as it was last reported; told counts reports.
	open []connector.Change
	told int
}

func newWorld(t *testing.T, d *db.DB) *world {
	w := &world{t: t, db: d, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), system: &system{Memory: &connectortest.Memory{},
		shape: connector.Shape{"sale.number": {Type: "char", Required: true}, "sale.state": {Type: "selection", Values: []string{"done", "draft"}}}}}
	for range 2 {
		w.both = append(w.both, &shape.Watch{DB: d, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler), Report: w.report,
			Targets: []*shape.Target{{Tenant: "acme", Name: "erp", Connector: w.system, Timeout: time.Minute}}})
	}
	return w
}

func (w *world) report(_ context.Context, _ *db.Tx, tenant, target string, _ time.Time, changes []connector.Change) error {
	if tenant != "acme" || target != "erp" {
		w.t.Errorf("told of %s of %s", target, tenant)
	}
	w.open, w.told = changes, w.told+1
	return nil
}

// later has both look after so long, and returns how often the system was asked.
func (w *world) later(by time.Duration) int {
	w.t.Helper()
	w.now = w.now.Add(by)
	before := w.system.asked
	for _, one := range w.both {
		if _, err := one.Step(w.t.Context()); err != nil && w.system.err == nil {
			w.t.Fatal(err)
		}
	}
	return w.system.asked - before
}

func (w *world) fields() (names []string) {
	for _, c := range w.open {
		names = append(names, c.Field)
	}
	return names
}

// A system is asked once a day, by one of several; what is otherwise than it was is told, until somebody accepts it or it is as before.
//
// Shows: S71
func TestWhatIsMadeOtherwiseIsToldOnceADay(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		if n := w.later(0); n != 1 || w.told != 0 {
			t.Errorf("the first look: asked %d times, told %d times", n, w.told)
		}
		if n := w.later(23 * time.Hour); n != 0 {
			t.Errorf("asked again within a day: %d", n)
		}
		w.system.shape = connector.Shape{"sale.number": {Type: "char", Required: true}, "sale.state": {Type: "selection", Values: []string{"done", "held"}}, "sale.reason": {Type: "char", Required: true}}
		if n := w.later(time.Hour); n != 1 || !slices.Equal(w.fields(), []string{"sale.reason", "sale.state", "sale.state"}) || !w.open[0].Breaks {
			t.Errorf("after a day: asked %d times, told %v", n, w.open)
		}
		if w.later(24 * time.Hour); len(w.open) != 3 {
			t.Errorf("a day later: %v", w.open)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := shape.Accept(t.Context(), tx, w.report, "acme", "erp", "ines", w.now)
			return err
		})
		if err != nil || len(w.open) != 0 {
			t.Errorf("accepted: %v, %v", err, w.open)
		}
		if w.later(24 * time.Hour); len(w.open) != 0 {
			t.Errorf("what was accepted is told again: %v", w.open)
		}
		kept := w.system.shape
		w.system.shape = connector.Shape{"sale.number": {Type: "char", Required: true}}
		if w.later(24 * time.Hour); len(w.open) != 2 {
			t.Errorf("what is gone: %v", w.open)
		}
		w.system.shape = kept
		if w.later(24 * time.Hour); len(w.open) != 0 {
			t.Errorf("as it was again: %v", w.open)
		}
	})
}

// A system that does not answer is asked again after an hour, and is no change; nor is one that does not tell, today or ever.
func TestNoAnswerIsNoChange(t *testing.T) {
	w := newWorld(t, testenv.SQLite(t))
	w.later(0)
	w.system.err = errors.New("away")
	if n := w.later(24 * time.Hour); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if n := w.later(59 * time.Minute); n != 0 {
		t.Errorf("asked within the hour: %d", n)
	}
	w.system.err, w.system.shape = nil, nil
	if n := w.later(time.Minute); n != 1 || w.told != 0 {
		t.Errorf("asked %d times, told %d times", n, w.told)
	}
	err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := shape.Accept(t.Context(), tx, w.report, "acme", "erp", "ines", w.now)
		return err
	})
	if err == nil {
		t.Error("nothing was accepted for right")
	}
}
