package tryton_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/tryton"
)

const (
	cameBack = docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED
	disposed = docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED
)

// TestTryton lets happen to orders of a real Tryton on PostgreSQL what happens on docks, and reads every document back as a person does there.
//
// Shows: S47, S3, S5
func TestTryton(t *testing.T) {
	d := openDesk(t)
	for _, one := range []struct {
		name   string
		happen func(*desk)
	}{
		{"a partial shipment leaves a back-order, and the second shipment takes it", partialShipment},
		{"more leaves than was ordered: it is held until the site corrects it", overShipped},
		{"a shipment is cancelled in Tryton after its goods were picked: they stay where a person decides", cancelledAfterPick},
		{"another item is picked: Tryton's order gets it, and it leaves with the rest", otherItem},
		{"a shipment is corrected after it was billed: it is taken back with its invoice, and told anew", correctedAfterBilling},
		{"what can be promised is what Tryton has free, also before it was told what left", promised},
		{"goods come back in parts, one damaged: only the others are credited", returnedInParts},
		{"goods come back blind, and a person takes them for their order", returnedBlind},
		{"a pick is told after the count of its bin: only what is missing is booked", countedBeforeThePick},
	} {
		t.Run(one.name, func(t *testing.T) {
			defer d.under(t)()
			one.happen(d)
		})
	}
}

// some is so much of an order's line, from its bin.
func some(order, line, item, bin string, quantity int) *docklinev1.Line {
	return In(L(order, line, item, fmt.Sprint(quantity)), bin, "")
}

func partialShipment(d *desk) {
	item, bin := d.take()
	before := d.onHand(item, bin)
	order, line := d.order(item, 10)
	d.leave(10, "S1", some(order, line, item, bin, 4))
	d.expectIssued(order, "S1 4")
	open, err := d.Orders(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, o := range open {
		if o.Number == order && (o.Lines[0].Issued.IntPart() != 4 || o.Lines[0].Open.IntPart() != 6) {
			d.t.Errorf("after the first shipment Tryton has %s shipped and %s open, expected 4 and 6", o.Lines[0].Issued, o.Lines[0].Open)
		}
	}
	d.leave(200, "S2", some(order, line, item, bin, 6))
	d.expectIssued(order, "S1 4", "S2 6")
	d.expectCases(order)
	if s := d.state(order); s.GetStatus() != state.Closed {
		d.t.Errorf("order %s is %s at the centre", order, s.GetStatus())
	}
	if after := d.onHand(item, bin); after != before-10 {
		d.t.Errorf("bin %s holds %v, expected %v", bin, after, before-10)
	}
}

func overShipped(d *desk) {
	item, bin := d.take()
	order, line := d.order(item, 4)
	d.leave(10, "O1", some(order, line, item, bin, 5))
	d.expectIssued(order)
	d.expectCases(order, "over_shipped")
	d.tell(300, Revised(Shipment(70, "O1", some(order, line, item, bin, 4)), "2"))
	d.expectIssued(order, "O1 4")
	d.expectCases(order)
}

func cancelledAfterPick(d *desk) {
	item, bin := d.take()
	order, line := d.order(item, 3)
	d.tell(100, Pick(10, "P-"+order, some(order, line, item, bin, 3)))
	sale := d.list("sale.sale", []any{[]any{"number", "=", order}}, "shipments")[0]
	d.press("stock.shipment.out.cancel", sale["shipments"])
	d.tell(200, Shipment(60, "C1", some(order, line, item, bin, 3)))
	d.expectIssued(order)
	if got := d.cases(order); !slices.Contains(got, "nothing_open") {
		d.t.Errorf("open cases are %v, expected one that says that nothing is open", got)
	}
	for _, s := range d.list("stock.shipment.out", []any{[]any{"id", "in", sale["shipments"]}}, "state", "reference") {
		if s["state"] != "cancelled" {
			d.t.Errorf("the shipment that a person cancelled is %v", s["state"])
		}
	}
}

// credited are the quantities of credit notes that are posted with our reference, by reference.
func (d *desk) credited(return_ string) map[string]float64 {
	d.t.Helper()
	out := map[string]float64{}
	for _, i := range d.list("account.invoice", []any{[]any{"reference", "like", return_ + "/credit/%"}, []any{"state", "in", []string{"posted", "paid"}}}, "reference", "lines") {
		for _, l := range d.list("account.invoice.line", []any{[]any{"id", "in", i["lines"]}}, "quantity") {
			out[tryton.Text(i["reference"])] += tryton.Number(l["quantity"]).InexactFloat64()
		}
	}
	return out
}

func returnedInParts(d *desk) {
	item, bin := d.take()
	order, line := d.order(item, 6)
	d.leave(10, "R1", some(order, line, item, bin, 6))
	d.expectIssued(order, "R1 6")
	before := d.onHand(item, bin)
	rma, err := d.Authorise(d.t.Context(), order, map[string]float64{item: -5})
	if err != nil {
		d.t.Fatal(err)
	}
	d.work()
	d.tell(600, Back(cameBack, 500, "b1-"+rma, rma, "RC1-"+rma, some(order, line, item, bin, 3)))
	d.tell(700, Back(cameBack, 610, "b2-"+rma, rma, "RC2-"+rma, Seen(some(order, line, item, bin, 1), "damaged", "CL-1")))
	if after := d.onHand(item, bin); after != before+4 {
		d.t.Errorf("bin %s holds %v, expected %v", bin, after, before+4)
	}
	received := d.list("stock.shipment.out.return", []any{[]any{"reference", "like", rma + "/%"}}, "state")
	if len(received) != 2 || received[0]["state"] != "done" || received[1]["state"] != "done" {
		d.t.Errorf("Tryton has the return shipments %v, expected two that are done", received)
	}
	if got := d.credited(rma); len(got) != 0 {
		d.t.Errorf("credited before anybody disposed of the goods: %v", got)
	}
	d.tell(900, Back(disposed, 800, "b3-"+rma, rma, "RC1-"+rma, Disposed(some(order, line, item, bin, 3), "restock")))
	d.tell(950, Back(disposed, 910, "b4-"+rma, rma, "RC2-"+rma, Disposed(some(order, line, item, bin, 1), "quarantine")))
	sum := 0.0
	for _, n := range d.credited(rma) {
		sum += n
	}
	if sum != -3 {
		d.t.Errorf("credited are %v, expected 3 and nothing of what is in quarantine", d.credited(rma))
	}
}

func returnedBlind(d *desk) {
	item, bin := d.take()
	order, line := d.order(item, 3)
	d.leave(10, "B1", some(order, line, item, bin, 3))
	d.expectIssued(order, "B1 3")
	before := d.onHand(item, bin)
	receipt := "BLIND-" + order
	d.tell(600, Back(cameBack, 500, receipt, "", receipt, In(L("", "", item, "2"), bin, "")))
	if after := d.onHand(item, bin); after != before {
		d.t.Errorf("goods of which nobody knows whose they are were booked: bin %s holds %v, expected %v", bin, after, before)
	}
	d.decide(receipt, &docklinev1.ReturnDecision{Receipt: receipt, ReceiptSite: Site, Decision: "accept", Reason: "the customer called", Order: order, Customer: "C-1001"})
	if after := d.onHand(item, bin); after != before+2 {
		d.t.Errorf("bin %s holds %v, expected %v", bin, after, before+2)
	}
	done := d.list("stock.shipment.out.return", []any{[]any{"reference", "like", "%" + receipt + "%"}}, "state", "customer.code")
	if len(done) != 1 || done[0]["state"] != "done" {
		d.t.Errorf("Tryton has the return shipments %v, expected one that is done", done)
	}
}

func countedBeforeThePick(d *desk) {
	item, bin := d.take()
	before := d.onHand(item, bin)
	order, line := d.order(item, 5)
	d.work()
	count := "CC-" + order
	d.tell(1100, Count(1200, count, In(L("", "", item, fmt.Sprint(int(before)-6)), bin, ""))) // five were picked, one is missing
	if booked := d.booked(count); len(booked) != 0 {
		d.t.Errorf("booked before the site has told of all its picks: %v", booked)
	}
	d.tell(1400, Pick(1150, "P-"+order, some(order, line, item, bin, 5)), Shipment(1300, "L1", some(order, line, item, bin, 5)))
	d.expectIssued(order, "L1 5")
	if booked := d.booked(count); !slices.Equal(booked, []string{"-1"}) {
		d.t.Errorf("booked are %v, expected the one piece that is missing", booked)
	}
	if after := d.onHand(item, bin); after != before-6 {
		d.t.Errorf("bin %s holds %v, expected %v", bin, after, before-6)
	}
}

// booked is what Tryton booked of a count.
func (d *desk) booked(count string) (deltas []string) {
	d.t.Helper()
	all, err := d.Adjustments(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, a := range all {
		if a.Count == count {
			deltas = append(deltas, a.Delta.String())
		}
	}
	return deltas
}

// decide is a person's word about a return, at the centre.
func (d *desk) decide(key string, r *docklinev1.ReturnDecision) {
	d.t.Helper()
	e := &docklinev1.Event{Tenant: Tenant, Source: "dockline", Kind: docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED, Subject: event.BlindReturnKey(Site, key), Actor: "ines",
		OccurredAt: timestamppb.New(d.now()), SourceKey: "decision/" + r.GetDecision() + "/" + key, SourceRevision: "1", Payload: &docklinev1.Event_ReturnDecision{ReturnDecision: r}}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	err := d.db.Write(d.t.Context(), func(tx *db.Tx) error {
		_, err := d.stages.Filler.Log.Append(d.t.Context(), tx, []eventlog.Recorded{{Event: e}})
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.work()
}
