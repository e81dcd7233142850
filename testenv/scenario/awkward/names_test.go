package awkward_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const oneDay = 86400

// sent has a site pick and send four bolts of an order, on a pallet or under a tracking number.
func (w *world) sent(second int, order, number, pallet, tracking string) *docklinev1.Event {
	w.t.Helper()
	l := line(order, "10", "BOLT", 4)
	l.HandlingUnit = pallet
	ship := Shipment(second, number, l)
	ship.GetShipment().Tracking = tracking
	ship = Revised(ship, "1")
	w.tell(Pick(second-50, "P-"+number, line(order, "10", "BOLT", 4)), ship)
	return ship
}

func (w *world) expectLine(order string, delivered, lost int64) {
	w.t.Helper()
	if l := w.state(order).GetLines()[0]; l.GetDelivered() != delivered*1e6 || l.GetLost() != lost*1e6 {
		w.t.Errorf("%s: %d delivered, %d lost (millionths); expected %d and %d", order, l.GetDelivered(), l.GetLost(), delivered, lost)
	}
}

// palletUsedAgain: a pallet comes back and leaves with another order, and then its carrier loses it.
func palletUsedAgain(w *world) {
	first, second := w.order(4), w.order(4)
	w.sent(60, first, "S1", "PAL-1", "")
	w.tellCentre(Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, 3*oneDay, "L1", Names{Units: []string{"PAL-1"}}, "not on the truck"))
	w.expectLine(first, 0, 4) // nobody has told yet that it left again
	w.sent(2*oneDay, second, "S2", "PAL-1", "")
	w.expectLine(first, 0, 0)
	w.expectLine(second, 0, 4)
	w.expectCases("transport_lost")
	if c := w.cases()["transport_lost"]; c.Order != second {
		w.t.Errorf("the case is about order %s: %s", c.Order, c.Text)
	}
	w.tellCentre(Proof(4*oneDay, "D1", Names{Units: []string{"PAL-1"}}))
	w.expectLine(first, 0, 0)
	w.expectLine(second, 4, 0)
	w.expectCases()
}

// trackingTwice: two orders have left under one tracking number, two days apart, and the carrier says that it was delivered.
func trackingTwice(w *world) {
	first, second := w.order(4), w.order(4)
	w.sent(60, first, "S1", "", "1Z9")
	w.tellCentre(Proof(3*oneDay, "D1", Names{Tracking: "1Z9"}))
	w.expectLine(first, 4, 0)
	wrong := w.sent(2*oneDay, second, "S2", "", "1Z9")
	w.expectLine(first, 0, 0)
	w.expectLine(second, 0, 0)
	w.expectCases("ambiguous_reference")
	c := w.cases()["ambiguous_reference"]
	if c.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || !strings.Contains(c.Text, "1Z9") || !strings.Contains(c.Text, "S1 of site") || !strings.Contains(c.Text, "S2 of site") {
		w.t.Errorf("the case: %+v", c)
	}
	wrong.GetShipment().Tracking = "1Z8"
	w.tell(Revised(wrong, "2")) // the site corrects it
	w.expectLine(first, 4, 0)
	w.expectLine(second, 0, 0)
	w.expectCases()
	for order, want := range map[string]string{first: "S1", second: "S2"} {
		w.expectIssued(order, fmt.Sprintf("%s: 10 BOLT 4", want))
	}
	if got := w.state(second).GetStatus(); got != state.Closed { // invoiced, and no proof is wanted
		w.t.Errorf("the second order is %s", got)
	}
}

// account is what a place that is no bin holds of bolts.
func (w *world) account(kind string) (pieces int64) {
	w.t.Helper()
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT COALESCE(SUM(balance), 0) FROM ledger_account WHERE tenant = ? AND account = ?`, Tenant, state.AccountKey(kind, Site, "BOLT")).Scan(&pieces)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return pieces / 1e6
}

func (w *world) expectAccounts(when string, customer, scrap, damaged, picked int64) {
	w.t.Helper()
	inHand := int64(0)
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT COALESCE(SUM(balance), 0) FROM ledger_account WHERE tenant = ? AND account LIKE 'stock/%/picked'`, Tenant).Scan(&inHand)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	got := []int64{w.account(state.AccountCustomer), w.account(state.AccountScrap), w.account(state.AccountDamaged), inHand / 1e6}
	if want := []int64{customer, scrap, damaged, picked}; !slices.Equal(got, want) {
		w.t.Errorf("%s: with the customer, lost, damaged under way and picked are %v, expected %v", when, got, want)
	}
}

// voidedAndSigned: what its consignee has signed for has left, whatever the site took back.
func voidedAndSigned(w *world) {
	order := w.order(4)
	w.sent(60, order, "S1", "", "1Z1")
	w.expectAccounts("after it left", 4, 0, 0, 0)
	w.tell(Voided(600, "S1"))
	w.expectAccounts("after it was taken back", 0, 0, 0, 4)
	proof := Proof(9000, "D1", Names{Tracking: "1Z1"})
	w.tellCentre(proof)
	w.expectAccounts("after it was signed for", 4, 0, 0, 0)
	w.expectLine(order, 4, 0)
	if l := w.state(order).GetLines()[0]; l.GetOut() != 4e6 {
		w.t.Errorf("of the order %d millionths are out", l.GetOut())
	}
	mistaken := InError(9100, "E1", proof)
	mistaken.Site, mistaken.Source = "", Carrier
	w.tellCentre(Keyed(mistaken, "E1"))
	w.expectAccounts("after the proof was declared an error", 0, 0, 0, 4)
}

// lostByTracking: a carrier that knows goods by its own number alone loses them, and finds them; others it damages.
func lostByTracking(w *world) {
	order, other := w.order(4), w.order(3)
	w.sent(60, order, "S1", "", "1Z1")
	w.tellCentre(Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, 900, "L1", Names{Tracking: "1Z1"}, "not on the truck"))
	w.expectAccounts("after it was lost", 0, 4, 0, 0)
	if goods := w.shipment("S1").GetGoods(); len(goods) != 1 || goods[0].GetLost() != 4e6 {
		w.t.Errorf("the lines of the shipment do not say what is lost: %v", goods)
	}
	w.tellCentre(Milestone(1800, "M1", Names{Tracking: "1Z1"}, "arrived"))
	w.expectAccounts("after it was found", 4, 0, 0, 0)
	l := line(other, "10", "BOLT", 3)
	l.HandlingUnit = "PAL-3"
	w.tell(Pick(20, "P-S2", line(other, "10", "BOLT", 3)), Revised(Shipment(70, "S2", l), "1"))
	w.tellCentre(Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED, 900, "L2", Names{Units: []string{"PAL-3"}}, "wet"))
	w.expectAccounts("after the other one was damaged", 4, 0, 3, 0)
	if goods := w.shipment("S2").GetGoods(); len(goods) != 1 || goods[0].GetDamaged() != 3e6 {
		w.t.Errorf("the lines of the shipment do not say what is damaged: %v", goods)
	}
	w.tellCentre(Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED, 2700, "L3", Names{Tracking: "1Z1"}, "not ordered"))
	if goods := w.shipment("S1").GetGoods(); goods[0].GetRefused() != 4e6 || goods[0].GetLost() != 0 {
		w.t.Errorf("the lines of the shipment do not say what is refused: %v", goods)
	}
}

func (w *world) shipment(number string) *docklinev1.ShipmentState {
	w.t.Helper()
	s := &docklinev1.ShipmentState{}
	w.read(`SELECT body FROM state WHERE tenant = ? AND fold_key = ?`, s, Tenant, event.ShipmentKey(Site, number))
	return s
}

// namesNothing: what names no order and no shipment still has a reason why nothing follows from it.
func namesNothing(w *world) {
	sealed := Load(docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED, 60, "TR-7")
	pick := Pick(10, "P1", In(L("", "", "BOLT", "2"), bins["BOLT"], ""))
	w.tell(sealed, pick)
	for _, e := range []*docklinev1.Event{sealed, pick} {
		if r := w.receipt(e); r.GetLevel() != docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT || r.GetText() == "" {
			w.t.Errorf("%s: the site is told %v", e.GetSubject(), r)
		}
	}
	w.expectCases()
}

// shipmentCloses: a shipment of two orders is closed when the invoices of both are posted and its consignee has signed, where the customer wants that;
// an invoice that is taken back opens it again.
func shipmentCloses(w *world) {
	first, second := w.order(4), w.order(3)
	one, other := line(first, "10", "BOLT", 4), line(second, "10", "BOLT", 3)
	w.tell(Pick(10, "P1", one, other), Revised(Shipment(60, "S1", one, other), "1"))
	s := w.shipment("S1")
	if s.GetStatus() != state.ShipmentDeparted || len(s.GetInvoices()) != 2 {
		w.t.Errorf("both orders are invoiced, and nobody has signed: %s, %v", s.GetStatus(), s.GetInvoices())
	}
	w.tellCentre(Proof(9000, "D1", Names{Tracking: "T-S1"}))
	if s = w.shipment("S1"); s.GetStatus() != state.ShipmentClosed || len(s.GetStatusEventIds()) < 3 || s.GetSteps()[len(s.GetSteps())-1].GetStatus() != state.ShipmentClosed {
		w.t.Errorf("invoiced and signed for: %s, from %v, by %v", s.GetStatus(), s.GetStatusEventIds(), s.GetSteps())
	}
	w.tellCentre(InvoiceVoided(9500, s.GetInvoices()[0], first))
	if s = w.shipment("S1"); s.GetStatus() != state.ShipmentDelivered || len(s.GetInvoices()) != 1 {
		w.t.Errorf("an invoice was taken back: %s, %v", s.GetStatus(), s.GetInvoices())
	}
}

// shipmentClosesAtOnce: nobody has to sign, and no carrier tells anything.
func shipmentClosesAtOnce(w *world) {
	order := w.order(4)
	w.leave(10, order, "S1", 4)
	if s := w.shipment("S1"); s.GetStatus() != state.ShipmentClosed || slices.Contains(s.GetFlags(), state.FlagNoProof) {
		w.t.Errorf("invoiced: %s %v", s.GetStatus(), s.GetFlags())
	}
	w.tellCentre(Milestone(9000, "M1", Names{Tracking: "T-S1"}, "arrived"))
	if s := w.shipment("S1"); s.GetStatus() != state.ShipmentInTransit {
		w.t.Errorf("its carrier tells where it is: %s", s.GetStatus())
	}
	w.tellCentre(Proof(9900, "D1", Names{Tracking: "T-S1"}))
	if s := w.shipment("S1"); s.GetStatus() != state.ShipmentClosed {
		w.t.Errorf("delivered: %s", s.GetStatus())
	}
}
