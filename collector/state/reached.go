package state

import (
	"cmp"
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Reached is when an order, all of it, came to a point, and by which fact.
type Reached struct {
	Name     string
	At       time.Time
	EventIDs []string
}

// Points of an order that have no fact of their own: all that is still wanted of it is picked, packed, has left, has arrived, is invoiced.
const (
	ReachedAccepted  = "accepted"
	ReachedReleased  = "released"
	ReachedPicking   = "picking"
	ReachedPicked    = "picked"
	ReachedPacked    = "packed"
	ReachedFirst     = "first_shipped"
	ReachedShipped   = "shipped"
	ReachedDelivered = "delivered"
	ReachedInvoiced  = "invoiced"
	ReachedClosed    = "closed"
	ReachedCancelled = "cancelled"
	ReachedRejected  = "rejected"
)

// reach works out when the order came how far. It follows from the same sums as its status, so that what is taken back is not reached any more.
func (f *orderFold) reach() {
	for _, fact := range f.about {
		switch fact.Event.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:
			f.reached(ReachedAccepted, fact.Event, false)
		}
	}
	if n := len(f.about); n > 0 && (f.out.Cancelled || f.rejected) {
		f.reached(map[bool]string{true: ReachedCancelled, false: ReachedRejected}[f.out.Cancelled], f.about[n-1].Event, false)
	}
	for _, at := range f.releases {
		f.reached(ReachedReleased, f.out.Facts[at], false)
	}
	for _, list := range [][]movement{f.picks, f.shorts} {
		for _, m := range list {
			f.reached(ReachedPicking, m.event, false)
		}
	}
	f.groupsReached()
	if !f.out.Known {
		return
	}
	gone := f.gone()
	for _, m := range gone {
		if m.base > 0 {
			f.reached(ReachedFirst, m.event, false)
		}
	}
	f.complete(ReachedPicked, f.picks, f.packs, gone)
	f.complete(ReachedPacked, f.packs, gone)
	if !f.complete(ReachedShipped, gone) {
		return
	}
	f.arrived()
	f.billed()
	if f.out.State.Status == Closed {
		f.ended()
	}
}

// reached notes a point, by the first or the last of its facts.
func (f *orderFold) reached(name string, e *docklinev1.Event, last bool) {
	at := occurred(e)
	for i := range f.out.Reached {
		r := &f.out.Reached[i]
		if r.Name != name {
			continue
		}
		if order := cmp.Or(at.Compare(r.At), cmp.Compare(e.GetId(), r.EventIDs[0])); last && order > 0 || !last && order < 0 {
			r.At, r.EventIDs = at, []string{e.GetId()}
		}
		return
	}
	f.out.Reached = append(f.out.Reached, Reached{name, at, []string{e.GetId()}})
}

// gone is what left and was not taken back, as it happened.
func (f *orderFold) gone() (list []movement) {
	for _, issue := range f.out.Issues {
		for _, w := range f.carried[issue.key] {
			list = append(list, w.movement)
		}
	}
	slices.SortStableFunc(list, func(a, b movement) int { return byHappening(Fact{Event: a.event}, Fact{Event: b.event}) })
	return list
}

// complete notes when some step had been done for all that is wanted of every line: the last of the moments at which one of the movements, each
// list on its own, had covered its line. ok is false where a line is not covered, and where nothing is wanted.
func (f *orderFold) complete(name string, lists ...[]movement) (ok bool) {
	covered := make(map[int]*docklinev1.Event)
	for _, list := range lists {
		sums := make(map[int]int64)
		for _, m := range list {
			sums[m.at] += m.base
			if want := f.out.State.Lines[m.at].Net; want > 0 && sums[m.at] >= want {
				if had := covered[m.at]; had == nil || byHappening(Fact{Event: m.event}, Fact{Event: had}) < 0 {
					covered[m.at] = m.event
				}
			}
		}
	}
	wanted := 0
	for at, line := range f.out.State.Lines {
		if line.Net > 0 {
			wanted++
			if covered[at] == nil {
				return false
			}
		}
	}
	for _, e := range covered {
		f.reached(name, e, true)
	}
	return wanted > 0
}

// arrived notes when all that left had arrived: of each shipment the first proof of the whole of it, or else the last of its parts.
func (f *orderFold) arrived() {
	for _, line := range f.out.State.Lines {
		if line.Delivered < line.Out {
			return
		}
	}
	names := f.shipmentNames()
	whole, parts := make(map[string]*docklinev1.Event), make(map[string]*docklinev1.Event)
	f.each(func(e *docklinev1.Event) {
		s, name, lines := f.arrival(e)
		if s != delivered {
			return
		}
		for _, m := range f.meant(names, name, e) {
			key := m.key
			if len(lines) == 0 && len(name.units) == 0 && f.onlyParcel(key) && whole[key] == nil {
				whole[key] = e
			}
			parts[key] = e
		}
	})
	for key, e := range parts {
		if whole[key] != nil {
			e = whole[key]
		}
		f.reached(ReachedDelivered, e, true)
	}
}

// onlyParcel tells whether a shipment went as one.
func (f *orderFold) onlyParcel(key string) bool {
	return !slices.ContainsFunc(f.departed[key], func(e *docklinev1.Event) bool { return len(e.GetShipment().GetParcels()) > 1 })
}

// billed notes when all that left was invoiced.
func (f *orderFold) billed() {
	for _, line := range f.out.State.Lines {
		if line.ToInvoice > 0 {
			return
		}
	}
	for _, invoice := range f.out.State.Invoices {
		if at, ok := f.invoiceAt[invoice.GetNumber()]; ok {
			f.reached(ReachedInvoiced, f.out.Facts[at], true)
		}
	}
}

// ended notes the end of an order: the last of what it needed.
func (f *orderFold) ended() {
	var last *Reached
	for i, r := range f.out.Reached {
		if (r.Name == ReachedDelivered || r.Name == ReachedInvoiced || r.Name == ReachedShipped) && (last == nil || r.At.After(last.At)) {
			last = &f.out.Reached[i]
		}
	}
	f.out.Reached = append(f.out.Reached, Reached{ReachedClosed, last.At, last.EventIDs})
}
