package event

import (
	"strconv"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Milestones are what a carrier's code may mean.
var Milestones = []string{"picked_up", "departed", "arrived", "out_for_delivery", "delivery_attempted", "delivered", "returning", "returned_to_sender", "customs"}

// named asks for one name of the shipment at least.
const named = "shipment|tracking|bill_of_lading|handling_units"

// goodsRules: goods on their way out of a site and to the customer.
var goodsRules = map[docklinev1.EventKind]rule{
	docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED:   {payload: "allocation", lines: movedLine},
	docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED: {payload: "allocation", lines: movedLine},
	docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED:        {payload: "pick", lines: movedLine},
	docklinev1.EventKind_EVENT_KIND_PICK_SHORT:            {payload: "pick", lines: movedLine, also: validShort},
	docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED: {payload: "pick", lines: lineRule{some: true, order: true, needs: []string{"original_item"}},
		also: validSubstitution},
	docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED: {payload: "pack", lines: movedLine, amounts: []string{"weight_kg"}},
	docklinev1.EventKind_EVENT_KIND_PACK_REOPENED:  {payload: "pack", needs: []string{"handling_unit|lines"}, lines: takenBackLine, amounts: []string{"weight_kg"}},
	docklinev1.EventKind_EVENT_KIND_LOAD_STAGED:    {payload: "load", needs: []string{"shipments|handling_units|lines"}, lines: goodsLine},
	docklinev1.EventKind_EVENT_KIND_LOAD_LOADED:    {payload: "load", needs: []string{"shipments|handling_units|lines"}, lines: goodsLine},
	// What is in it was told as it was loaded.
	docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED:    {payload: "load", needs: []string{"trailer"}, lines: goodsLine},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED: {payload: "shipment", needs: []string{"number"}, lines: movedLine},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED:   {payload: "shipment_void", needs: []string{"number"}, lines: takenBackLine},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_OVER_SHIPPED: {payload: "over_shipment", needs: []string{"number", "order"}, lines: orderedLine,
		words: map[string][]string{"decision": {"post", "hold"}}},

	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: {payload: "transport", needs: []string{named, "code|milestone"}, lines: goodsLine,
		words: map[string][]string{"milestone": Milestones}},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED: {payload: "transport", needs: []string{named, "eta|cause|code"}, lines: goodsLine,
		words: map[string][]string{"milestone": Milestones}},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED: {payload: "transport", needs: []string{named}, lines: goodsLine, words: map[string][]string{"milestone": Milestones}},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:    {payload: "transport", needs: []string{named}, lines: goodsLine, words: map[string][]string{"milestone": Milestones}},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED: {payload: "transport", needs: []string{named}, lines: goodsLine, words: map[string][]string{"milestone": Milestones}},
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:   {payload: "delivery", needs: []string{named}, lines: goodsLine, also: validDelivery},
}

func validShort(e *docklinev1.Event) *Fault {
	for i, line := range e.GetPick().GetLines() {
		ordered, err := ParseQuantity(line.GetOrdered().GetValue())
		if err != nil {
			return dataFault("quantity_format", "lines[%d].ordered: %v; a short pick must say what the task asked for", i, err)
		}
		if picked, _ := ParseQuantity(line.GetQuantity().GetValue()); ordered > picked {
			return nil
		}
	}
	return dataFault("short_without_missing", "a short pick misses nothing: no line has less than its task asked for; check which column is which")
}

func validSubstitution(e *docklinev1.Event) *Fault {
	for i, line := range e.GetPick().GetLines() {
		if line.GetOriginalItem() == line.GetItem() {
			return dataFault("substitute_same", "lines[%d]: item %s stands for itself; original_item is the item that the order names", i, line.GetItem())
		}
	}
	return nil
}

func validDelivery(e *docklinev1.Event) *Fault {
	d := e.GetDelivery()
	if (d.GetLatitude() == "") != (d.GetLongitude() == "") {
		return dataFault("place_format", "latitude and longitude come together; map both or none")
	}
	for _, degrees := range [...]struct {
		name, value string
		limit       float64
	}{{"latitude", d.GetLatitude(), 90}, {"longitude", d.GetLongitude(), 180}} {
		if !validDegrees(degrees.value, degrees.limit) {
			return dataFault("place_format", "%s is %q; write degrees as a decimal number such as 48.1374 or -0.1276, no more than %v", degrees.name, degrees.value, degrees.limit)
		}
	}
	for i, line := range d.GetLines() {
		delivered, _ := ParseQuantity(line.GetQuantity().GetValue())
		if refused, err := ParseQuantity(line.GetRefused().GetValue()); err == nil && refused > delivered {
			return dataFault("quantity_implausible", "lines[%d].refused is %s of %s; quantity is all that was brought, refused the part of it that was not accepted",
				i, line.GetRefused().GetValue(), line.GetQuantity().GetValue())
		}
	}
	return nil
}

// validDegrees takes no exponent and no infinity, which ParseFloat would.
func validDegrees(text string, limit float64) bool {
	if text == "" {
		return true
	}
	degrees, err := strconv.ParseFloat(text, 64)
	return err == nil && strings.Trim(text, "-.0123456789") == "" && degrees >= -limit && degrees <= limit
}
