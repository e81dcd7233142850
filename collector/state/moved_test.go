package state_test

import (
	"slices"
	"testing"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/proto/event"
)

// A shipment that is told again without a revision is told where its orders are folded; the shipment's own fold tells it where there are none.
func TestAShipmentToldAgainIsSeenOnce(t *testing.T) {
	first, again := Shipment(10, "S1", L("SO1", "1", "A", "3")), Shipment(11, "S1", L("SO1", "1", "A", "4"))
	key := event.ShipmentKey(first.GetSite(), "S1")
	if found := state.FoldShipment(Site, "S1", facts(key, first, again), codes{}).Findings; len(found) != 0 {
		t.Errorf("what SO1 tells is told twice: %+v", found)
	}
	found := state.FoldShipment(Site, "S1", facts(key, Shipment(10, "S1", L("", "", "A", "3")), Shipment(11, "S1", L("", "", "A", "4"))), codes{}).Findings
	if len(found) != 1 || found[0].Code != state.CodeChangedRecord || len(found[0].EventIDs) != 2 {
		t.Errorf("found %+v", found)
	}
}

// A version that touches another key counts there: here it takes the place of the one before it, and leaves nothing.
func TestAVersionThatCountsElsewhere(t *testing.T) {
	key := event.OrderKey("SO1")
	first := Revised(Pick(10, "p1", L("SO1", "1", "A", "3")), "1")
	second := Revised(Pick(11, "p1", L("SO2", "1", "A", "3")), "2")
	list := append(facts(key, Accepted("SO1", "1", L("", "1", "A", "5")), first), state.Fact{Event: event.Elsewhere(second), Seq: 9})
	for range 2 {
		fold := state.FoldOrder("SO1", list, codes{})
		if fold.State.Lines[0].Picked != 0 || len(fold.Former) != 1 || fold.Former[0] != first || len(fold.Facts) != 1 || len(fold.Findings) != 0 {
			t.Errorf("picked %d, former %v, facts %v, found %v", fold.State.Lines[0].Picked, fold.Former, fold.Facts, fold.Findings)
		}
		slices.Reverse(list)
	}
}
