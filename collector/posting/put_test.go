package posting_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func TestConfirmedDocumentThatChangesNeedsAPerson(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put(fold, goodsIssue("SO1", "S1", 5))
		w.quiet(s)
		w.put(fold, goodsIssue("SO1", "S1", 4))
		w.quiet(s)
		e := w.expect("SO1/S1", posting.Diverged)
		if !strings.Contains(e.Fault.Text, "quantity 5, now 4") {
			w.t.Errorf("the difference is not named: %s", e.Fault.Text)
		}
		if got := w.exceptions(); !slices.Equal(got, []string{"document_changed"}) {
			w.t.Errorf("exceptions: %v", got)
		}
		w.effects(connector.GoodsIssue, "SO1/S1", 1)

		w.put(fold, goodsIssue("SO1", "S1", 5))
		w.quiet(s)
		w.expect("SO1/S1", posting.Confirmed)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions after it is wanted as it was: %v", got)
		}
	})
}

func TestPersonPutsADivergedDocumentRight(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put(fold, goodsIssue("SO1", "S1", 5))
		w.quiet(s)
		w.put(fold, goodsIssue("SO1", "S1", 4))
		w.pass(s, time.Minute)
		w.expect("SO1/S1", posting.Diverged)
		w.target.Edit(connector.GoodsIssue, "SO1/S1", goodsIssue("SO1", "S1", 4).Document)
		w.clock.advance(10 * time.Minute)
		w.quiet(s)
		w.expect("SO1/S1", posting.Confirmed)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestDocumentUnderOurReferenceThatIsNotOurs(t *testing.T) {
	each(t, func(w *world) {
		d := invoice("SO1", "S1")
		d.Needs = nil
		foreign := proto.CloneOf(d.Document)
		foreign.GetInvoiceTrigger().Shipment = "S9"
		w.target.Double(&connector.Posting{Kind: d.Kind, Key: d.Key, Document: foreign})
		s := w.sender("c1")
		w.put(fold, d)
		w.quiet(s)
		w.expect(d.Key, posting.Diverged)
		w.effects(d.Kind, d.Key, 1)
		if got := w.exceptions(); !slices.Equal(got, []string{"document_differs"}) {
			w.t.Errorf("exceptions: %v", got)
		}
		w.target.Edit(d.Kind, d.Key, d.Document)
		w.clock.advance(10 * time.Minute)
		w.quiet(s)
		w.expect(d.Key, posting.Confirmed)
	})
}

func TestDuplicateDocumentsBlockUntilOneIsLeft(t *testing.T) {
	each(t, func(w *world) {
		d := invoice("SO1", "S1")
		d.Needs = nil
		w.logged("e-S1")
		p := &connector.Posting{Kind: d.Kind, Key: d.Key, Document: d.Document}
		w.target.Double(p)
		w.target.Double(p)
		s := w.sender("c1")
		w.put(fold, d)
		w.pass(s, time.Minute)
		e := w.expect(d.Key, posting.Blocked)
		if len(e.Documents) != 2 || !strings.Contains(e.Fault.Text, e.Documents[1].Number) {
			w.t.Errorf("both documents should be named: %s", e.Fault.Text)
		}
		if got := w.exceptions(); !slices.Equal(got, []string{"duplicate_document"}) {
			w.t.Errorf("exceptions: %v", got)
		}
		if r := w.receipt("e-S1"); r.Level != docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION {
			w.t.Errorf("receipt: %v", r)
		}
		w.target.Edit(d.Kind, d.Key, nil)
		w.clock.advance(10 * time.Minute)
		w.quiet(s)
		w.expect(d.Key, posting.Confirmed)
		w.effects(d.Kind, d.Key, 1)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

// booked is the sum of all adjustments in the target.
func (w *world) booked() string {
	sum := int64(0)
	for _, key := range w.target.Keys(connector.StockAdjustment) {
		n, err := event.ParseQuantity(w.target.Document(connector.StockAdjustment, key).GetStockAdjustment().GetDelta())
		if err != nil {
			w.t.Fatal(err)
		}
		sum += n
	}
	return event.FormatQuantity(sum)
}

func TestVarianceThatChangesIsFollowedUp(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		key := adjustment("5").Key
		w.logged("e-count")
		w.put(fold, adjustment("5"))
		w.quiet(s)
		w.expect(key, posting.Confirmed)
		for _, step := range []struct {
			delta, follow, booked string
			keys                  int
		}{{"3.5", "-1.5", "3.5", 2}, {"3.5", "-1.5", "3.5", 2}, {"0", "-3.5", "0", 3}, {"-2", "-2", "-2", 4}} {
			w.put(fold, adjustment(step.delta))
			if step.booked != w.booked() {
				w.expect(key, posting.Correcting)
			}
			w.quiet(s)
			w.expect(key, posting.Confirmed)
			if got := w.booked(); got != step.booked {
				w.t.Errorf("booked %s for a variance of %s", got, step.delta)
			}
			if n := len(w.target.Keys(connector.StockAdjustment)); n != step.keys {
				w.t.Errorf("%d documents for a variance of %s, want %d", n, step.delta, step.keys)
			}
		}
		w.put(fold) // the count itself is gone
		w.quiet(s)
		if got := w.booked(); got != "0" {
			w.t.Errorf("booked %s for a count that is no more", got)
		}
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestVarianceThatChangesWhileItIsBooked(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		key := adjustment("5").Key
		w.fail(once(connectortest.Late, "create"))
		w.put(fold, adjustment("5"))
		w.quiet(s)
		w.expect(key, posting.Unknown)
		w.put(fold, adjustment("7"))
		w.put(fold, adjustment("8"))
		w.expect(key, posting.Unknown)
		w.pass(s, settleTime)
		w.expect(key, posting.Confirmed)
		w.expect(key+"#2", posting.Confirmed)
		if got := w.booked(); got != "8" {
			w.t.Errorf("booked %s, want 8", got)
		}
	})
}

func TestFollowUpThatIsRefusedTakesTheNextDifference(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		key := adjustment("5").Key
		w.put(fold, adjustment("5"))
		w.quiet(s)
		w.fail(once(connectortest.BadProcess, "create"))
		w.put(fold, adjustment("6"))
		w.quiet(s)
		w.expect(key, posting.Correcting)
		w.expect(key+"#2", posting.Rejected)
		w.put(fold, adjustment("9"))
		w.quiet(s)
		w.expect(key, posting.Confirmed)
		if got := w.booked(); got != "9" {
			w.t.Errorf("booked %s, want 9", got)
		}
		if n := len(w.entries(fold)); n != 2 {
			w.t.Errorf("%d postings, want 2", n)
		}
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestStatusIsRestatedWithAHigherVersion(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put(fold, status("SO1", "accepted", 4))
		w.quiet(s)
		w.put(fold, status("SO1", "accepted", 9)) // nothing to say
		w.quiet(s)
		if n := s.Stats().Sent; n != 1 {
			w.t.Errorf("%d sent, want 1", n)
		}
		w.put(fold, status("SO1", "shipped", 4)) // a version that does not grow is made to
		w.quiet(s)
		e := w.expect("SO1", posting.Confirmed)
		if e.ConfirmedVersion <= 4 {
			w.t.Errorf("confirmed version %d", e.ConfirmedVersion)
		}
		if got := w.target.Document(connector.OrderStatus, "SO1").GetOrderStatus().GetStatus(); got != "shipped" {
			w.t.Errorf("the target has status %q", got)
		}
		w.fail(once(connectortest.Silent, "restate"))
		w.put(fold, status("SO1", "invoiced", 10))
		w.quiet(s)
		w.put(fold, status("SO1", "shipped", 11))
		w.pass(s, settleTime+time.Second)
		w.expect("SO1", posting.Confirmed)
		if got := w.target.Document(connector.OrderStatus, "SO1").GetOrderStatus().GetStatus(); got != "shipped" {
			w.t.Errorf("the target has status %q", got)
		}
		w.effects(connector.OrderStatus, "SO1", 1)
	})
}

func TestNoLongerWanted(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.fail(once(connectortest.Late, "bind"))
		w.put("order/SO2", goodsIssue("SO2", "S2", 1)) // under way when it is withdrawn
		w.quiet(s)
		w.put("order/SO1", goodsIssue("SO1", "S1", 1)) // confirmed
		w.quiet(s)
		w.put("order/SO3", goodsIssue("SO3", "S3", 1)) // ready
		for _, f := range []string{"order/SO1", "order/SO2", "order/SO3"} {
			w.put(f)
		}
		w.expect("SO1/S1", posting.Diverged)
		w.expect("SO2/S2", posting.Unknown)
		w.expect("SO3/S3", posting.Superseded)
		w.pass(s, settleTime+5*time.Second)
		w.expect("SO2/S2", posting.Superseded)
		w.effects(connector.GoodsIssue, "SO2/S2", 0)
		w.effects(connector.GoodsIssue, "SO3/S3", 0)
		if got := w.exceptions(); !slices.Equal(got, []string{"no_longer_wanted"}) {
			w.t.Errorf("exceptions: %v", got)
		}
		w.put("order/SO1", goodsIssue("SO1", "S1", 1))
		w.put("order/SO3", goodsIssue("SO3", "S3", 1))
		w.quiet(s)
		w.expect("SO1/S1", posting.Confirmed)
		w.expect("SO3/S3", posting.Confirmed)
		if got := w.exceptions(); len(got) != 0 {
			w.t.Errorf("exceptions: %v", got)
		}
	})
}

func TestPutRefusesWhatCannotBe(t *testing.T) {
	each(t, func(w *world) {
		a, b := goodsIssue("SO1", "S1", 1), goodsIssue("SO1", "S2", 1)
		a.Needs, b.Needs = []posting.Ref{b.Ref()}, []posting.Ref{a.Ref()}
		for name, desired := range map[string][]posting.Desired{
			"needs itself":   {a, b},
			"wanted twice":   {goodsIssue("SO1", "S1", 1), goodsIssue("SO1", "S1", 2)},
			"no document":    {{Target: "erp", Kind: connector.GoodsIssue, Key: "x", Style: connector.Advance}},
			"not a quantity": {adjustment("many")},
		} {
			err := w.db.Write(t.Context(), func(tx *db.Tx) error {
				return posting.Put(t.Context(), tx, tenant, fold, "v1", desired, w.clock.Now())
			})
			if err == nil {
				w.t.Errorf("%s: no error", name)
			}
		}
		if n := len(w.entries(fold)); n != 0 {
			w.t.Errorf("%d postings were kept", n)
		}
	})
}
