package history

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	//lint:ignore ST1001 the words in which tests tell of a day
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Systems that tell of what is not theirs.
const (
	crmSystem     = "crm"
	carrierSystem = "carrier"
)

// by is a fact as a system of the centre tells it; at a site, as its WMS does.
func by(system string, e *docklinev1.Event) *docklinev1.Event {
	e = proto.CloneOf(e)
	e.Source, e.Site, e.CapturedAt = system, "", nil
	if system == WMS {
		e.Site, e.CapturedAt = Site, e.OccurredAt
	}
	return Keyed(e, e.GetSourceKey())
}

// foreign is what a system says that owns something else, or of its own fact a field that is another's: nothing of it counts but what is its own.
func (t *teller) foreign() {
	order := t.someOrder()
	switch t.IntN(6) {
	case 0, 1: // customer service has the order otherwise: its address is its own, promise and lines are not
		for revision := range 1 + t.IntN(2) {
			e := Accepted(order, fmt.Sprint(3+revision), L("", "1", Orders[order][0], fmt.Sprint(t.few()+20)))
			e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED
			e.GetOrder().ShipTo, e.GetOrder().PromisedAt = []string{fmt.Sprint("Dock ", t.few())}, At(80000+t.second())
			t.tell(by(crmSystem, e))
		}
	case 2:
		t.tell(by([]string{crmSystem, WMS}[t.IntN(2)], CancelledOrder(order, "99")))
	case 3: // a departure that the carrier tells; the site may have told it too
		e := Shipment(t.second(), t.anyShipment(), t.line())
		t.tell(by(carrierSystem, Keyed(e, t.key("CS"))))
	case 4:
		t.tell(by(WMS, Invoice(t.key("WI"), order, t.anyShipment())))
	case 5:
		t.tell(by(crmSystem, Keyed(Held(t.second(), order, "credit"), t.key("CH"))))
	}
}
