package mapping

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func (r *Record) line() *docklinev1.Line {
	return &docklinev1.Line{
		Order:            r.text("order"),
		OrderLine:        r.text("order_line"),
		Item:             r.text("item"),
		Gtin:             r.text("gtin"),
		Quantity:         r.quantity("quantity"),
		Ordered:          r.ordered(),
		Lot:              r.text("lot"),
		Serials:          r.value("serials").list,
		HandlingUnit:     r.text("handling_unit"),
		Bin:              r.text("bin"),
		ToBin:            r.text("to_bin"),
		StockStatus:      r.text("stock_status"),
		Reason:           r.text("reason"),
		UnitPrice:        r.text("unit_price"),
		Description:      r.text("description"),
		OriginalItem:     r.text("original_item"),
		OriginalQuantity: r.quantity("original_quantity"),
		ToStatus:         r.text("to_status"),
		ToLot:            r.text("to_lot"),
		ToHandlingUnit:   r.text("to_handling_unit"),
		Owner:            r.text("owner"),
		ToOwner:          r.text("to_owner"),
		ExpiresAt:        r.stamp("expires_at"),
		Condition:        r.text("condition"),
		Disposition:      r.text("disposition"),
		Claim:            r.text("claim"),
		Expected:         r.quantity("expected"),
		Refused:          r.quantity("refused"),
	}
}

func (r *Record) quantity(name string) *docklinev1.Quantity {
	v, ok := r.values.get(name)
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
	missing, ok := r.values.get("short")
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

// setPayload fills subject and payload of an event as its kind's plan says. head has what the event has only once.
func setPayload(e *docklinev1.Event, head *Record, records []*Record) {
	p := plans[e.Kind]
	for _, name := range p.subject {
		if e.Subject = strings.Join(head.texts(name), ", "); e.Subject != "" {
			break
		}
	}
	payload := e.ProtoReflect().NewField(p.payload).Message()
	for _, f := range p.fields {
		if v, ok := head.values.get(f.from); ok {
			setField(payload, f, v)
		}
	}
	e.ProtoReflect().Set(p.payload, protoreflect.ValueOfMessage(payload))
	in, out := linesOf(p, records)
	setLines(payload, p.linesField, in)
	setLines(payload, p.outputsField, out)
	if pack := e.GetPack(); pack != nil {
		pack.HandlingUnit = packed(head, in)
	}
	if s := e.GetShipment(); s != nil && strings.Contains(s.Tracking, ", ") {
		// Rows of one shipment have a tracking number each: a person reads them together, and each of them finds the shipment.
		s.Parcels = slices.Compact(slices.Sorted(slices.Values(append(s.Parcels, strings.Split(s.Tracking, ", ")...))))
	}
}

func (r *Record) texts(name string) []string {
	v := r.value(name)
	if v.list != nil {
		return v.list
	}
	return []string{v.text}
}

func setField(payload protoreflect.Message, f payloadField, v value) {
	switch {
	case f.to.IsList():
		list, texts := payload.Mutable(f.to).List(), v.list
		if f.from == "ship_to" {
			texts = addressLines(v.text)
		}
		for _, text := range texts {
			list.Append(protoreflect.ValueOfString(text))
		}
	case f.to.Kind() == protoreflect.MessageKind:
		payload.Set(f.to, protoreflect.ValueOfMessage(stampOf(v).ProtoReflect()))
	case f.to.Kind() == protoreflect.BoolKind:
		payload.Set(f.to, protoreflect.ValueOfBool(v.flag()))
	case f.to.Kind() == protoreflect.Uint32Kind:
		payload.Set(f.to, protoreflect.ValueOfUint32(uint32(v.whole())))
	default:
		payload.Set(f.to, protoreflect.ValueOfString(v.text))
	}
}

func addressLines(address string) (lines []string) {
	for part := range strings.SplitSeq(address, "|") {
		lines = append(lines, strings.TrimSpace(part))
	}
	return lines
}

// linesOf are the lines of a kind, and what came out where it makes something of something. A row without goods makes none where the kind
// can do without; the kind's rule finds it where it cannot.
func linesOf(p *kindPlan, records []*Record) (in, out []*docklinev1.Line) {
	if p.linesField == nil {
		return nil, nil
	}
	outputs := p.outputsField != nil
	for _, r := range records {
		line := r.line()
		switch {
		case line.Item == "" && line.Gtin == "" && !p.lines.Some:
		case outputs && r.value("output").flag():
			out = append(out, line)
		default:
			in = append(in, line)
		}
	}
	if outputs && len(out) == 0 {
		for _, line := range in {
			if became := after(line); became != nil {
				out = append(out, became)
			}
		}
	}
	return in, out
}

// after is what came out of a row that says both: the same goods under another lot or handling unit.
func after(l *docklinev1.Line) *docklinev1.Line {
	if l.ToLot == "" && l.ToHandlingUnit == "" {
		return nil
	}
	out := &docklinev1.Line{Item: l.Item, Gtin: l.Gtin, Quantity: l.Quantity, Lot: l.Lot, HandlingUnit: l.HandlingUnit, Bin: l.Bin, StockStatus: l.StockStatus, Serials: l.Serials,
		Owner: l.Owner, ExpiresAt: l.ExpiresAt}
	if l.ToLot != "" {
		out.Lot = l.ToLot
	}
	if l.ToHandlingUnit != "" {
		out.HandlingUnit = l.ToHandlingUnit
	}
	if l.ToBin != "" {
		out.Bin = l.ToBin
	}
	return out
}

func setLines(payload protoreflect.Message, to protoreflect.FieldDescriptor, lines []*docklinev1.Line) {
	if len(lines) == 0 {
		return
	}
	list := payload.Mutable(to).List()
	for _, line := range lines {
		list.Append(protoreflect.ValueOfMessage(line.ProtoReflect()))
	}
}

// packed is the handling unit of a pack: that of all its lines where they went into the same; without lines what the row names.
func packed(head *Record, lines []*docklinev1.Line) string {
	if len(lines) == 0 {
		return head.text("handling_unit")
	}
	unit := lines[0].GetHandlingUnit()
	if slices.ContainsFunc(lines, func(l *docklinev1.Line) bool { return l.GetHandlingUnit() != unit }) {
		return ""
	}
	return unit
}

// setCustom takes the columns that are mapped to custom fields, sorted by name.
func setCustom(e *docklinev1.Event, head *Record) {
	for _, at := range head.values.custom {
		if v := head.values.all[at]; v.there {
			e.Custom = append(e.Custom, &docklinev1.CustomField{Name: strings.TrimPrefix(head.values.names[at], customPrefix), Value: v.text})
		}
	}
}
