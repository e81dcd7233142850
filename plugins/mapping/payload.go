package mapping

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func lines(records []*Record) []*docklinev1.Line {
	out := make([]*docklinev1.Line, len(records))
	for i, r := range records {
		out[i] = r.line()
	}
	return out
}

func (r *Record) line() *docklinev1.Line {
	return &docklinev1.Line{
		Order:        r.text("order"),
		OrderLine:    r.text("order_line"),
		Item:         r.text("item"),
		Gtin:         r.text("gtin"),
		Quantity:     r.quantity("quantity"),
		Ordered:      r.ordered(),
		Lot:          r.text("lot"),
		Serials:      r.values["serials"].list,
		HandlingUnit: r.text("handling_unit"),
		Bin:          r.text("bin"),
		ToBin:        r.text("to_bin"),
		StockStatus:  r.text("stock_status"),
		Reason:       r.text("reason"),
		UnitPrice:    r.text("unit_price"),
		Description:  r.text("description"),
	}
}

func (r *Record) quantity(name string) *docklinev1.Quantity {
	v, ok := r.values[name]
	if !ok {
		return nil
	}
	return &docklinev1.Quantity{Value: v.text, Unit: r.text("unit")}
}

// ordered is what the task asked for: said by the row, or what was picked and what was missing.
func (r *Record) ordered() *docklinev1.Quantity {
	if q := r.quantity("ordered"); q != nil {
		return q
	}
	missing, ok := r.values["short"]
	if !ok {
		return nil
	}
	a, errA := event.ParseQuantity(r.text("quantity"))
	b, errB := event.ParseQuantity(missing.text)
	if errA != nil || errB != nil {
		return nil // the rule for the kind says so
	}
	return &docklinev1.Quantity{Value: event.FormatQuantity(a + b), Unit: r.text("unit")}
}

func setPayload(e *docklinev1.Event, head *Record, lines []*docklinev1.Line) {
	e.Subject = head.text("order")
	switch e.Kind {
	case docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PICK_SHORT:
		e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: head.text("task"), Lines: lines}}
	case docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:
		e.Payload = &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: oneUnit(lines), Lines: lines, WeightKg: head.text("weight_kg")}}
	case docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED:
		e.Subject = head.text("shipment")
		e.Payload = &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{
			Number: head.text("shipment"), Carrier: head.text("carrier"), Service: head.text("service"), Tracking: head.text("tracking"),
			Lines: lines, CarrierCutoff: head.stamp("carrier_cutoff"),
		}}
	case docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:
		e.Subject = head.text("count")
		e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{
			Number: head.text("count"), Blind: head.values["blind"].flag(), Recount: uint32(head.values["recount"].whole()), Lines: lines,
		}}
	case docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:
		e.Payload = &docklinev1.Event_OrderCancelled{OrderCancelled: &docklinev1.OrderCancelled{Number: head.text("order"), Reason: head.text("reason")}}
	default:
		e.Payload = &docklinev1.Event_Order{Order: order(head, lines)}
	}
}

// oneUnit is the handling unit of a pack where all its lines went into the same.
func oneUnit(lines []*docklinev1.Line) string {
	unit := lines[0].GetHandlingUnit()
	if slices.ContainsFunc(lines, func(l *docklinev1.Line) bool { return l.GetHandlingUnit() != unit }) {
		return ""
	}
	return unit
}

func order(head *Record, lines []*docklinev1.Line) *docklinev1.Order {
	o := &docklinev1.Order{
		Number: head.text("order"), Customer: head.text("customer"), CustomerName: head.text("customer_name"),
		CustomerReference: head.text("customer_reference"), Currency: head.text("currency"),
		OrderedAt: head.stamp("ordered_at"), PromisedAt: head.stamp("promised_at"), Lines: lines,
	}
	if address := head.text("ship_to"); address != "" {
		for part := range strings.SplitSeq(address, "|") {
			o.ShipTo = append(o.ShipTo, strings.TrimSpace(part))
		}
	}
	return o
}
