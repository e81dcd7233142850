package awkward_test

import (
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
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
