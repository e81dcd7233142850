package retention_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// aYear is a world with orders that ended, one that did not, and stock; what is told last is young.
func aYear(t *testing.T, d *db.DB, orders int) *world {
	w := newWorld(t, d)
	w.tell(Snapshot(0, In(L("", "", "BOLT", "1000"), "A-01", "")))
	for i := range orders {
		w.tell(ended(fmt.Sprint("SO", i+1), 100*(i+1))...)
	}
	w.tell(ended("SO-OPEN", 5000)[:3]...)
	w.fold()
	w.confirm()
	w.later(2 * day)
	w.later(425 * day)
	w.tell(Accepted("SO-NEW", "1", L("SO-NEW", "1", "BOLT", "10")))
	w.fold()
	return w
}

// What ended is written into an archive and taken out of the database when its term is over. What is open stays with all that belongs to it, and so
// does stock: its ledger says the same, and the nightly check finds nothing missing.
func TestWhatHasEndedIsArchived(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 3)
		before := w.dump(t, d)
		r := w.retention()
		plan, err := r.Plan(t.Context(), Tenant)
		if err != nil {
			t.Fatal(err)
		}
		if plan.Groups != 3 || plan.Events != 18 || plan.Keys["order"] != 3 || plan.Keys["shipment"] != 3 || plan.Bytes < 5000 || len(plan.Stays) != 2 {
			t.Errorf("plan: %+v", plan)
		}
		same(t, "after the plan", w.dump(t, d), before)
		done := w.run(r)
		if len(done) != 1 || done[0].State != retention.Pruned || done[0].Pruned != 3 || done[0].Skipped != 0 || done[0].Events != 18 {
			t.Fatalf("archives: %+v", done)
		}
		for _, key := range []string{"order/SO1", "shipment/dc-east/S-SO2", "movement/dc-east/wms/P-SO3/pick"} {
			w.expect("facts of "+key, 0, `SELECT COUNT(*) FROM fact WHERE fold_key = ?`, key)
			w.expect("state of "+key, 0, `SELECT COUNT(*) FROM state WHERE fold_key = ?`, key)
		}
		w.expect("facts of the open order", 3, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO-OPEN'`)
		w.expect("postings", 0, `SELECT COUNT(*) FROM posting`)
		w.expect("ids", int64(len(before["event_identity"])), `SELECT COUNT(*) FROM event_identity`)
		same(t, "stock", map[string][]string{"ledger": w.dump(t, d)["ledger"], "ledger_account": w.dump(t, d)["ledger_account"]},
			map[string][]string{"ledger": before["ledger"], "ledger_account": before["ledger_account"]})
		w.agrees()
		var at *retention.Place
		w.read(func(tx *db.Tx) (err error) {
			at, err = retention.Where(t.Context(), tx, Tenant, "order/SO2")
			return err
		})
		if at.Status != "closed" || at.Archive != done[0].Number || at.Events != 6 {
			t.Errorf("order/SO2 is archived as %+v", at)
		}
		if n, faults, err := r.Verify(t.Context(), Tenant); n != 1 || len(faults) != 0 || err != nil {
			t.Errorf("verify: %d, %v, %v", n, faults, err)
		}
		w.read(func(tx *db.Tx) error {
			_, err := view.OneOrder(t.Context(), tx, Tenant, "SO2")
			if !errors.Is(err, view.ErrNoOrder) || !strings.Contains(err.Error(), "it was closed, and is in archive 1") {
				t.Errorf("the page of an archived order says: %v", err)
			}
			return nil
		})
		if _, err := w.log.Get(t.Context(), Tenant, ended("SO2", 200)[1].GetId()); !errors.Is(err, eventlog.ErrNoEvent) || !strings.Contains(err.Error(), "archive 1") {
			t.Errorf("an archived event: %v", err)
		}
		if again := w.run(r); len(again) != 0 {
			t.Errorf("a second run archives %+v", again)
		}
	})
}

// An event that was exported and pruned fourteen months ago comes again, from a site that was put back to an old disk: it is refused as a
// duplicate, and nothing follows from it. The same id with another content is kept beside it, and a person is told.
//
// Shows: S58
func TestOldEventAfterRetention(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 2)
		if done := w.run(w.retention()); len(done) != 1 || done[0].Pruned != 2 {
			t.Fatalf("archives: %+v", done)
		}
		pruned := w.clock
		w.later(pruned.AddDate(0, 14, 0).Sub(pruned))
		before := w.dump(t, d)
		old := ended("SO1", 100)
		if got := w.tell(old...); got != (eventlog.AppendResult{Duplicates: len(old)}) {
			t.Errorf("what was archived came again: %+v", got)
		}
		w.fold()
		same(t, "after it came again", w.dump(t, d), before)
		w.expect("marks", 0, `SELECT COUNT(*) FROM dirty WHERE due_at <= 1`)
		other := proto.CloneOf(old[1])
		other.GetPick().Lines[0].Quantity.Value = "9"
		if got := w.tell(other, other); got != (eventlog.AppendResult{Conflicts: 1, Duplicates: 1}) {
			t.Errorf("another content under an archived id: %+v", got)
		}
		w.fold()
		w.expect("cases of it", 1, `SELECT COUNT(*) FROM exception WHERE code = 'changed_event' AND state = 'open'`)
		w.expect("facts of the archived order", 0, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO1'`)
		w.agrees()
	})
}

// What is told late of an archived order changes nothing and takes nothing back; it is a case that says how to put the order back. Put back, the
// order counts it, and the case is closed.
func TestWhatIsToldLateWaitsForTheArchive(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 2)
		before := w.dump(t, d)
		r := w.retention()
		w.run(r)
		w.tell(Keyed(Pick(900, "P-late", In(L("SO1", "1", "BOLT", "1"), "A-01", "")), "P-late"))
		w.fold()
		w.expect("postings", 0, `SELECT COUNT(*) FROM posting`)
		w.expect("states of the order", 0, `SELECT COUNT(*) FROM state WHERE fold_key = 'order/SO1'`)
		late := func(state exception.State) int64 {
			return w.count(`SELECT COUNT(*) FROM exception WHERE code = ? AND subject = 'order/SO1' AND order_number = 'SO1' AND team <> '' AND state = ?`, reconcile.CodeLate, string(state))
		}
		if late(exception.Open) != 1 {
			t.Error("nobody is told of it")
		}
		w.agrees()
		done, err := r.RestoreKey(t.Context(), Tenant, "order/SO1", retention.Who{By: "ana", Reason: "late pick"})
		if err != nil {
			t.Fatal(err)
		}
		if done.Events != 6 || !slices.Contains(done.Keys, "shipment/dc-east/S-SO1") {
			t.Errorf("restored %+v", done)
		}
		w.fold()
		if late(exception.Resolved) != 1 {
			t.Error("its case is not closed")
		}
		w.expect("facts of the order", 7, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO1'`)
		w.expect("postings of the order", 2, `SELECT COUNT(*) FROM posting WHERE fold_key = 'order/SO1' AND state = 'confirmed'`)
		w.agrees()
		if _, err := r.RestoreKey(t.Context(), Tenant, "order/SO1", retention.Who{By: "ana", Reason: "again"}); !errors.Is(err, retention.ErrAbsent) {
			t.Errorf("a second restore: %v", err)
		}
		// the other order comes back as it was, to the last row
		if _, err := r.RestoreKey(t.Context(), Tenant, "shipment/dc-east/S-SO2", retention.Who{By: "ana", Reason: "claim"}); err != nil {
			t.Fatal(err)
		}
		w.fold()
		w.agrees()
		after := w.dump(t, d)
		for _, table := range []string{"event", "fact", "state", "posting", "posting_event", "link", "milestone", "receipt"} {
			for _, row := range before[table] {
				if strings.Contains(row, "SO2") && !slices.Contains(after[table], row) {
					t.Errorf("%s: not as it was: %s", table, row)
				}
			}
		}
	})
}

// Whatever a run is cut short by, the next one ends it: nothing is lost, nothing is in an archive twice, and the chain is whole.
func TestARunThatIsCutShort(t *testing.T) {
	cut := errors.New("the power is gone")
	for _, point := range []string{"begun", "unsealed", "sealed", "manifest", "pruning", "pruning 2"} {
		t.Run(point, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := aYear(t, d, 3)
				before := w.dump(t, d)
				r := w.retention()
				r.Together = 1
				name, after, _ := strings.Cut(point, " ")
				n := 0
				r.Fault = func(at string) error {
					if at != name {
						return nil
					}
					if n++; n == 1 && after != "" {
						return nil
					}
					return cut
				}
				if _, err := r.Run(t.Context(), Tenant, retention.Who{By: "ana", Reason: "yearly"}); !errors.Is(err, cut) {
					t.Fatalf("run: %v", err)
				}
				w.fold()
				w.agrees()
				r = w.retention()
				r.Holder = "another"
				w.clock = w.clock.Add(2 * 60e9) // the lease of who is gone
				w.run(r)
				w.expect("groups in archives", 3, `SELECT SUM(pruned) FROM archive WHERE state = 'pruned'`)
				w.expect("archives under way", 0, `SELECT COUNT(*) FROM archive WHERE state NOT IN ('pruned', 'left')`)
				w.expect("archived orders", 3, `SELECT COUNT(*) FROM archive_key WHERE fold_key LIKE 'order/%'`)
				w.agrees()
				if n, faults, err := r.Verify(t.Context(), Tenant); n != 1 || len(faults) != 0 || err != nil {
					t.Errorf("verify: %d, %v, %v", n, faults, err)
				}
				for i := range 3 {
					if _, err := r.RestoreKey(t.Context(), Tenant, fmt.Sprint("order/SO", i+1), retention.Who{By: "ana", Reason: "test"}); err != nil {
						t.Fatal(err)
					}
				}
				w.fold()
				same(t, "put back", w.dump(t, d), before)
			})
		})
	}
}

// An archive is put back into a database that never ran: the same ids at the same places, the same documents, and states that fold to the same hash.
func TestAnArchiveIsPutBackIntoAnEmptyCollector(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 3)
		before := w.dump(t, d)
		done := w.run(w.retention())
		empty := newWorld(t, testenv.SQLite(t))
		empty.clock = w.clock
		r := empty.retention()
		got, err := r.Restore(t.Context(), []string{w.folder + "/" + Tenant + "/" + done[0].Manifest}, retention.Who{By: "ana", Reason: "audit"})
		if err != nil {
			t.Fatal(err)
		}
		if got.Groups != 3 || got.Events != 18 || got.There != 0 {
			t.Errorf("restored %+v", got)
		}
		empty.fold()
		empty.agrees()
		after := empty.dump(t, empty.d)
		for _, table := range []string{"event", "event_identity", "fact", "state", "posting", "posting_event", "receipt", "milestone", "record_first"} {
			if len(after[table]) == 0 {
				t.Errorf("%s is empty", table)
			}
			for _, row := range after[table] {
				if !slices.Contains(before[table], row) {
					t.Errorf("%s: not as it was: %s", table, row)
				}
			}
		}
		if n := empty.count(`SELECT COUNT(*) FROM state WHERE fold_key LIKE 'order/%' AND status = 'closed'`); n != 3 {
			t.Errorf("%d orders are closed, want 3", n)
		}
		again, err := r.Restore(t.Context(), []string{w.folder + "/" + Tenant + "/" + done[0].Manifest}, retention.Who{By: "ana", Reason: "audit"})
		if err != nil || again.Groups != 0 || again.There != 3 {
			t.Errorf("a second restore: %+v, %v", again, err)
		}
		empty.tell(Accepted("SO-NEXT", "1", L("SO-NEXT", "1", "BOLT", "1"))) // numbers go on behind what was put back
		empty.fold()
		empty.agrees()
	})
}

// What changed between the writing and the deleting stays.
func TestWhatChangesMeanwhileStays(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := aYear(t, d, 2)
		r := w.retention()
		r.Fault = func(at string) error {
			if at == "manifest" {
				w.tell(Keyed(Pick(900, "P-late", In(L("SO1", "1", "BOLT", "1"), "A-01", "")), "P-late"))
			}
			return nil
		}
		done := w.run(r)
		if len(done) != 1 || done[0].Pruned != 1 || done[0].Skipped != 1 {
			t.Fatalf("archives: %+v", done)
		}
		w.fold()
		w.expect("facts of the order", 7, `SELECT COUNT(*) FROM fact WHERE fold_key = 'order/SO1'`)
		w.agrees()
	})
}
