package state

import (
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// movement is a line of a fact, or the part of it that belongs to one line of the order.
type movement struct {
	event *docklinev1.Event
	line  *docklinev1.Line
	// at is the line's place in the order's state.
	at   int
	base int64
}

// stage is a step that goods of a line go through; each has its sum.
type stage func(*docklinev1.OrderLineState) *int64

func picked(l *docklinev1.OrderLineState) *int64  { return &l.Picked }
func packed(l *docklinev1.OrderLineState) *int64  { return &l.Packed }
func shipped(l *docklinev1.OrderLineState) *int64 { return &l.Shipped }

// place adds a fact's line to the order's lines. A source that does not name the order's line fills the lines with its item
// one after the other. ok is false where the line belongs nowhere; a finding then says why.
func (f *orderFold) place(e *docklinev1.Event, line *docklinev1.Line, sum stage) (moved []movement, ok bool) {
	item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
	if fault != nil {
		f.found.add(fault)
		return nil, false
	}
	candidates, why := f.candidates(line, item)
	if len(candidates) == 0 {
		f.found.add(unknownLine(e, line, why))
		return nil, false
	}
	for i, at := range candidates {
		state := f.out.State.Lines[at]
		part := base
		if i < len(candidates)-1 {
			part = max(0, min(base, state.Ordered-*sum(state)))
			if part == 0 && base > 0 {
				continue
			}
		}
		*sum(state) += part
		moved = append(moved, movement{event: e, line: line, at: at, base: part})
		if base -= part; base == 0 {
			break
		}
	}
	return moved, true
}

// placeKey is an item, and the order line's number unless that is not asked for.
type placeKey struct {
	item, line string
	named      bool
}

// addLine adds a line to the order's state.
func (f *orderFold) addLine(line *docklinev1.OrderLineState) {
	at := len(f.out.State.Lines)
	f.out.State.Lines = append(f.out.State.Lines, line)
	for _, key := range []placeKey{{item: line.Item}, {line.Item, line.OrderLine, true}} {
		f.places[key] = append(f.places[key], at)
	}
	f.items[line.OrderLine] = line.Item
}

// candidates are the places of the order's lines that a line can belong to.
func (f *orderFold) candidates(line *docklinev1.Line, item string) (places []int, why string) {
	why = "has no line with this item"
	if number := line.GetOrderLine(); number == "" {
		places = f.places[placeKey{item: item}]
	} else if named := f.places[placeKey{item, number, true}]; len(named) > 0 {
		return named[:1], ""
	} else if other, ok := f.items[number]; ok {
		why = "has item " + other + " on this line"
	}
	if len(places) == 0 && f.out.Order == nil {
		// The order itself is not known yet: its lines are what the facts name.
		f.addLine(&docklinev1.OrderLineState{OrderLine: line.GetOrderLine(), Item: item, Unit: line.GetQuantity().GetUnit()})
		return []int{len(f.out.State.Lines) - 1}, ""
	}
	return places, why
}

func withHandlingUnit(line *docklinev1.Line, unit string) *docklinev1.Line {
	line = proto.CloneOf(line)
	line.HandlingUnit = unit
	return line
}
