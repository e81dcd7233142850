package event

import (
	"fmt"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// validPayload holds the payload against the kind. A payload of another kind counts as missing.
func validPayload(e *docklinev1.Event) *Fault {
	switch e.Kind {
	case docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED, docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED,
		docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:
		return validOrder(e, e.GetOrder())
	case docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:
		return required(e, e.GetOrderCancelled() != nil, "number", e.GetOrderCancelled().GetNumber())
	case docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED:
		return required(e, e.GetOrderReleased() != nil, "number", e.GetOrderReleased().GetNumber(), "site", e.GetOrderReleased().GetSite(),
			"command_key", e.GetOrderReleased().GetCommandKey())
	case docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PICK_SHORT:
		return validPick(e, e.GetPick())
	case docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:
		return validPack(e, e.GetPack())
	case docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED:
		return first(required(e, e.GetShipment() != nil, "number", e.GetShipment().GetNumber()),
			func() *Fault { return validLines(e.GetShipment().GetLines(), movedLine) })
	case docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:
		return first(required(e, e.GetCount() != nil, "number", e.GetCount().GetNumber()),
			func() *Fault { return validLines(e.GetCount().GetLines(), countedLine) })
	case docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT:
		return validSnapshot(e, e.GetStockSnapshot())
	case docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED:
		return first(required(e, e.GetInvoice() != nil, "number", e.GetInvoice().GetNumber(), "order", e.GetInvoice().GetOrder()),
			func() *Fault { return amount("total", e.GetInvoice().GetTotal()) })
	case docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED:
		return validResult(e, e.GetCommandResult())
	case docklinev1.EventKind_EVENT_KIND_STREAM_GAP:
		return validGap(e, e.GetStreamGap())
	case docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED:
		return required(e, e.GetDeadLetter() != nil, "code", e.GetDeadLetter().GetCode(), "text", e.GetDeadLetter().GetText())
	case docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED:
		return required(e, e.GetPolicyActivated() != nil, "version", e.GetPolicyActivated().GetVersion())
	}
	return dataFault("kind_unknown", "event kind %d has no rule; the schema is newer than this program", e.Kind)
}

func validOrder(e *docklinev1.Event, o *docklinev1.Order) *Fault {
	f := required(e, o != nil, "number", o.GetNumber())
	if f != nil || e.Kind == docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED && len(o.GetLines()) == 0 {
		return f
	}
	if f := codes("site", o.GetSite(), "customer", o.GetCustomer()); f != nil {
		return f
	}
	return validLines(o.GetLines(), orderedLine)
}

func validPick(e *docklinev1.Event, p *docklinev1.Pick) *Fault {
	if f := required(e, p != nil); f != nil {
		return f
	}
	if f := first(codes("task", p.GetTask()), func() *Fault { return validLines(p.GetLines(), movedLine) }); f != nil {
		return f
	}
	if e.Kind != docklinev1.EventKind_EVENT_KIND_PICK_SHORT {
		return nil
	}
	for i, line := range p.GetLines() {
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

func validPack(e *docklinev1.Event, p *docklinev1.Pack) *Fault {
	if f := required(e, p != nil); f != nil {
		return f
	}
	if f := first(codes("handling_unit", p.GetHandlingUnit()), func() *Fault { return amount("weight_kg", p.GetWeightKg()) }); f != nil {
		return f
	}
	return validLines(p.GetLines(), movedLine)
}

func validSnapshot(e *docklinev1.Event, s *docklinev1.StockSnapshot) *Fault {
	if f := required(e, s != nil, "site", s.GetSite()); f != nil || len(s.GetLines()) == 0 {
		return f
	}
	return validLines(s.GetLines(), bookLine)
}

func validResult(e *docklinev1.Event, r *docklinev1.CommandResult) *Fault {
	if f := required(e, r != nil, "key", r.GetKey()); f != nil {
		return f
	}
	if r.GetOutcome() == docklinev1.CommandOutcome_COMMAND_OUTCOME_UNSPECIFIED {
		return dataFault("outcome_missing", "the result of command %s says no outcome", r.GetKey())
	}
	return nil
}

func validGap(e *docklinev1.Event, g *docklinev1.StreamGap) *Fault {
	if f := required(e, g != nil, "epoch", g.GetEpoch()); f != nil {
		return f
	}
	if g.GetFirstSeq() == 0 || g.GetLastSeq() < g.GetFirstSeq() {
		return dataFault("range_implausible", "a gap from %d to %d is none", g.GetFirstSeq(), g.GetLastSeq())
	}
	return nil
}

// required is a fault where the payload or one of the named codes is missing, or a code is too long.
func required(e *docklinev1.Event, present bool, namesAndValues ...string) *Fault {
	if !present {
		return dataFault("payload_missing", "an event %s without its payload; check the kind that the mapping chooses", KindName(e.Kind))
	}
	for i := 0; i < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] == "" {
			return dataFault("field_missing", "%s is missing; map a column to it", namesAndValues[i])
		}
	}
	if e.Kind == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
		return nil // its text may be long
	}
	return codes(namesAndValues...)
}

// codes is a fault where one of the named codes is too long for a key.
func codes(namesAndValues ...string) *Fault {
	for i := 0; i < len(namesAndValues); i += 2 {
		name, limit := namesAndValues[i], MaxCodeBytes
		if strings.HasSuffix(name, "key") { // of a command: made of a code and more
			limit = MaxSubjectBytes
		}
		if size := len(namesAndValues[i+1]); size > limit {
			return dataFault("code_too_long", "%s has %d bytes, %d are allowed; check the column", name, size, limit)
		}
	}
	return nil
}

func amount(name, value string) *Fault {
	if value == "" {
		return nil
	}
	if _, err := ParseQuantity(value); err != nil {
		return dataFault("quantity_format", "%s: %v", name, err)
	}
	return nil
}

func first(f *Fault, next func() *Fault) *Fault {
	if f != nil {
		return f
	}
	return next()
}

// lineRule is what the lines of a kind must have.
type lineRule struct {
	order, bin bool
	// negative allows quantities below zero: a book may hold one, a person cannot see or pick it.
	negative bool
}

var (
	orderedLine = lineRule{}
	movedLine   = lineRule{order: true}
	countedLine = lineRule{bin: true}
	bookLine    = lineRule{bin: true, negative: true}
)

func validLines(lines []*docklinev1.Line, rule lineRule) *Fault {
	if len(lines) == 0 {
		return dataFault("lines_missing", "the event has no lines")
	}
	for i, line := range lines {
		if f := validLine(line, rule); f != nil {
			f.Text = fmt.Sprintf("lines[%d].%s", i, f.Text)
			return f
		}
	}
	return nil
}

func validLine(l *docklinev1.Line, rule lineRule) *Fault {
	switch {
	case l.GetItem() == "" && l.GetGtin() == "":
		return dataFault("field_missing", "item: neither item nor gtin is there; map a column to item")
	case rule.order && l.GetOrder() == "":
		return dataFault("field_missing", "order is missing; map a column to it")
	case rule.bin && l.GetBin() == "":
		return dataFault("field_missing", "bin is missing; map a column to it")
	}
	if f := codes("order", l.GetOrder(), "order_line", l.GetOrderLine(), "item", l.GetItem(), "gtin", l.GetGtin(), "lot", l.GetLot(), "handling_unit", l.GetHandlingUnit(),
		"bin", l.GetBin(), "to_bin", l.GetToBin(), "stock_status", l.GetStockStatus(), "quantity.unit", l.GetQuantity().GetUnit()); f != nil {
		return f
	}
	for _, serial := range l.GetSerials() {
		if f := codes("serials", serial); f != nil {
			return f
		}
	}
	if f := validQuantity("quantity", l.GetQuantity(), rule.negative); f != nil {
		return f
	}
	if l.GetOrdered() != nil {
		if f := validQuantity("ordered", l.GetOrdered(), rule.negative); f != nil {
			return f
		}
	}
	return amount("unit_price", l.GetUnitPrice())
}

func validQuantity(name string, q *docklinev1.Quantity, negative bool) *Fault {
	millionths, err := ParseQuantity(q.GetValue())
	switch {
	case err != nil:
		return dataFault("quantity_format", "%s: %v", name, err)
	case millionths < 0 && !negative:
		return dataFault("quantity_negative", "%s is %s; what is ordered, moved or counted cannot be below zero, a correction needs a record of its own kind", name, q.GetValue())
	case millionths > MaxQuantity*Scale || millionths < -MaxQuantity*Scale:
		return dataFault("quantity_too_large", "%s is %s, more than any dock moves; check whether an article number stands in its column", name, q.GetValue())
	}
	return nil
}
