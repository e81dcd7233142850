package awkward_test

import (
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
)

// closedDay has the ERP's books closed for the day on which everything in these tests begins.
const closedDay = "periods:\n  erp: {closed_through: 2026-11-24}\n"

// closedPeriod: goods left on a day that is closed by the time the site tells of it. The order is worked out as ever, its document bears the first
// open day, and is on the list that says so; one of a day that is open bears its own.
func closedPeriod(w *world) {
	late, own := w.order(4), w.order(3)
	w.pass(48 * time.Hour)
	w.leave(10, late, "S1", 4)
	w.leave(2*oneDay, own, "S2", 3)
	w.expectIssued(late, "S1: 10 BOLT 4")
	w.expectIssued(own, "S2: 10 BOLT 3")
	w.expectStatus(late, state.Closed)
	var listed []posting.Cutoff
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		listed, err = posting.Cutoffs(w.t.Context(), tx, Tenant, ERP, 0)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var issues []posting.Cutoff
	for _, c := range listed {
		if c.Kind == connector.GoodsIssue {
			issues = append(issues, c)
		}
	}
	if len(issues) != 1 || issues[0].HappenedOn != "2026-11-24" || issues[0].PostedOn != "2026-11-25" || issues[0].Reason == "" {
		w.t.Errorf("the cut-off list has %+v", issues)
	}
}
