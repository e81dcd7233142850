package awkward_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// each runs a test on both databases.
func each(t *testing.T, policy map[string]string, run func(w *world)) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) { run(newWorld(t, d, policy)) })
}

// pins stand for bolts where there are none.
func pins(order string, quantity int) *docklinev1.Line {
	return Instead(line(order, "10", "PIN", quantity), "BOLT", "2")
}

// substituted: another item was picked with approval. The ERP hears of the change of its order first, then of the goods.
func substituted(w *world) {
	order := w.order(2)
	w.tell(Substituted(10, "P1", "AP-1", pins(order, 4)), Shipment(60, "S1", line(order, "10", "PIN", 4)))
	w.pass(20 * time.Minute)
	var amended, issued posting.Entry
	for _, p := range w.postings(order) {
		switch p.Kind {
		case connector.OrderAmendment:
			amended = p
		case connector.GoodsIssue:
			issued = p
		}
	}
	if amended.State != posting.Confirmed || issued.State != posting.Confirmed || issued.ConfirmedAt.Before(amended.ConfirmedAt) {
		w.t.Errorf("the order is amended before its goods are issued: %+v, then %+v", amended, issued)
	}
	if got := w.issued(order); len(got) != 1 || !strings.Contains(got[0], "PIN 4") {
		w.t.Errorf("the ERP has %q", got)
	}
	w.expectCases()
}

// substitutionRefused: nobody has approved it, so the line is short and a person decides.
func substitutionRefused(w *world) {
	order := w.order(2)
	w.tell(Substituted(10, "P1", "", pins(order, 4)), Shipment(60, "S1", line(order, "10", "PIN", 4)))
	w.pass(20 * time.Minute)
	w.expectFlag(order, state.FlagSubstitutionRefused, true)
	if c := w.cases()["substitution_refused"]; c.Class != docklinev1.FaultClass_FAULT_CLASS_PROCESS || c.Team == "" {
		w.t.Errorf("cases: %v", w.cases())
	}
	w.expectIssued(order)
}

// remainderCancelled: by policy the rest of a line that could not be picked is cancelled in the ERP.
func remainderCancelled(w *world) {
	order := w.order(10)
	w.tell(ShortPick(10, "P1", Asked(line(order, "10", "BOLT", 4), "10")), Shipment(60, "S1", line(order, "10", "BOLT", 4)))
	w.stream(At(600).AsTime(), 0)
	w.pass(20 * time.Minute)
	w.expectIssued(order, "S1: 10 BOLT 4")
	o, err := w.desk.Order(w.t.Context(), order)
	if err != nil {
		w.t.Fatal(err)
	}
	if l := o.Lines[0]; l.Cancelled.IntPart() != 6 || l.Open.IntPart() != 0 {
		w.t.Errorf("the ERP has %s cancelled and %s open", l.Cancelled, l.Open)
	}
}

// stream says how far the site has told everything that moves stock.
func (w *world) stream(through time.Time, movement int64) {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error {
		for _, query := range []string{`DELETE FROM stream`, `INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM stream_wait`} {
			if _, err := tx.Exec(w.t.Context(), query); err != nil {
				return err
			}
		}
		_, err := tx.Exec(w.t.Context(), `INSERT INTO stream (tenant, site, plugin, stream, moves_stock, through_at, movement) VALUES (?, ?, ?, ?, 1, ?, ?)`, Tenant, Site, WMS, "dock",
			through.UnixMicro(), movement)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.work()
}

func (w *world) adjustments() (list []string) {
	w.t.Helper()
	found, err := w.desk.Adjustments(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range found {
		list = append(list, a.Item+" "+a.Delta.String())
	}
	slices.Sort(list)
	return list
}

// TestCountWithLateMove counts a bin from which goods were taken shortly before, by a pick that is told after the count: nothing is booked before the
// site has told everything up to the count, and then the difference that is left. A pick that comes days late corrects the book.
//
// Shows: S58
func TestCountWithLateMove(t *testing.T) {
	each(t, nil, func(w *world) {
		order := w.order(20)
		day := 7200 // after the book was opened
		w.tell(Moved(Count(day+60, "C1", In(L("", "", "BOLT", "93"), "A-01", "")), 50))
		w.pass(time.Minute)
		if got := w.adjustments(); len(got) > 0 {
			t.Errorf("booked before the site has told everything: %q", got)
		}
		w.tell(Moved(Pick(day+10, "P1", line(order, "10", "BOLT", 5)), 40))
		w.stream(At(day+120).AsTime(), 60)
		if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -2"}) {
			t.Errorf("100 in the book, 5 picked, 93 counted: booked %q", got)
		}
		w.tell(Moved(Pick(day+20, "P2", line(order, "10", "BOLT", 2)), 45)) // it lay in a scanner
		w.pass(time.Hour)
		if got := w.adjustments(); !slices.Equal(got, []string{"BOLT -2", "BOLT 2"}) {
			t.Errorf("7 were picked before the count: booked %q", got)
		}
	})
}

// TestThreeOrdersOnOneTrailer has one shipment take the goods of three orders: each is posted for itself, and what a carrier says of the trailer reaches
// all three.
//
// Shows: S58
func TestThreeOrdersOnOneTrailer(t *testing.T) {
	each(t, nil, func(w *world) {
		orders := []string{w.order(4), w.order(5), w.order(6)}
		var lines []*docklinev1.Line
		for i, order := range orders {
			lines = append(lines, line(order, "10", "BOLT", 4+i))
			w.tell(Pick(10+i, "P-"+order, line(order, "10", "BOLT", 4+i)))
		}
		ship := Shipment(60, "S1", lines...)
		ship.GetShipment().BillOfLading, ship.GetShipment().Trailer = "BOL-1", "TR-1"
		w.tell(Keyed(ship, "S1"))
		proof := Delivery(900, "T-S1")
		w.tell(proof)
		for i, order := range orders {
			w.expectIssued(order, "S1: 10 BOLT "+string(rune('4'+i)))
			if l := w.state(order).GetLines()[0]; l.GetShipped() != int64(4+i)*event.Scale || l.GetDelivered() != l.GetShipped() {
				t.Errorf("%s: shipped %d, delivered %d", order, l.GetShipped(), l.GetDelivered())
			}
		}
		w.expectCases()
	})
}

// TestMilestoneBeforePack hears from the carrier, by tracking number, before the site has told that anything was packed or left: it waits, and
// has its effect when the number is known.
//
// Shows: S58
func TestMilestoneBeforePack(t *testing.T) {
	each(t, nil, func(w *world) {
		order := w.order(4)
		w.tell(Carriage(700, docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE, "T-S1"), Delivery(900, "T-S1"))
		if l := w.state(order).GetLines()[0]; l.GetDelivered() != 0 || l.GetShipped() != 0 {
			t.Errorf("what the carrier says has its effect before anything is known of it: %v", l)
		}
		w.pass(15 * time.Minute)
		w.expectCases("unknown_reference")
		w.tell(Pick(10, "P1", line(order, "10", "BOLT", 4)), Pack(40, "K1", "LPN-1", line(order, "10", "BOLT", 4)), Shipment(60, "S1", line(order, "10", "BOLT", 4)))
		if l := w.state(order).GetLines()[0]; l.GetDelivered() != 4*event.Scale {
			t.Errorf("delivered %d", l.GetDelivered())
		}
		w.expectIssued(order, "S1: 10 BOLT 4")
		w.expectCases()
	})
}

// TestRevisionBeforeOriginal hears the correction of a shipment before the shipment as it was first told: the correction holds, and what was posted
// stays as it is.
//
// Shows: S58
func TestRevisionBeforeOriginal(t *testing.T) {
	each(t, nil, func(w *world) {
		order := w.order(10)
		w.tell(Pick(10, "P1", line(order, "10", "BOLT", 6)))
		first, second := Revised(Shipment(60, "S1", line(order, "10", "BOLT", 5)), "1"), Revised(Shipment(60, "S1", line(order, "10", "BOLT", 6)), "2")
		w.tell(second)
		w.expectIssued(order, "S1: 10 BOLT 6")
		before := proto.CloneOf(w.state(order))
		w.tell(first)
		w.expectIssued(order, "S1: 10 BOLT 6")
		after := w.state(order)
		if l := after.GetLines()[0]; l.GetShipped() != 6*event.Scale || before.GetLines()[0].GetShipped() != l.GetShipped() {
			t.Errorf("shipped %d", l.GetShipped())
		}
		if r := w.receipt(first); r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT {
			t.Errorf("the site is told of what was corrected: %v", r)
		}
		w.expectCases()
	})
}
