package posting_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// takenBackByHand reverses a document in the target, as somebody does who works there.
func (w *world) takenBackByHand(kind connector.Kind, document *docklinev1.DocumentReference) {
	w.t.Helper()
	v := &docklinev1.Reversal{Reverses: document, Order: "SO1"}
	d := &docklinev1.Document{Document: &docklinev1.Document_GoodsIssueReversal{GoodsIssueReversal: v}}
	if kind == connector.InvoiceTrigger {
		d = &docklinev1.Document{Document: &docklinev1.Document_InvoiceReversal{InvoiceReversal: v}}
	}
	if _, err := w.target.Apply(w.t.Context(), &connector.Posting{Tenant: tenant, Kind: connector.Reversals[kind], Key: "by hand " + document.GetNumber(), SourceVersion: 1, Document: d}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) postAgain(ref posting.Ref) error {
	w.t.Helper()
	return w.db.Write(w.t.Context(), func(tx *db.Tx) error { return posting.PostAgain(w.t.Context(), tx, tenant, ref, w.clock.Now()) })
}

// What somebody took back in the target by hand, and should not have, is posted again by a person's word: once, whatever is said twice, and whatever
// becomes of the answer. What stands there is not posted a second time.
//
// Shows: S61
func TestPostedAgainByAPersonsWord(t *testing.T) {
	issue, bill := goodsIssue("SO1", "S1", 5), invoice("SO1", "S1")
	eachReversing(t, func(w *world) {
		s := w.sender("c1")
		w.logged("e-S1")
		w.put(fold, issue, bill)
		if err := w.postAgain(issue.Ref()); err == nil || !strings.Contains(err.Error(), "only what erp has confirmed") {
			w.t.Errorf("before it was posted: %v", err)
		}
		w.pass(s, time.Second)

		w.t.Log("nobody took it back: what stands there is found")
		for _, ref := range []posting.Ref{issue.Ref(), bill.Ref()} {
			if err := w.postAgain(ref); err != nil {
				w.t.Fatal(err)
			}
			w.pass(s, time.Second)
			w.expectOf(ref, posting.Confirmed)
			w.effects(ref.Kind, ref.Key, 1)
			w.effects(ref.Kind, ref.Key+"#2", 0)
		}

		w.t.Log("both are taken back by hand")
		for i, d := range []posting.Desired{bill, issue} {
			ref := d.Ref()
			w.takenBackByHand(ref.Kind, w.expectOf(ref, posting.Confirmed).Documents[0])
			w.effects(ref.Kind, ref.Key, 0)
			w.pass(s, 20*time.Minute) // nothing of it is posted again by itself
			w.effects(ref.Kind, ref.Key+"#2", 0)
			if i == 0 {
				w.fail(once(connectortest.Lost, "create"))
			} else {
				w.fail(once(connectortest.Lost, "done"))
			}
			if err := w.postAgain(ref); err != nil {
				w.t.Fatal(err)
			}
			if err := w.postAgain(ref); err == nil {
				w.t.Error("it is planned twice")
			}
			w.put(fold, issue, bill) // and the order is folded again meanwhile
			w.pass(s, time.Minute)
			if e := w.expectOf(ref, posting.Confirmed); e.Generation != 2 {
				w.t.Errorf("%s was made %d times", ref, e.Generation)
			}
			w.effects(ref.Kind, ref.Key+"#2", 1)
			if err := w.postAgain(ref); err != nil {
				w.t.Fatal(err)
			}
			w.pass(s, time.Minute)
			w.expectOf(ref, posting.Confirmed)
			w.effects(ref.Kind, ref.Key+"#2", 1)
			if n := len(w.target.Keys(ref.Kind)); n != 2 {
				w.t.Errorf("%d documents of %s", n, ref)
			}
		}
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
		if err := w.postAgain(posting.Ref{Target: "erp", Kind: connector.GoodsIssue, Key: "SO9/S9"}); !errors.Is(err, posting.ErrAbsent) {
			w.t.Errorf("of nothing: %v", err)
		}
	})
}
