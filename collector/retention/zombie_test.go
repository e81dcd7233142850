package retention_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// An archiver is halted at each point for longer than its lease, and goes on after another process, or its own collector started anew, has archived
// everything. It writes nothing any more and says so; every event is in one archive, and the nights after that find nothing wrong.
func TestAnArchiverThatWasHalted(t *testing.T) {
	who := retention.Who{By: "ana", Reason: "yearly"}
	for i, point := range []string{"begun", "unsealed", "sealed", "manifest", "pruning"} {
		t.Run(point, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := aYear(t, d, 3)
				before := w.dump(t, d)
				halted, other := w.retention(), w.retention()
				halted.Together = 1
				if i%2 == 0 {
					other.Holder = "another"
				}
				once := false
				halted.Fault = func(at string) error {
					if at != point || once {
						return nil
					}
					once = true
					w.clock = w.clock.Add(62 * time.Second)
					if done := w.run(other); len(done) != 1 || done[0].Pruned != 3 {
						t.Errorf("the other one: %+v", done)
					}
					return nil
				}
				if _, err := halted.Run(t.Context(), Tenant, who); !once || !errors.Is(err, retention.ErrBusy) {
					t.Errorf("the halted one ends with %v", err)
				}
				w.clock = w.clock.Add(62 * time.Second)
				if done := w.run(other); len(done) != 0 {
					t.Errorf("the next night: %+v", done)
				}
				w.expect("archives under way", 0, `SELECT COUNT(*) FROM archive WHERE state NOT IN ('pruned', 'left')`)
				w.expect("groups in archives", 3, `SELECT SUM(pruned) FROM archive WHERE state = 'pruned'`)
				w.expect("runs that were taken over", 1, `SELECT COUNT(*) FROM archive_run WHERE state = 'left'`)
				if n, faults, err := other.Verify(t.Context(), Tenant); n != 1 || len(faults) != 0 || err != nil {
					t.Errorf("verify: %d, %v, %v", n, faults, err)
				}
				w.agrees()
				for i := range 3 {
					if _, err := other.RestoreKey(t.Context(), Tenant, fmt.Sprint("order/SO", i+1), who); err != nil {
						t.Fatal(err)
					}
				}
				w.fold()
				same(t, "put back", w.dump(t, d), before)
			})
		})
	}
}

// What was put back while an archive is still being pruned stays counted.
func TestPutBackWhileItIsPruned(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 2)
		r, back := w.retention(), false
		r.Together = 1
		r.Fault = func(at string) error {
			if at != "pruning" || back {
				return nil
			}
			back = true
			_, err := r.RestoreKey(t.Context(), Tenant, "order/SO1", retention.Who{By: "ana", Reason: "asked"})
			return err
		}
		w.run(r)
		w.expect("groups put back", 1, `SELECT SUM(restored) FROM archive`)
	})
}
