package state

import (
	"cmp"
	"maps"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// fate is what became of what one shipment carried of this order.
type fate struct {
	// whole is what the last fact about all of it said, of delivered, refused and lost; none where there is none.
	whole     stage
	wholeFact int32
	// damaged: all of it was.
	damaged bool
	// carried is what it has of each line, by place.
	carried map[int]int64
	// lines are what facts say by place of the line.
	lines map[stage]map[int]int64
	facts map[stage][]int32
	// parcels that were delivered, refused or lost one by one.
	parcels map[stage]map[string]bool
}

// none is no stage that goods come to after they left.
const none = substituted

// deliveries counts what carriers and consignees say. A fact without lines is of all that the shipment carries of this order; the last such
// one counts, so that a second attempt that succeeds takes the refusal away. Nothing is delivered that was refused or lost.
func (f *orderFold) deliveries() {
	if len(f.out.Issues) == 0 {
		return
	}
	fates := make(map[string]*fate)
	names := f.shipmentNames()
	f.each(func(e *docklinev1.Event) {
		s, name, lines := f.arrival(e)
		if s == none {
			return
		}
		for _, m := range f.meant(names, name, e) {
			if fates[m.key] == nil {
				fates[m.key] = f.fateOf(m.key)
			}
			name, lines := name, lines
			if m.part != e {
				_, name, lines = f.arrival(m.part)
			}
			f.note(fates[m.key], m.key, e, s, name, lines)
		}
	})
	for _, key := range slices.Sorted(maps.Keys(fates)) {
		f.settle(fates[key])
	}
}

// proved is the shipments, by key, of which a consignee has signed for something.
func (f *orderFold) proved() map[string]bool {
	keys := make(map[string]bool)
	names := f.shipmentNames()
	f.each(func(e *docklinev1.Event) {
		if s, name, _ := f.arrival(e); s == delivered {
			for _, m := range f.meant(names, name, e) {
				keys[m.key] = true
			}
		}
	})
	return keys
}

func (f *orderFold) fateOf(key string) *fate {
	of := &fate{whole: none, carried: make(map[int]int64), lines: make(map[stage]map[int]int64), facts: make(map[stage][]int32), parcels: make(map[stage]map[string]bool)}
	for _, w := range f.carried[key] {
		of.carried[w.at] += w.base
	}
	return of
}

// arrival is what a fact says of goods that have left.
func (f *orderFold) arrival(e *docklinev1.Event) (stage, shipmentName, []*docklinev1.Line) {
	if d := e.GetDelivery(); d != nil {
		return delivered, shipmentName{d.GetShipment(), cmp.Or(d.GetSite(), e.GetSite()), d.GetTracking(), d.GetBillOfLading(), d.GetHandlingUnits()}, d.GetLines()
	}
	t := e.GetTransport()
	name := shipmentName{t.GetShipment(), cmp.Or(t.GetSite(), e.GetSite()), t.GetTracking(), t.GetBillOfLading(), t.GetHandlingUnits()}
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED:
		return refused, name, t.GetLines()
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:
		return lost, name, t.GetLines()
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED:
		return damaged, name, t.GetLines()
	}
	return none, name, nil
}

// note adds one fact to a shipment's fate.
func (f *orderFold) note(to *fate, key string, e *docklinev1.Event, s stage, name shipmentName, lines []*docklinev1.Line) {
	goods := f.carried[key]
	if len(lines) == 0 && len(name.units) > 0 { // so much of it as was in these units, where they are known
		in := slices.DeleteFunc(slices.Clone(goods), func(w *want) bool { return !slices.Contains(name.units, w.line.GetHandlingUnit()) })
		if len(in) > 0 && len(in) < len(goods) {
			for _, w := range in {
				to.count(s, f.at, w.at, w.base)
			}
			return
		}
	}
	if len(lines) == 0 {
		if !f.allParcels(to, key, s, name) {
			return
		}
		if s == damaged {
			to.damaged = true
		} else {
			to.whole, to.wholeFact = s, f.at
		}
		to.facts[s] = append(to.facts[s], f.at)
		return
	}
	for _, line := range f.ours(lines, "") {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			f.found.add(fault)
			continue
		}
		not := int64(0)
		if line.GetRefused() != nil {
			if _, not, fault = quantity(f.mapping, e, line, line.GetRefused()); fault != nil {
				f.found.add(fault)
			}
		}
		places, _ := f.candidates(line, item)
		for _, at := range places {
			part := min(base, to.carried[at])
			base -= part
			bad := min(not, part)
			not -= bad
			to.count(s, f.at, at, part-bad)
			to.count(refused, f.at, at, bad)
		}
	}
}

func (to *fate) count(s stage, fact int32, at int, base int64) {
	if base == 0 {
		return
	}
	if to.lines[s] == nil {
		to.lines[s] = make(map[int]int64)
	}
	to.lines[s][at] += base
	to.facts[s] = append(to.facts[s], fact)
}

// allParcels tells whether a fact about one of several parcels is the last of them that says so. What is in one of them nobody has said.
func (f *orderFold) allParcels(to *fate, key string, s stage, name shipmentName) bool {
	var parcels []string
	for _, e := range f.departed[key] {
		parcels = append(parcels, e.GetShipment().GetParcels()...)
	}
	if parcels = sortedSet(parcels); len(parcels) < 2 || !slices.Contains(parcels, name.tracking) || name.number != "" {
		return true
	}
	if to.parcels[s] == nil {
		to.parcels[s] = make(map[string]bool)
	}
	to.parcels[s][name.tracking] = true
	return len(to.parcels[s]) == len(parcels)
}

// settle divides what a shipment carries of each line among what became of it.
func (f *orderFold) settle(of *fate) {
	for _, at := range slices.Sorted(maps.Keys(of.carried)) {
		rest := of.carried[at]
		for _, s := range []stage{refused, lost, delivered} {
			part := min(rest, of.lines[s][at])
			if of.whole == s {
				part = rest
			} else if of.whole == delivered && s != delivered && !of.afterWhole(s) {
				part = 0 // a later attempt brought all of it
			}
			f.counted(of, at, s, part)
			rest -= part
		}
		part := min(of.carried[at], of.lines[damaged][at])
		if of.damaged {
			part = of.carried[at]
		}
		f.counted(of, at, damaged, part)
	}
}

// afterWhole tells whether a stage was told of, by lines, after or with the last fact about all of it.
func (of *fate) afterWhole(s stage) bool {
	return len(of.facts[s]) > 0 && of.facts[s][len(of.facts[s])-1] >= of.wholeFact
}

func (f *orderFold) counted(of *fate, at int, s stage, base int64) {
	if base == 0 {
		return
	}
	*s.sum(f.out.State.Lines[at]) += base
	for _, fact := range of.facts[s] {
		f.at = fact
		f.mark(at, s)
	}
}

// shipmentName is how carriers and others name a shipment.
type shipmentName struct {
	number, site, tracking, bill string
	units                        []string
}

// shipmentNames finds the shipments of this order, by key, that a name can mean.
type shipmentNames map[[2]string][]string

func (f *orderFold) shipmentNames() shipmentNames {
	names := make(shipmentNames)
	for _, m := range f.shipments {
		s := m.event.GetShipment()
		key := event.ShipmentKey(m.event.GetSite(), s.GetNumber())
		names.add(event.ReferenceShipment, s.GetNumber(), key)
		names.add(event.ReferenceTracking, s.GetTracking(), key)
		names.add(event.ReferenceBillOfLading, s.GetBillOfLading(), key)
		for _, parcel := range s.GetParcels() {
			names.add(event.ReferenceTracking, parcel, key)
		}
		for _, unit := range append(slices.Clone(s.GetHandlingUnits()), m.line.GetHandlingUnit()) {
			names.add(event.ReferenceUnit, unit, key)
		}
	}
	return names
}

func (n shipmentNames) add(kind, value, key string) {
	if at := [2]string{kind, value}; value != "" && !slices.Contains(n[at], key) {
		n[at] = append(n[at], key)
	}
}

// meant is a shipment that a fact is about, and what of the fact is about it.
type meant struct {
	key  string
	part *docklinev1.Event
}

// meant are the shipments that a fact means by its names.
func (f *orderFold) meant(names shipmentNames, name shipmentName, e *docklinev1.Event) (list []meant) {
	for _, key := range names.of(name) {
		if part, of := f.had().claimed(e, key); of == ours {
			list = append(list, meant{key, part})
		}
	}
	return list
}

// had are the departures of this order and of others with the same names.
func (f *orderFold) had() holders {
	if f.holders == nil {
		f.holders = slices.Clip(f.others)
		for _, key := range slices.Sorted(maps.Keys(f.departed)) {
			f.holders = f.holders.with(f.departed[key]...)
		}
	}
	return f.holders
}

// of are the keys that a name means: by the shipment's number where there is one, else by what else it gives.
func (n shipmentNames) of(name shipmentName) (keys []string) {
	if name.number != "" {
		for _, key := range n[[2]string{event.ReferenceShipment, name.number}] {
			if name.site == "" || key == event.ShipmentKey(name.site, name.number) {
				keys = append(keys, key)
			}
		}
		return keys
	}
	keys = append(keys, n[[2]string{event.ReferenceTracking, name.tracking}]...)
	keys = append(keys, n[[2]string{event.ReferenceBillOfLading, name.bill}]...)
	for _, unit := range name.units {
		keys = append(keys, n[[2]string{event.ReferenceUnit, unit}]...)
	}
	return sortedSet(keys)
}
