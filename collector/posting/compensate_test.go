package posting_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
)

// eachReversing is a world whose target takes back what it was told.
func eachReversing(t *testing.T, run func(w *world)) {
	t.Helper()
	each(t, func(w *world) {
		w.target.Reversals = true
		run(w)
	})
}

// What was posted and is no longer wanted, or not as it was, is taken back by a document of its own; nothing that was posted is edited.
//
// Shows: S61
func TestCompensation(t *testing.T) {
	issue, bill := goodsIssue("SO1", "S1", 5), invoice("SO1", "S1")
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		w.logged("e-S1")
		w.put(fold, issue, bill)
		w.pass(s, time.Second)
		first := w.expectOf(issue.Ref(), posting.Confirmed).Documents[0]

		w.t.Log("the shipment is voided")
		w.put(fold)
		w.pass(s, time.Second)
		w.expectOf(issue.Ref(), posting.Superseded)
		w.expectOf(bill.Ref(), posting.Superseded)
		v := w.reversal(connector.GoodsIssueReversal, issue.Key)
		if r := v.Document.GetGoodsIssueReversal(); r.GetReverses().GetNumber() != first.Number || r.GetReference() != issue.Key || r.GetOrder() != "SO1" || len(r.GetLines()) != 1 {
			w.t.Errorf("the reversal says %v, and the goods issue was %v", r, first)
		}
		w.reversal(connector.InvoiceReversal, bill.Key)
		w.effects(issue.Kind, issue.Key, 0)
		w.effects(bill.Kind, bill.Key, 0)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}

		w.t.Log("it left after all, with less in it")
		less := goodsIssue("SO1", "S1", 3)
		w.put(fold, less, bill)
		w.pass(s, time.Second)
		if e := w.expectOf(issue.Ref(), posting.Confirmed); e.Generation != 2 || e.Booked.GetGoodsIssue().GetLines()[0].GetQuantity() != "3" {
			w.t.Errorf("made %d times, booked %v", e.Generation, e.Booked)
		}
		w.expectOf(bill.Ref(), posting.Confirmed)
		w.effects(issue.Kind, issue.Key+"#2", 1)
		w.effects(bill.Kind, bill.Key+"#2", 1)

		w.t.Log("the site corrects what it told: both documents are taken back, and made anew")
		w.put(fold, goodsIssue("SO1", "S1", 4), bill)
		w.pass(s, time.Second)
		w.effects(issue.Kind, issue.Key+"#2", 0)
		w.effects(bill.Kind, bill.Key+"#2", 0)
		w.effects(issue.Kind, issue.Key+"#3", 1)
		w.effects(bill.Kind, bill.Key+"#3", 1)
		w.reversal(connector.GoodsIssueReversal, issue.Key+"#2")
		w.expectOf(issue.Ref(), posting.Confirmed)
		w.expectOf(bill.Ref(), posting.Confirmed)
		w.pass(s, 30*time.Minute)
		if n := len(w.target.Keys(issue.Kind)) + len(w.target.Keys(bill.Kind)); n != 6 {
			w.t.Errorf("%d documents in the target, want three of each", n)
		}
	})
}

// A tracking number that was mistyped makes nobody's invoice anew: a person is asked to enter it.
func TestATrackingNumberReversesNothing(t *testing.T) {
	issue, bill := goodsIssue("SO1", "S1", 5), invoice("SO1", "S1")
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		w.logged("e-S1")
		w.put(fold, issue, bill)
		w.pass(s, time.Second)
		w.expectOf(issue.Ref(), posting.Confirmed)

		corrected := goodsIssue("SO1", "S1", 5)
		corrected.Document.GetGoodsIssue().Tracking = "1Z-RIGHT"
		w.put(fold, corrected, bill)
		w.pass(s, 30*time.Minute)
		w.expectOf(issue.Ref(), posting.Diverged)
		w.expectOf(bill.Ref(), posting.Confirmed)
		w.effects(issue.Kind, issue.Key, 1)
		w.effects(bill.Kind, bill.Key, 1)
		if got := w.exceptions(); len(got) != 1 {
			w.t.Errorf("exceptions: %v, want the one that names the tracking number", got)
		}

		w.t.Log("with another quantity as well the documents are made anew")
		corrected = goodsIssue("SO1", "S1", 4)
		corrected.Document.GetGoodsIssue().Tracking = "1Z-RIGHT"
		w.put(fold, corrected, bill)
		w.pass(s, time.Second)
		w.effects(issue.Kind, issue.Key, 0)
		w.effects(issue.Kind, issue.Key+"#2", 1)
		w.effects(bill.Kind, bill.Key+"#2", 1)
	})
}

// expectOf is expect for keys that several kinds have.
func (w *world) expectOf(ref posting.Ref, state posting.State) posting.Entry {
	w.t.Helper()
	for _, e := range w.all() {
		if e.Ref == ref {
			if e.State != state {
				w.t.Fatalf("%s is %s (%s %s), want %s", ref, e.State, e.Fault.Code, e.Fault.Text, state)
			}
			return e
		}
	}
	w.t.Fatalf("there is no posting %s", ref)
	return posting.Entry{}
}

// reversal is the confirmed reversal of what was posted under a key.
func (w *world) reversal(kind connector.Kind, key string) posting.Entry {
	w.t.Helper()
	for _, e := range w.all() {
		if e.Kind == kind && e.Key == key {
			if e.State != posting.Confirmed {
				w.t.Fatalf("%s is %s: %s", e.Ref, e.State, e.Fault.Text)
			}
			w.effects(kind, key, 1)
			return e
		}
	}
	w.t.Fatalf("there is no %s of %s", kind, key)
	return posting.Entry{}
}

// A void that is taken back before its reversal was told leaves everything as it is; one that comes later has the documents made anew.
func TestReversalThatIsNoLongerWanted(t *testing.T) {
	issue := goodsIssue("SO1", "S1", 5)
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		w.put(fold, issue)
		w.pass(s, time.Second)
		w.fail(always(connectortest.Before, "create", "find", "probe"))
		w.put(fold)
		w.pass(s, 3*time.Second)
		w.expectOf(issue.Ref(), posting.Correcting)
		w.put(fold, issue)
		w.fail(nil)
		w.pass(s, 10*time.Second)
		w.expectOf(issue.Ref(), posting.Confirmed)
		w.effects(issue.Kind, issue.Key, 1)
		w.effects(connector.GoodsIssueReversal, issue.Key, 0)

		w.put(fold)
		w.pass(s, time.Second)
		w.expectOf(issue.Ref(), posting.Superseded)
		w.put(fold, issue)
		w.pass(s, time.Second)
		w.effects(issue.Kind, issue.Key, 0)
		w.effects(issue.Kind, issue.Key+"#2", 1)
	})
}

// A reversal that is refused is a case, and the document is read back: taken back by hand it is settled. A lost answer is settled by looking.
func TestReversalThatIsRefused(t *testing.T) {
	issue, bill := goodsIssue("SO1", "S1", 5), invoice("SO1", "S1")
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		w.put(fold, issue, bill)
		w.pass(s, time.Second)
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "create" && p.Kind == connector.GoodsIssueReversal {
				return connectortest.BadProcess
			}
			return connectortest.None
		})
		w.put(fold)
		w.pass(s, time.Minute)
		w.expectOf(issue.Ref(), posting.Diverged)
		w.expectOf(bill.Ref(), posting.Superseded)
		if got := w.exceptions(); !slices.Contains(got, "period_closed") || !slices.Contains(got, "no_longer_wanted") {
			w.t.Errorf("exceptions: %v", got)
		}
		w.fail(once(connectortest.Lost, "create"))
		w.write(func(tx *db.Tx) error {
			return posting.Retry(t.Context(), tx, tenant, posting.Ref{Target: "erp", Kind: connector.GoodsIssueReversal, Key: issue.Key}, w.clock.Now())
		})
		w.pass(s, settleTime+5*time.Second)
		w.reversal(connector.GoodsIssueReversal, issue.Key)
		w.expectOf(issue.Ref(), posting.Superseded)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

// What is wanted again while its reversal was refused, or is under way since somebody retried that, does not lose its document: the reversal that was
// refused is dropped with its case, and where one was told after all the document is made anew.
func TestWantedAgainWhileItsReversalIsRefused(t *testing.T) {
	issue := goodsIssue("SO1", "S1", 5)
	back := posting.Ref{Target: "erp", Kind: connector.GoodsIssueReversal, Key: issue.Key}
	refuse := func(op string, p *connector.Posting) connectortest.Failure {
		if op == "create" && p.Kind == connector.GoodsIssueReversal {
			return connectortest.BadProcess
		}
		return connectortest.None
	}
	refused := func(w *world, s *posting.Sender) {
		w.put(fold, issue)
		w.pass(s, time.Second)
		w.fail(refuse)
		w.put(fold)
		w.pass(s, time.Second)
		w.expectOf(back, posting.Rejected)
		w.expectOf(issue.Ref(), posting.Diverged)
	}
	retry := func(tx *db.Tx, w *world) error { return posting.Retry(t.Context(), tx, tenant, back, w.clock.Now()) }
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		refused(w, s)
		w.put(fold, issue)
		w.pass(s, time.Second)
		w.expectOf(issue.Ref(), posting.Confirmed)
		w.expectOf(back, posting.Superseded)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
		w.fail(nil)
		if err := w.db.Write(t.Context(), func(tx *db.Tx) error { return retry(tx, w) }); err == nil {
			w.t.Error("a reversal that nobody wants was tried again")
		}
		w.pass(s, time.Second)
		w.effects(issue.Kind, issue.Key, 1)
	})
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		refused(w, s)
		w.fail(once(connectortest.Late, "create"))
		w.write(func(tx *db.Tx) error { return retry(tx, w) })
		w.pass(s, time.Second)
		w.expectOf(back, posting.Unknown)
		w.put(fold, issue)
		w.pass(s, settleTime+5*time.Second)
		w.expectOf(issue.Ref(), posting.Confirmed)
		w.effects(issue.Kind, issue.Key, 0)
		w.effects(issue.Kind, issue.Key+"#2", 1)
	})
}

// A target that cannot take back is left to a person, as before.
func TestTargetThatCannotTakeBack(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put(fold, goodsIssue("SO1", "S1", 5))
		w.pass(s, time.Second)
		w.put(fold)
		w.pass(s, time.Minute)
		w.expect("SO1/S1", posting.Diverged)
		if got := w.exceptions(); !slices.Equal(got, []string{"no_longer_wanted"}) {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}
