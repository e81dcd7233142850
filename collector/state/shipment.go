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
	return state, moved(force.found.sorted(), facts)
}

// moved leaves of what is wrong with the records that which no order's fold sees: a record whose versions have no order in common, so
// that each order has one of them and counts it. All else is told where the orders are folded.
func moved(found []Finding, facts []Fact) []Finding {
	return slices.DeleteFunc(found, func(f Finding) bool {
		versions, seen := 0, map[string]int{}
		for _, fact := range facts {
			if !slices.Contains(f.EventIDs, fact.Event.GetId()) {
				continue
			}
			versions++
			mine := map[string]bool{}
			for _, l := range fact.Event.GetShipment().GetLines() {
				mine[l.GetOrder()] = true
			}
			for order := range mine {
				seen[order]++
			}
		}
		if f.Code != CodeChangedRecord {
			return true
		}
		for _, n := range seen {
			if n == versions {
				return true
			}
		}
		return false
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
