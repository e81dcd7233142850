package tryton_test

import (
	"slices"
	"testing"

	"github.com/dockline/dockline/collector/connector"
)

// Tryton tells how its records are made: what must be given, and what a status may be.
//
// Shows: S71
func TestTrytonTellsHowItsRecordsAreMade(t *testing.T) {
	d := openDoor(t)
	shape, err := connector.ShapeOf(t.Context(), d.connect(t))
	if err != nil {
		t.Fatal(err)
	}
	state, quantity, party := shape["sale.sale.state"], shape["sale.line.quantity"], shape["sale.sale.party"]
	if !slices.Contains(state.Values, "processing") || !slices.Contains(state.Values, "draft") || quantity.Type != "float" || !party.Required || party.Type != "many2one" {
		t.Errorf("of %d fields: state %+v, quantity %+v, party %+v", len(shape), state, quantity, party)
	}
	if changes := shape.Since(shape); len(changes) != 0 || len(shape) < 100 {
		t.Errorf("%d fields, %v", len(shape), changes)
	}
}
