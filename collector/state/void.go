package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// A fact that takes something back counts against the facts that it names, and never against more: what it cannot take back yet waits
// (FlagPendingVoid), and no sum goes below zero. It reaches what happened before it; where nothing did, the clocks are wrong, and it reaches
// what there is.

// reopen takes back packs: all of a handling unit, or the lines that were taken out of it.
func (f *orderFold) reopen() {
	for _, at := range f.reopened {
		f.at = at
		e := f.out.Facts[at]
		unit := e.GetPack().GetHandlingUnit()
		var reached []*movement
		for i := range f.packs {
			if m := &f.packs[i]; m.line.GetHandlingUnit() == unit {
				reached = append(reached, m)
			}
		}
		reached = before(reached, e)
		if len(reached) == 0 {
			f.pending = true
			continue
		}
		f.takeBack(e, e.GetPack().GetLines(), reached, func(m *movement, part int64) {
			m.base -= part
			f.add(m.at, packed, -part)
		})
	}
}

// takeBackShipments takes shipments back, as they were voided. One that was delivered all the same has left: goods are the truth, and the
// shipment's own fold makes a case of the void.
func (f *orderFold) takeBackShipments(byShipment map[string][]*want) {
	if len(f.voids) == 0 {
		return
	}
	proved := f.proved()
	for _, at := range f.voids {
		f.at = at
		e := f.out.Facts[at]
		key := f.voidedShipment(e)
		if proved[key] && len(e.GetShipmentVoid().GetLines()) == 0 {
			continue
		}
		var reached []*movement
		for _, w := range byShipment[key] {
			reached = append(reached, &w.movement)
		}
		reached = before(reached, e)
		if len(reached) == 0 {
			f.pending = f.pending || len(byShipment[key]) == 0
			continue
		}
		f.takeBack(e, f.ours(e.GetShipmentVoid().GetLines(), ""), reached, func(m *movement, part int64) {
			m.base -= part
			f.add(m.at, voided, part)
		})
	}
}

// voidedShipment is the key of the shipment that a void names.
func (f *orderFold) voidedShipment(e *docklinev1.Event) string {
	v := e.GetShipmentVoid()
	if site := cmp.Or(e.GetSite(), v.GetSite()); site != "" {
		return event.ShipmentKey(site, v.GetNumber())
	}
	for _, m := range f.shipments {
		if m.event.GetShipment().GetNumber() == v.GetNumber() {
			return event.ShipmentKey(m.event.GetSite(), v.GetNumber())
		}
	}
	return event.ShipmentKey("", v.GetNumber())
}

// before keeps what did not happen after a fact, all where nothing else is there, and of that what is not taken back yet: who takes back the
// same a second time does not reach what came later.
func before(list []*movement, e *docklinev1.Event) []*movement {
	earlier := slices.DeleteFunc(slices.Clone(list), func(m *movement) bool { return after(m.event, e) })
	if len(earlier) == 0 {
		earlier = list
	}
	return slices.DeleteFunc(slices.Clone(earlier), func(m *movement) bool { return m.base == 0 })
}

// takeBack gives back what lines say of what movements brought, the last first, or all of it where there are no lines.
func (f *orderFold) takeBack(e *docklinev1.Event, lines []*docklinev1.Line, reached []*movement, back func(m *movement, part int64)) {
	if len(event.Lines(e)) == 0 {
		for _, m := range reached {
			back(m, m.base)
		}
		return
	}
	byPlace := make(map[int][]*movement)
	for _, m := range slices.Backward(reached) {
		byPlace[m.at] = append(byPlace[m.at], m)
	}
	for _, line := range lines {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			f.found.add(fault)
			continue
		}
		places, _ := f.candidates(line, item)
		for _, at := range slices.Backward(places) {
			for _, m := range byPlace[at] {
				if part := min(base, m.base); part > 0 && sameLot(line, m.line) {
					back(m, part)
					base -= part
				}
			}
		}
		f.pending = f.pending || base > 0
	}
}

// ours are the lines of a fact that concern this order: those that name it, or no order where the fact as a whole names this one or none.
func (f *orderFold) ours(lines []*docklinev1.Line, order string) (list []*docklinev1.Line) {
	for _, line := range lines {
		if number := cmp.Or(line.GetOrder(), order, f.out.State.Number); number == f.out.State.Number {
			list = append(list, line)
		}
	}
	return list
}
