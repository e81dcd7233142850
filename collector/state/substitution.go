package state

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Permission is what a site may do without asking.
type Permission int

// The permissions.
const (
	Allowed Permission = iota
	// NeedsApproval: only what names who approved it.
	NeedsApproval
	Forbidden
)

// Rules are what the business lets sites do and wants of carriers. They must answer the same for the same input.
type Rules interface {
	// Substitution says whether another item may stand for one that was ordered.
	Substitution(customer, site, original, item string) Permission
	// Approval is who approved the pick of another item that an event tells of, when the site did not know; "" is nobody.
	Approval(eventID string) string
	// ProofOfDelivery tells whether an order of the customer is not closed before its delivery is proved.
	ProofOfDelivery(customer string) bool
}

// Substitution is one line of a pick of another item than was ordered.
type Substitution struct {
	EventID, Site, Task, Approval, Reason string
	// Line and Child are places in State.Lines; Child is -1 where the rules do not allow it.
	Line, Child int
	// Item came in place of Line's item: so much of it, for so much of that.
	Item               string
	Quantity, Original int64
	Permission         Permission
}

// child is a line that stands for another.
type child struct {
	// at and parent are places in State.Lines; in and out are, in millionths, what the system of record gave the child and took from the parent.
	at, parent int
	in, out    int64
	// order: the system of record has it; marked: it also says for which item it stands.
	order, marked bool
	// toldIn and toldOut are what sites picked.
	toldIn, toldOut int64
}

// orderedChild is a line of the order which says that it stands for another item.
func (f *orderFold) orderedChild(e *docklinev1.Event, line *docklinev1.Line, at int) {
	item, base, fault := f.original(e, line)
	if fault != nil {
		f.found.add(fault)
		return
	}
	for _, parent := range f.places[placeKey{item: item}] {
		if parent != at {
			f.children = append(f.children, child{at: at, parent: parent, in: f.out.State.Lines[at].Ordered, out: base, order: true, marked: true})
			return
		}
	}
}

// original is the item that a line stands for, and how much of it in its base unit.
func (f *orderFold) original(e *docklinev1.Event, line *docklinev1.Line) (string, int64, *Finding) {
	q := line.GetOriginalQuantity()
	if q == nil {
		q = line.GetQuantity()
	}
	return quantity(f.mapping, e, &docklinev1.Line{Order: line.GetOrder(), OrderLine: line.GetOrderLine(), Item: line.GetOriginalItem()}, q)
}

// substitutions makes a line of its own of each item that was picked in place of another, before anything is counted on it.
func (f *orderFold) substitutions() {
	f.refusedPicks = make(map[[2]int32]bool)
	if f.out.Order != nil {
		f.each(func(e *docklinev1.Event) {
			if e.GetKind() != docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED {
				return
			}
			for i, line := range e.GetPick().GetLines() {
				if line.GetOriginalItem() != "" {
					f.substitute(e, int32(i), line)
				}
			}
		})
	}
	for _, c := range f.children {
		if c.order {
			if f.out.Amended == nil {
				f.out.Amended = make(map[int]int64)
			}
			f.out.Amended[c.at] += c.out
		}
		line, parent := f.out.State.Lines[c.at], f.out.State.Lines[c.parent]
		line.SubstitutedIn, line.StandsForQuantity = max(c.in, c.toldIn), max(c.out, c.toldOut)
		line.StandsForLine, line.StandsForItem, line.InOrder = parent.OrderLine, parent.Item, c.order
		line.Ordered = 0
		parent.Ordered += c.out // the order as it stands no longer has it here
		parent.SubstitutedOut += line.StandsForQuantity
	}
}

func (f *orderFold) substitute(e *docklinev1.Event, i int32, line *docklinev1.Line) {
	item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
	if fault != nil {
		return // the pick itself says so
	}
	originalItem, original, fault := f.original(e, line)
	if fault != nil {
		f.found.add(fault)
		return
	}
	parents, why := f.candidates(&docklinev1.Line{OrderLine: line.GetOrderLine()}, originalItem)
	if len(parents) == 0 {
		f.found.add(unknownLine(e, &docklinev1.Line{Order: line.GetOrder(), OrderLine: line.GetOrderLine(), Item: line.GetOriginalItem(), Quantity: line.GetQuantity()}, why))
		f.refusedPicks[[2]int32{f.at, i}] = true
		return
	}
	parent := parents[0]
	s := Substitution{EventID: e.GetId(), Site: e.GetSite(), Task: e.GetPick().GetTask(), Approval: e.GetPick().GetApproval(), Reason: line.GetReason(),
		Line: parent, Child: -1, Item: item, Quantity: base, Original: original}
	if f.rules != nil && s.Approval == "" {
		s.Approval = f.rules.Approval(e.GetId())
	}
	c := f.childOf(parent, item)
	if f.rules != nil && (c < 0 || !f.children[c].order) { // what the system of record has itself ordered needs no leave
		s.Permission = f.rules.Substitution(f.out.State.Customer, e.GetSite(), originalItem, item)
	}
	if s.Permission == NeedsApproval && s.Approval != "" {
		s.Permission = Allowed
		f.shorts = append(f.shorts, movement{event: e, line: line, at: parent}) // it was short until somebody approved
	}
	if s.Permission != Allowed {
		f.refusedPicks[[2]int32{f.at, i}] = true
		f.shorts = append(f.shorts, movement{event: e, line: line, at: parent, base: original})
		f.mark(parent, missed)
		f.out.Substitutions = append(f.out.Substitutions, s)
		return
	}
	if c < 0 {
		at := f.addLine(&docklinev1.OrderLineState{OrderLine: f.out.State.Lines[parent].OrderLine + "/" + item, Item: item, Unit: line.GetQuantity().GetUnit(), Description: line.GetDescription()})
		f.children = append(f.children, child{at: at, parent: parent})
		c = len(f.children) - 1
	}
	it := &f.children[c]
	it.toldIn, it.toldOut = it.toldIn+base, it.toldOut+original
	if it.order && !it.marked { // entered by hand: what left the order's line since is what it stands for
		it.out = min(it.toldOut, f.takenOut(parent))
	}
	s.Child = it.at
	f.mark(parent, substituted)
	f.mark(it.at, substituted)
	f.alias(it.at, parent)
	f.out.Substitutions = append(f.out.Substitutions, s)
}

// alias lets sites go on naming the line of the item that was ordered.
func (f *orderFold) alias(at, parent int) {
	key := placeKey{f.out.State.Lines[at].Item, f.out.State.Lines[parent].OrderLine, true}
	if len(f.places[key]) == 0 {
		f.places[key] = []int{at}
	}
}

// childOf finds the line that stands for another with an item: one that the order has, or one that was made before; -1 where there is none.
func (f *orderFold) childOf(parent int, item string) int {
	for i, c := range f.children {
		if c.parent == parent && f.out.State.Lines[c.at].Item == item {
			return i
		}
	}
	for _, at := range f.places[placeKey{item: item}] {
		line := f.out.State.Lines[at]
		if _, before := f.ordered[line.OrderLine]; f.ordered == nil || before || !line.InOrder || f.isChild(at) {
			continue
		}
		f.children = append(f.children, child{at: at, parent: parent, in: line.Ordered, order: true})
		return len(f.children) - 1
	}
	return -1
}

func (f *orderFold) isChild(at int) bool {
	for _, c := range f.children {
		if c.at == at {
			return true
		}
	}
	return false
}

// takenOut is how much less a line has now than it had at first.
func (f *orderFold) takenOut(at int) int64 {
	line := f.out.State.Lines[at]
	return max(0, f.ordered[line.OrderLine]-line.Ordered)
}
