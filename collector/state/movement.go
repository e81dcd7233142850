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
type stage uint8

const (
	allocated stage = iota
	backordered
	picked
	missed // a short pick
	packed
	shipped
	voided
	delivered
	refused
	lost
	damaged
	invoiced
	authorised
	returned
	restocked
	scrapped
	credited
	substituted // of a line, or by a line
)

// sum is the counter of a stage; a stage without one counts nothing.
func (s stage) sum(l *docklinev1.OrderLineState) *int64 {
	switch s {
	case allocated:
		return &l.Allocated
	case backordered:
		return &l.Backordered
	case picked:
		return &l.Picked
	case packed:
		return &l.Packed
	case shipped:
		return &l.Shipped
	case voided:
		return &l.Voided
	case delivered:
		return &l.Delivered
	case refused:
		return &l.Refused
	case lost:
		return &l.Lost
	case damaged:
		return &l.Damaged
	case invoiced:
		return &l.Invoiced
	case authorised:
		return &l.ReturnAuthorised
	case returned:
		return &l.Returned
	case restocked:
		return &l.Restocked
	case scrapped:
		return &l.ReturnScrapped
	case credited:
		return &l.Credited
	}
	return new(int64)
}

// wanted is what a line is to bring in all. Cancelled is what was taken out of it while it went on; that the whole order ended is added later.
func wanted(l *docklinev1.OrderLineState) int64 {
	return l.Ordered - l.Cancelled - l.SubstitutedOut + l.SubstitutedIn
}

// add counts a quantity on a line, for the fact that is looked at.
func (f *orderFold) add(at int, s stage, base int64) {
	*s.sum(f.out.State.Lines[at]) += base
	f.mark(at, s)
	if s == backordered {
		f.owed = append(f.owed, owed{f.at, at, base})
	}
}

// place adds a fact's line to the order's lines. A source that does not name the order's line fills the lines with its item
// one after the other. ok is false where the line belongs nowhere; a finding then says why.
func (f *orderFold) place(e *docklinev1.Event, line *docklinev1.Line, s stage) (moved []movement, ok bool) {
	item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
	if fault != nil {
		f.found.add(fault)
		return nil, false
	}
	candidates, why := f.candidates(line, item)
	if len(candidates) == 0 && f.out.Order == nil {
		// The order itself is not known yet: its lines are what the facts name.
		candidates = []int{f.addLine(&docklinev1.OrderLineState{OrderLine: line.GetOrderLine(), Item: item, Unit: line.GetQuantity().GetUnit()})}
	}
	if len(candidates) == 0 {
		f.found.add(unknownLine(e, line, why))
		return nil, false
	}
	if s == picked && len(f.groups) > 0 && (len(candidates) > 1 || base < 0) {
		f.out.Whole = true // how it is divided depends on what was picked before it
	}
	return f.divide(e, line, candidates, base, s, func(at int) int64 {
		l := f.out.State.Lines[at]
		return wanted(l) - *s.sum(l)
	}), true
}

// divide fills lines one after the other, each as far as it has room; the last takes the rest.
func (f *orderFold) divide(e *docklinev1.Event, line *docklinev1.Line, candidates []int, base int64, s stage, room func(at int) int64) (moved []movement) {
	for i, at := range candidates {
		part := base
		if i < len(candidates)-1 {
			part = max(0, min(base, room(at)))
			if part == 0 && base > 0 {
				continue
			}
		}
		f.add(at, s, part)
		moved = append(moved, movement{event: e, line: line, at: at, base: part})
		if base -= part; base == 0 {
			break
		}
	}
	return moved
}

// placeKey is an item, and the order line's number unless that is not asked for.
type placeKey struct {
	item, line string
	named      bool
}

// addLine adds a line to the order's state and returns its place.
func (f *orderFold) addLine(line *docklinev1.OrderLineState) int {
	at := len(f.out.State.Lines)
	f.out.State.Lines = append(f.out.State.Lines, line)
	f.marks = append(f.marks, nil)
	for _, key := range []placeKey{{item: line.Item}, {line.Item, line.OrderLine, true}} {
		f.places[key] = append(f.places[key], at)
	}
	f.items[line.OrderLine] = line.Item
	return at
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
	return places, why
}

func withHandlingUnit(line *docklinev1.Line, unit string) *docklinev1.Line {
	line = proto.CloneOf(line)
	line.HandlingUnit = unit
	return line
}
