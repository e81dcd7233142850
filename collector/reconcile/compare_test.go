package reconcile_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// TestWhatLooksAgainAtOnceIsNotCompared: a key that was folded beside what it waits for looks again within seconds. What it lacks until then is no
// mistake, so the nightly check beside traffic says nothing of it; one that looks again in an hour is compared.
func TestWhatLooksAgainAtOnceIsNotCompared(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, nil)
		w.tell(Accepted("SO1", "1", L("SO1", "1", "BOLT", "10")), Keyed(Pick(5, "P1", In(L("SO1", "1", "BOLT", "10"), "A-01", "")), "P1"))
		w.exec(`UPDATE state SET status = 'open' WHERE fold_key = 'order/SO1'`)
		compare := func() reconcile.Refolded {
			found, err := w.worker.Compare(t.Context(), []reconcile.Key{{Tenant: Tenant, Key: "order/SO1"}}, nil)
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			return found[0]
		}
		for _, c := range []struct {
			due     time.Duration
			pending bool
		}{{time.Hour, false}, {time.Second, true}, {0, true}} {
			w.exec(`DELETE FROM dirty WHERE fold_key = 'order/SO1'`)
			w.exec(`INSERT INTO dirty (tenant, fold_key, due_at) VALUES (?, 'order/SO1', ?)`, Tenant, w.clock.Add(c.due).UnixMicro())
			if r := compare(); r.Pending != c.pending || (len(r.Differences) > 0) == c.pending {
				t.Errorf("due in %v: pending %t, %v", c.due, r.Pending, r.Differences)
			}
		}
	})
}
