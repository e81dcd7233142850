package state_test

import (
	"testing"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// onPallet is a departure of one line on a pallet; on other paper than a tracking number.
func onPallet(second int, number, order, pallet string) *docklinev1.Event {
	line := L(order, "1", "A", "4")
	line.HandlingUnit = pallet
	e := Departed(second, number, "", nil, line)
	return Keyed(e, number)
}

// lostBy folds an order and its shipment S1 with what a carrier says of a pallet, beside another shipment that had it.
func lostBy(own, other, said *docklinev1.Event, more ...*docklinev1.Event) (lost int64, status string) {
	via := event.ReferenceKey(event.ReferenceUnit, "PAL-1")
	of := func(events ...*docklinev1.Event) (known []state.Fact) {
		for i, e := range append(events, more...) {
			known = append(known, state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: e})
		}
		known = append(known, state.Fact{Event: said, Via: via})
		if other != nil {
			known = append(known, state.OtherDeparture(other, via))
		}
		return known
	}
	order := state.FoldOrder("SO1", of(Accepted("SO1", "1", L("", "1", "A", "4")), own), codes{})
	shipment := state.FoldShipment(Site, "S1", of(own), codes{})
	return order.State.GetLines()[0].GetLost() / unit, shipment.State.GetStatus()
}

// A pallet that is used again is lost with what it held then: for the shipment that had it last by that time.
func TestAPalletUsedAgainIsLostOnce(t *testing.T) {
	const day = 86400
	said := func(second int) *docklinev1.Event {
		return Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, second, "L1", Names{Units: []string{"PAL-1"}}, "not on the truck")
	}
	for _, c := range []struct {
		name       string
		own, other int
		said       int
		lost       int64
		status     string
	}{
		{"nobody else had it", 0, -1, day, 4, state.ShipmentLost},
		{"it left with another one before it was lost", 0, day, 2 * day, 0, state.ShipmentDeparted},
		{"it left with another one after it was lost", 0, 3 * day, 2 * day, 4, state.ShipmentLost},
		{"another one had it before", day, 0, 2 * day, 4, state.ShipmentLost},
		{"it was lost long before it left here", 3 * day, 0, day, 0, state.ShipmentDeparted},
	} {
		var other *docklinev1.Event
		if c.other >= 0 {
			other = onPallet(c.other, "S9", "SO9", "PAL-1")
		}
		if lost, status := lostBy(onPallet(c.own, "S1", "SO1", "PAL-1"), other, said(c.said)); lost != c.lost || status != c.status {
			t.Errorf("%s: %d lost, the shipment is %s; expected %d, %s", c.name, lost, status, c.lost, c.status)
		}
	}
	// Of two pallets that are lost together only one has left with another shipment.
	both := Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, 2*day, "L1", Names{Units: []string{"PAL-1", "PAL-2"}}, "not on the truck")
	line := L("SO1", "1", "A", "3")
	line.HandlingUnit = "PAL-2"
	own := onPallet(0, "S1", "SO1", "PAL-1")
	own.GetShipment().Lines[0].Quantity.Value = "1"
	own.GetShipment().Lines = append(own.GetShipment().Lines, line)
	if lost, _ := lostBy(Keyed(own, "S1"), onPallet(day, "S9", "SO9", "PAL-1"), both); lost != 3 {
		t.Errorf("of two pallets with 1 and 3, the first used again, %d are lost", lost)
	}
}

// Two shipments have one tracking number: of one day and site they may be one parcel, of other times or sites nobody can say which is meant, and
// after a month the carrier has given the number away anew.
func TestATrackingNumberOfTwoShipments(t *testing.T) {
	const day = 86400
	departure := func(second int, site, number, order string) *docklinev1.Event {
		e := Departed(second, number, "", []string{"1Z"}, L(order, "1", "A", "4"))
		e.Site = site
		return Keyed(e, number)
	}
	for _, c := range []struct {
		name      string
		other     *docklinev1.Event
		said      int
		delivered bool
		disputed  int
	}{
		{"nobody else has it", nil, day, true, 0},
		{"two of one afternoon", departure(600, Site, "S9", "SO9"), day, true, 0},
		{"two sites", departure(600, "dc-west", "S9", "SO9"), day, false, 2},
		{"two days", departure(2*day, Site, "S9", "SO9"), 3 * day, false, 2},
		{"a year later", departure(365*day, "dc-west", "S9", "SO9"), 366 * day, false, 0},
		{"a year later, and told of the first", departure(365*day, "dc-west", "S9", "SO9"), day, true, 0},
	} {
		via := event.ReferenceKey(event.ReferenceTracking, "1Z")
		own, proof := departure(0, Site, "S1", "SO1"), Proof(c.said, "P1", Names{Tracking: "1Z"})
		known := []state.Fact{{EpochOrdinal: 1, Seq: 1, Event: own}, {Event: proof, Via: via}}
		departures := []*docklinev1.Event{own}
		if c.other != nil {
			known, departures = append(known, state.OtherDeparture(c.other, via)), append(departures, c.other)
		}
		shipment := state.FoldShipment(Site, "S1", known, codes{})
		order := state.FoldOrder("SO1", append(known, state.Fact{Event: Accepted("SO1", "1", L("", "1", "A", "4"))}), codes{})
		if got := order.State.GetLines()[0].GetDelivered() == 4*unit; got != c.delivered || (shipment.State.GetStatus() == state.ShipmentDelivered) != c.delivered {
			t.Errorf("%s: the order's line is delivered: %v, the shipment is %s", c.name, got, shipment.State.GetStatus())
		}
		keys, ids := state.Disputed("1Z", []state.Fact{{Event: proof}}, departures)
		if len(keys) != c.disputed || len(ids) != min(1, c.disputed) {
			t.Errorf("%s: disputed by %v: %v", c.name, keys, ids)
		}
	}
	if names := state.SharedNames([]state.Fact{{Event: Proof(1, "P", Names{Tracking: "1Z", Shipment: "S1"})}, {Event: Proof(1, "P", Names{BillOfLading: "B"})}}); len(names) != 0 {
		t.Errorf("names that are not told alone: %v", names)
	}
}
