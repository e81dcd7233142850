package posting_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
)

// A document that Dockline alone would leave as it is, a person has taken back: what depends on it goes first, and what is wanted is posted anew.
// Where nothing differs there is nothing to ask for, and where the target takes no reversals the case says what to do there.
//
// Shows: S61
func TestAPersonAsksForADocumentToBeTakenBack(t *testing.T) {
	for _, takes := range []bool{true, false} {
		each(t, func(w *world) {
			w.target.Reversals = takes
			issue, bill := goodsIssue("SO1", "S1", 5), invoice("SO1", "S1")
			s := w.sender("c1")
			w.logged("e-S1")
			w.put(fold, issue, bill)
			w.pass(s, time.Second)
			w.expectOf(issue.Ref(), posting.Confirmed)
			ask := func() (err error) {
				w.write(func(tx *db.Tx) error {
					if err = posting.MayCompensate(t.Context(), tx, tenant, issue.Ref()); err != nil {
						return nil
					}
					return posting.Compensate(t.Context(), tx, posting.Say{Tenant: tenant, By: "clerk", Reason: "the label was wrong"}, issue.Ref(), w.clock.Now())
				})
				return err
			}
			if err := ask(); err == nil || !strings.Contains(err.Error(), "confirmed") {
				t.Errorf("what agrees may be taken back: %v", err)
			}
			corrected := goodsIssue("SO1", "S1", 5)
			corrected.Document.GetGoodsIssue().Tracking = "1Z-RIGHT"
			w.put(fold, corrected, bill)
			w.pass(s, time.Minute)
			w.expectOf(issue.Ref(), posting.Diverged)
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			w.pass(s, time.Minute)
			if !takes {
				e := w.expectOf(issue.Ref(), posting.Diverged)
				if !strings.Contains(e.Fault.Remedy, "by hand") {
					t.Errorf("what to do where %s takes no reversals: %q", e.Target, e.Fault.Remedy)
				}
				w.effects(issue.Kind, issue.Key, 1)
				return
			}
			if e := w.expectOf(issue.Ref(), posting.Confirmed); e.Generation != 2 || e.Booked.GetGoodsIssue().GetTracking() != "1Z-RIGHT" {
				t.Errorf("made %d times, booked %v", e.Generation, e.Booked)
			}
			w.expectOf(bill.Ref(), posting.Confirmed)
			w.effects(issue.Kind, issue.Key, 0)
			w.effects(bill.Kind, bill.Key, 0)
			w.effects(issue.Kind, issue.Key+"#2", 1)
			w.effects(bill.Kind, bill.Key+"#2", 1)
			if got := w.exceptions(); len(got) != 0 {
				t.Errorf("exceptions: %v", got)
			}
			w.pass(s, time.Hour)
			w.effects(issue.Kind, issue.Key+"#2", 1)
		})
	}
}
