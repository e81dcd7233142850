package state

import (
	"cmp"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// FoldShipment folds the facts of one shipment: everything that left under its number, over all orders.
func FoldShipment(facts []Fact) (*docklinev1.ShipmentState, []Finding) {
	force := inForce(facts)
	state := &docklinev1.ShipmentState{}
	for _, fact := range force.Facts {
		addDeparture(state, fact.Event)
	}
	sortLines(state.Lines)
	return state, ofNoOrder(force.found.sorted(), facts)
}

// ofNoOrder leaves of what is wrong with the records that which no order's fold sees; all else is told where the orders are folded.
func ofNoOrder(found []Finding, facts []Fact) []Finding {
	return slices.DeleteFunc(found, func(f Finding) bool {
		return f.Code != CodeChangedRecord || slices.ContainsFunc(facts, func(fact Fact) bool {
			return slices.Contains(f.EventIDs, fact.Event.GetId()) &&
				slices.ContainsFunc(fact.Event.GetShipment().GetLines(), func(l *docklinev1.Line) bool { return l.GetOrder() != "" })
		})
	})
}

// addDeparture adds one event of a shipment, in the order in which they happened; a source may tell of a shipment line by line.
func addDeparture(state *docklinev1.ShipmentState, e *docklinev1.Event) {
	s := e.GetShipment()
	state.Number, state.Site = s.GetNumber(), e.GetSite()
	state.Carrier, state.Tracking = cmp.Or(s.GetCarrier(), state.Carrier), cmp.Or(s.GetTracking(), state.Tracking)
	state.DepartedAt, state.EventId = e.GetOccurredAt(), cmp.Or(state.EventId, e.GetId())
	state.Lines = append(state.Lines, s.GetLines()...)
}

func sortLines(lines []*docklinev1.Line) {
	slices.SortStableFunc(lines, func(a, b *docklinev1.Line) int {
		return cmp.Or(cmp.Compare(a.GetOrder(), b.GetOrder()), cmp.Compare(a.GetOrderLine(), b.GetOrderLine()), cmp.Compare(rawCode(a), rawCode(b)),
			cmp.Compare(a.GetLot(), b.GetLot()), cmp.Compare(a.GetHandlingUnit(), b.GetHandlingUnit()), strings.Compare(a.GetQuantity().GetValue(), b.GetQuantity().GetValue()))
	})
}
