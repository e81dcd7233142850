package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What is given free again, or released, counts against what was allocated or owed on its line, whatever was told first; no line has less
// than nothing, and what is beyond waits (FlagPendingVoid).

// movementOf is lines of a fact that take from the sum of a stage.
type movementOf struct {
	fact  int32
	stage stage
	lines []*docklinev1.Line
	// of is the number of the document that is given free whole, where there are no lines.
	of string
}

// owing is a document that holds a remainder, with its sums over all lines.
type owing struct {
	document          *docklinev1.OrderBackorder
	created, released int64
	whole             bool
}

func (f *orderFold) reserve(e *docklinev1.Event, a *docklinev1.Allocation) {
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED {
		f.minus = append(f.minus, movementOf{f.at, allocated, a.GetLines(), a.GetNumber()})
		return
	}
	for _, line := range a.GetLines() {
		f.place(e, line, allocated)
	}
}

// backorder counts what is owed, and keeps the documents that hold it as links.
func (f *orderFold) backorder(e *docklinev1.Event, b *docklinev1.Backorder) {
	o := f.backorders[b.GetNumber()]
	if o == nil {
		o = &owing{document: &docklinev1.OrderBackorder{Number: b.GetNumber()}}
		f.backorders[b.GetNumber()] = o
		f.out.State.Backorders = append(f.out.State.Backorders, o.document)
	}
	o.document.EventIds = append(o.document.EventIds, e.GetId())
	o.document.Rule = cmp.Or(b.GetRule(), o.document.Rule)
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED {
		f.minus = append(f.minus, movementOf{f.at, backordered, b.GetLines(), b.GetNumber()})
		return
	}
	if b.GetPromisedAt() != nil {
		o.document.PromisedAt = b.GetPromisedAt()
	}
	for _, line := range b.GetLines() {
		moved, _ := f.place(e, line, backordered)
		for _, m := range moved {
			o.created += m.base
		}
	}
}

// takeAway applies what was given free or released.
func (f *orderFold) takeAway() {
	for _, m := range f.minus {
		f.at = m.fact
		e := f.out.Facts[m.fact]
		o := f.backorders[m.of]
		lines := m.lines
		if len(lines) == 0 {
			lines = f.told(m)
		}
		for _, line := range lines {
			item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
			if fault != nil {
				f.found.add(fault)
				continue
			}
			if m.stage == backordered {
				o.released += base
			}
			f.takeFrom(m.stage, line, item, base)
		}
		if m.stage == backordered {
			o.whole = o.whole || len(m.lines) == 0
		}
	}
	for _, o := range f.backorders {
		o.document.Released = o.whole || o.created > 0 && o.released >= o.created
	}
	slices.SortFunc(f.out.State.Backorders, func(a, b *docklinev1.OrderBackorder) int { return cmp.Compare(a.Number, b.Number) })
}

func (f *orderFold) takeFrom(s stage, line *docklinev1.Line, item string, base int64) {
	places, _ := f.candidates(line, item)
	for _, at := range places {
		part := min(base, *s.sum(f.out.State.Lines[at]))
		f.add(at, s, -part)
		base -= part
	}
	f.pending = f.pending || base > 0
}

// told is the lines that a document was made with.
func (f *orderFold) told(m movementOf) (lines []*docklinev1.Line) {
	for _, e := range f.out.Facts {
		switch {
		case m.of == "":
		case m.stage == allocated && e.GetKind() == docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED && e.GetAllocation().GetNumber() == m.of:
			lines = append(lines, e.GetAllocation().GetLines()...)
		case m.stage == backordered && e.GetKind() == docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED && e.GetBackorder().GetNumber() == m.of:
			lines = append(lines, e.GetBackorder().GetLines()...)
		}
	}
	return lines
}
