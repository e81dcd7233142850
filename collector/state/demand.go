package state

import (
	"cmp"
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Kinds of demand.
const (
	DemandOpen      = "open"
	DemandAllocated = "allocated"
	DemandInbound   = "inbound"
)

// Demand is what a key says of stock that does not lie in a bucket: what is still to be taken, what is reserved, what is to come.
type Demand struct {
	Kind, Site, Item string
	// Quantity is in millionths of the base unit, above zero.
	Quantity int64
	// At is when a reservation ends, or when goods are expected; zero: never, or not known.
	At time.Time
}

// OrderDemand is what an order still takes. Open is what an accepted order has still to be picked, at the site that it was given to; allocated is
// what sites have reserved for it and neither given free nor picked, each part with its end. What has ended is for the reader to leave out, so
// allocated is part of open, where the order is known.
func OrderDemand(o *docklinev1.OrderState, facts []Fact, m Mapping) []Demand {
	var list []Demand
	most := make(map[string]int64)
	known := !slices.Contains([]string{Unknown, Quoted, Submitted}, o.GetStatus())
	if known && o.GetStatus() != Rejected && o.GetStatus() != Cancelled {
		for _, line := range o.GetLines() {
			if rest := line.GetNet() - max(line.GetPicked(), line.GetOut()); rest > 0 {
				most[line.GetItem()] += rest
			}
		}
		for item, quantity := range most {
			list = append(list, Demand{Kind: DemandOpen, Site: cmp.Or(o.GetReleasedTo(), o.GetSite()), Item: item, Quantity: quantity})
		}
	}
	reserved := allocations(facts, m)
	for i := len(reserved) - 1; i >= 0 && known; i-- { // of more than is still to be picked, what ends last holds
		r := &reserved[i]
		r.Quantity = min(r.Quantity, most[r.Item])
		most[r.Item] -= r.Quantity
	}
	return sortDemand(append(list, reserved...))
}

// AllocationDemand is what is left of a reservation that names no order.
func AllocationDemand(facts []Fact, m Mapping) []Demand { return sortDemand(allocations(facts, m)) }

// InboundDemand is what is still to come of what a supplier has told of.
func InboundDemand(in *docklinev1.InboundState) []Demand {
	var list []Demand
	at := time.Time{}
	if in.GetExpectedAt() != nil {
		at = in.GetExpectedAt().AsTime().Truncate(time.Microsecond)
	}
	for _, line := range in.GetLines() {
		list = append(list, Demand{Kind: DemandInbound, Site: in.GetSite(), Item: line.GetItem(), Quantity: line.GetOpen(), At: at})
	}
	return sortDemand(list)
}

// allocations are reservations, less what was given free and what was picked, those that end first being used up first.
func allocations(facts []Fact, m Mapping) []Demand {
	force := inForce(facts)
	type reservation struct {
		Demand
		number string
	}
	var all []*reservation
	each := func(e *docklinev1.Event, lines []*docklinev1.Line, f func(item string, base int64)) {
		for _, line := range lines {
			if item, base, fault := quantity(m, e, line, line.GetQuantity()); fault == nil {
				f(item, base)
			}
		}
	}
	for _, fact := range force.Facts {
		e, a := fact.Event, fact.Event.GetAllocation()
		if e.GetKind() != docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED {
			continue
		}
		at := time.Time{}
		if a.GetExpiresAt() != nil {
			at = a.GetExpiresAt().AsTime().Truncate(time.Microsecond)
		}
		each(e, a.GetLines(), func(item string, base int64) {
			all = append(all, &reservation{Demand{DemandAllocated, e.GetSite(), item, base, at}, a.GetNumber()})
		})
	}
	slices.SortStableFunc(all, func(a, b *reservation) int { return compareEnd(a.At, b.At) })
	take := func(site, number, item string, base int64) {
		for _, r := range all {
			if r.Site == site && (item == "" || r.Item == item) && (number == "" || r.number == number) {
				n := min(r.Quantity, base)
				r.Quantity, base = r.Quantity-n, base-n
			}
		}
	}
	for _, fact := range force.Facts {
		e, a := fact.Event, fact.Event.GetAllocation()
		if e.GetKind() != docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED {
			continue
		}
		if len(a.GetLines()) == 0 {
			take(e.GetSite(), a.GetNumber(), "", 1<<62)
		}
		each(e, a.GetLines(), func(item string, base int64) { take(e.GetSite(), a.GetNumber(), item, base) })
	}
	for _, fact := range force.Facts {
		e := fact.Event
		if fact.Group != nil {
			if item, base, ok := fact.Group.sum(m, e); ok {
				take(e.GetSite(), "", item, base)
			}
			continue
		}
		each(e, e.GetPick().GetLines(), func(item string, base int64) { take(e.GetSite(), "", item, base) })
	}
	var list []Demand
	for _, r := range all {
		list = append(list, r.Demand)
	}
	return list
}

// compareEnd orders ends, never being the last.
func compareEnd(a, b time.Time) int {
	switch {
	case a.IsZero() || b.IsZero():
		return cmp.Compare(boolInt(a.IsZero()), boolInt(b.IsZero()))
	}
	return a.Compare(b)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sortDemand adds up what is alike, and leaves out what is nothing.
func sortDemand(list []Demand) []Demand {
	slices.SortFunc(list, func(a, b Demand) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Item, b.Item), a.At.Compare(b.At), cmp.Compare(a.Quantity, b.Quantity))
	})
	var out []Demand
	for _, d := range list {
		if d.Quantity <= 0 {
			continue
		}
		if n := len(out) - 1; n >= 0 && out[n].Kind == d.Kind && out[n].Site == d.Site && out[n].Item == d.Item && out[n].At.Equal(d.At) {
			out[n].Quantity += d.Quantity
			continue
		}
		out = append(out, d)
	}
	return out
}
