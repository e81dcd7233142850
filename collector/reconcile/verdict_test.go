package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

func verdicts(o *docklinev1.OrderState) string {
	var list []string
	for _, v := range o.GetVerdicts() {
		list = append(list, fmt.Sprintf("%s %s by %s: %s", v.GetCheck(), v.GetOutcome(), v.GetSource(), v.GetReason()))
	}
	return strings.Join(list, "; ")
}

func found(list ...*docklinev1.Verdict) func(*docklinev1.Order) {
	return func(o *docklinev1.Order) { o.Verdicts, o.Site = list, "" }
}

// TestOwnershipOfVerdicts: credit, tax, terms and structure are what the ERP says they are, with its reason and its name, in whatever order facts arrive. Another
// system's verdict is not applied.
//
// Shows: S51
func TestOwnershipOfVerdicts(t *testing.T) {
	line := Priced(L("", "1", "A", "5"), "2.50")
	events := []*docklinev1.Event{
		Ordered("SO1", "7", found(&docklinev1.Verdict{Check: "credit", Outcome: "pass", Reason: "within 5,000 EUR"}, &docklinev1.Verdict{Check: "tax", Outcome: "hold", Reason: "no VAT number"}), line),
		Ordered("SO1", "8", found(&docklinev1.Verdict{Check: "tax", Outcome: "pass", Reason: "VAT number DE1"}, &docklinev1.Verdict{Check: "structure", Outcome: "fail", Reason: "kit without parts"}), line),
		Held(30, "SO1", "credit"),
		Changed(CRM, "SO1", "9", found(&docklinev1.Verdict{Check: "credit", Outcome: "pass", Reason: "a good customer"}), line),
		By(CRM, HoldReleased(90, "SO1", "credit")),
		By(CRM, Held(91, "SO1", "terms")),
	}
	inAnyOrderUnder(t, testenv.SQLite(t), map[string]string{"targets.yaml": threeSystems}, 10, events, func(w *world) {
		o := &docklinev1.OrderState{}
		w.stateOf("order/SO1", o)
		want := "credit hold by erp: over its limit; order pass by erp: ; structure fail by erp: kit without parts; tax pass by erp: VAT number DE1"
		if got := verdicts(o); got != want || o.GetStatus() != "held" {
			t.Errorf("the order is %s, with %s", o.GetStatus(), got)
		}
		w.sees("order.verdicts is", "order.hold_released SO1", "order.held SO1")
	})
}

// TestOwnershipRejectedWithItsReason: a refusal is the ERP's, with its reason; who does not own it cannot refuse.
//
// Shows: S51
func TestOwnershipRejectedWithItsReason(t *testing.T) {
	line := L("", "1", "A", "5")
	inAnyOrderUnder(t, testenv.SQLite(t), map[string]string{"targets.yaml": threeSystems}, 6, []*docklinev1.Event{
		Refusing("SO1", "PO-1", "C-1001", "terms: only prepaid"), Accepted("SO2", "7", line), By(CRM, Refusing("SO2", "PO-2", "C-1001", "we do not like them")),
	}, func(w *world) {
		o := &docklinev1.OrderState{}
		w.stateOf("order/SO1", o)
		if got := verdicts(o); got != "order fail by erp: terms: only prepaid" || o.GetStatus() != "rejected" {
			t.Errorf("the order is %s, with %s", o.GetStatus(), got)
		}
		w.stateOf("order/SO2", o)
		if got := verdicts(o); got != "order pass by erp: " || o.GetStatus() != "released" {
			t.Errorf("the order is %s, with %s", o.GetStatus(), got)
		}
		w.sees("order.rejected SO2 (a change to rejected) was told by crm (crm), but only [system_of_record] may")
	})
}

// TestOwnershipNothingIsWorkedOut: what an order costs, or what a customer owes, changes no verdict and no status, and no state has a total, a tax or a credit limit
// to work out.
//
// Shows: S51
func TestOwnershipNothingIsWorkedOut(t *testing.T) {
	var first string
	for _, price := range []string{"", "0.01", "999999999", "-5"} {
		w := newWorld(t, testenv.SQLite(t), map[string]string{"targets.yaml": threeSystems})
		w.tell(Ordered("SO1", "7", func(o *docklinev1.Order) { o.Customer, o.Currency = "C-owes-much", "XXX" }, Priced(L("", "1", "A", "5000"), price)))
		o := &docklinev1.OrderState{}
		w.stateOf("order/SO1", o)
		if o.GetLines()[0].GetUnitPrice() != price {
			t.Errorf("the price is %q, told was %q", o.GetLines()[0].GetUnitPrice(), price)
		}
		got := o.GetStatus() + " " + verdicts(o) + " " + w.codes() + " " + w.rows(`SELECT kind FROM posting ORDER BY kind`)
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("at a price of %q there is %q, not %q", price, got, first)
		}
	}
	money := []string{"total", "subtotal", "tax", "credit_limit", "exposure", "terms", "discount"}
	for _, m := range []protoreflect.ProtoMessage{&docklinev1.OrderState{}, &docklinev1.OrderLineState{}, &docklinev1.OrderStatus{}, &docklinev1.GoodsIssue{}, &docklinev1.InvoiceTrigger{}, &docklinev1.OrderAmendment{}} {
		for _, name := range money {
			if f := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name)); f != nil {
				t.Errorf("%s has a field %s", m.ProtoReflect().Descriptor().Name(), name)
			}
		}
	}
}

// changesText is the changes of one field, in their order.
func changesText(o *docklinev1.OrderState, field string) string {
	var list []string
	for _, c := range o.GetChanges() {
		if c.GetField() == field {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s>%s by %s (%s)", c.GetOrderLine(), c.GetFormerValue(), c.GetValue(), c.GetSource(), c.GetOwner())))
		}
	}
	return strings.Join(list, "; ")
}

// TestOwnershipHistory: the promise, the price list's version and what is owed on a line are kept with their owner and with how they became what they are, in
// whatever order that was told; what somebody else says of them is not among it.
//
// Shows: S15
func TestOwnershipHistory(t *testing.T) {
	line := L("", "1", "A", "9")
	listed := func(version string, promised int) func(*docklinev1.Order) {
		return func(o *docklinev1.Order) {
			o.PriceList, o.PriceListVersion, o.PromisedAt, o.Site = "retail", version, At(promised), ""
		}
	}
	events := []*docklinev1.Event{
		Ordered("SO1", "7", listed("2026-1", 3600), line), Ordered("SO1", "8", listed("2026-1", 7200), line), Ordered("SO1", "10", listed("2026-2", 7200), line),
		Changed(CRM, "SO1", "99", listed("2020-1", 60), line),
		Owing(20, "BO1", 9000, L("SO1", "1", "A", "4")), Owing(40, "BO2", 0, L("SO1", "1", "A", "2")), Unbackordered(60, "BO1", L("SO1", "1", "A", "1")),
	}
	inAnyOrderUnder(t, testenv.SQLite(t), map[string]string{"targets.yaml": threeSystems}, 10, events, func(w *world) {
		o := &docklinev1.OrderState{}
		w.stateOf("order/SO1", o)
		for field, want := range map[string]string{
			"order.promised_at":        ">2026-11-24T09:00:00Z by erp (system_of_record); 2026-11-24T09:00:00Z>2026-11-24T10:00:00Z by erp (system_of_record)",
			"order.price_list":         ">retail by erp (system_of_record)",
			"order.price_list_version": ">2026-1 by erp (system_of_record); 2026-1>2026-2 by erp (system_of_record)",
			"backorder.lines.quantity": "1 >4 by dc-east (system_of_record); 1 4>6 by dc-east (system_of_record); 1 6>5 by erp (system_of_record)",
			"backorder.promised_at":    "",
		} {
			if got := changesText(o, field); got != want {
				t.Errorf("%s: %s, want %s", field, got, want)
			}
		}
		if o.GetPriceListVersion() != "2026-2" || o.GetLines()[0].GetBackordered() != 5_000_000 {
			t.Errorf("now it is %v", o)
		}
		for _, c := range o.GetChanges() {
			if c.GetEventId() == "" || c.GetToldAt() == nil {
				t.Errorf("a change without its fact or its time: %v", c)
			}
		}
	})
}
