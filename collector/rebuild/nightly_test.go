package rebuild_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/testenv"
)

// TestTheNightBelongsToOneCollector moves the clock through two days: the check is made once after its hour, by one of two collectors, also when
// it was begun and not ended.
func TestTheNightBelongsToOneCollector(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.morning()
		at, err := rebuild.ParseClock("03:00")
		if err != nil {
			t.Fatal(err)
		}
		w.clock = time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)
		one, two := &rebuild.Night{Rebuild: w.rebuild("one"), At: at}, &rebuild.Night{Rebuild: w.rebuild("two"), At: at}
		last := func() int64 {
			r, err := one.Last(t.Context(), rebuild.Nightly)
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				return 0
			}
			if !r.Done() {
				t.Errorf("a check was left half way: %+v", r)
			}
			return r.Number
		}
		step := func() {
			t.Helper()
			for _, n := range []*rebuild.Night{one, two} {
				if err := n.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if step(); last() != 0 {
			t.Error("a check was made in the afternoon in which the collector began")
		}
		w.clock = time.Date(2026, 12, 2, 2, 59, 0, 0, time.UTC)
		if step(); last() != 0 {
			t.Error("a check was made before its hour")
		}
		w.clock = time.Date(2026, 12, 2, 3, 0, 30, 0, time.UTC)
		step()
		first := last()
		if first == 0 {
			t.Fatal("no check was made after its hour")
		}
		w.clock = w.clock.Add(20 * time.Hour)
		if step(); last() != first {
			t.Error("a second check was made on one day")
		}
		// One that died in the middle of the next night is followed by the other one, which goes on.
		w.clock = time.Date(2026, 12, 3, 3, 1, 0, 0, time.UTC)
		begun, err := one.Begin(t.Context(), rebuild.Nightly, rebuild.Key{})
		if err != nil {
			t.Fatal(err)
		}
		if err := two.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(time.Minute)
		if err := two.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if last() != begun.Number {
			t.Errorf("run %d was begun, and run %d ended", begun.Number, last())
		}
		for _, text := range []string{"", "3", "25:00", "03:00:00", "three"} {
			if _, err := rebuild.ParseClock(text); err == nil {
				t.Errorf("%q is taken for a time of day", text)
			}
		}
	})
}
