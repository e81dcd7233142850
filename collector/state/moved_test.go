package state_test

import (
	"testing"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/proto/event"
)

// A shipment that is told again, without a revision, for another order counts at both, and no order's fold sees it: the shipment's does.
func TestAShipmentToldAgainForAnotherOrderIsSeen(t *testing.T) {
	first, again, other := Shipment(10, "S1", L("SO1", "1", "A", "3")), Shipment(11, "S1", L("SO1", "1", "A", "4")), Shipment(12, "S1", L("SO2", "1", "A", "3"))
	key := event.ShipmentKey(first.GetSite(), "S1")
	if _, found := state.FoldShipment(facts(key, first, again)); len(found) != 0 {
		t.Errorf("what SO1 tells is told twice: %+v", found)
	}
	_, found := state.FoldShipment(facts(key, first, other))
	if len(found) != 1 || found[0].Code != state.CodeChangedRecord || len(found[0].EventIDs) != 2 {
		t.Errorf("found %+v", found)
	}
	if _, found := state.FoldShipment(facts(key, first)); len(found) != 0 {
		t.Errorf("one shipment: %+v", found)
	}
}
