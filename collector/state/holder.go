package state

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Carriers call goods by names that are used again: a tote or pallet every day, a tracking number after a year. What is told by such a name alone
// is about who had it then, so a fold must know of the other shipments that had it too. They come to it as facts through the name's key.

const (
	// reuse is how long before a shipment left something may have been told of its handling units: clocks differ, and some carriers tell of days only.
	reuse = 12 * time.Hour
	// reuseOfTracking is how soon a carrier gives a tracking number to other goods. Before that two shipments under one are a mistake.
	reuseOfTracking = 30 * 24 * time.Hour
)

// OtherDeparture is the fact that another shipment had a name, as a fold of what had it too is told of it. Nothing else of it is told.
func OtherDeparture(e *docklinev1.Event, via string) Fact {
	s := e.GetShipment()
	units := slices.Clone(s.GetHandlingUnits())
	for _, line := range s.GetLines() {
		units = append(units, line.GetHandlingUnit())
	}
	return Fact{Via: via, Event: &docklinev1.Event{Id: e.GetId(), Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), Kind: e.GetKind(), OccurredAt: e.GetOccurredAt(), Movement: e.GetMovement(),
		Payload: &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: s.GetNumber(), Tracking: s.GetTracking(), Parcels: s.GetParcels(),
			HandlingUnits: sortedSet(slices.DeleteFunc(units, func(unit string) bool { return unit == "" }))}}}}
}

// SharedNames are the keys of those names through which carriers told of something by the name alone: who else had them matters.
func SharedNames(facts []Fact) []string {
	var keys []string
	for _, fact := range facts {
		c := carrierFact(fact.Event)
		if c == nil || c.GetShipment() != "" || c.GetBillOfLading() != "" && c.GetTracking() == "" {
			continue
		}
		if c.GetTracking() != "" {
			keys = append(keys, event.ReferenceKey(event.ReferenceTracking, c.GetTracking()))
			continue
		}
		for _, unit := range c.GetHandlingUnits() {
			keys = append(keys, event.ReferenceKey(event.ReferenceUnit, unit))
		}
	}
	return sortedSet(keys)
}

// holders are the departures of goods that a name may be of.
type holders []holder

type holder struct {
	key   string // of the shipment
	site  string
	at    time.Time
	event *docklinev1.Event
}

// withoutOthers takes out of facts those about other shipments.
func withoutOthers(facts []Fact) (own []Fact, others holders) {
	isOther := func(f Fact) bool { return f.Via != "" && f.Event.GetShipment() != nil }
	if !slices.ContainsFunc(facts, isOther) {
		return facts, nil
	}
	for _, fact := range facts {
		if isOther(fact) {
			others = others.with(fact.Event)
		} else {
			own = append(own, fact)
		}
	}
	return own, others
}

func (h holders) with(departures ...*docklinev1.Event) holders {
	for _, e := range departures {
		h = append(h, holder{event.ShipmentKey(e.GetSite(), e.GetShipment().GetNumber()), e.GetSite(), occurred(e), e})
	}
	return h
}

func (h holders) having(has func(*docklinev1.Shipment) bool) holders {
	return slices.DeleteFunc(slices.Clone(h), func(d holder) bool { return !has(d.event.GetShipment()) })
}

// Who a carrier's fact is about, of what a shipment has.
type claim uint8

const (
	ours claim = iota
	theirs
	// disputed: two shipments have the number at once, and nobody can say which of them is meant.
	disputed
)

// claimed tells whether a carrier's fact that came by names is about a shipment. One that calls it by handling units, some of which others had by
// then, is about the rest of them: part is the event with those alone.
func (h holders) claimed(e *docklinev1.Event, key string) (part *docklinev1.Event, of claim) {
	c := carrierFact(e)
	switch {
	case c == nil || c.GetShipment() != "":
		return e, ours
	case c.GetTracking() != "":
		return e, h.byTracking(occurred(e), c.GetTracking(), key)
	case c.GetBillOfLading() != "" || len(c.GetHandlingUnits()) == 0:
		return e, ours
	}
	var units []string
	for _, unit := range c.GetHandlingUnits() {
		if h.byUnit(occurred(e), unit, key) == ours {
			units = append(units, unit)
		}
	}
	switch len(units) {
	case 0:
		return e, theirs
	case len(c.GetHandlingUnits()):
		return e, ours
	}
	lines := slices.DeleteFunc(slices.Clone(event.Lines(e)), func(l *docklinev1.Line) bool {
		return l.GetHandlingUnit() != "" && !slices.Contains(units, l.GetHandlingUnit())
	})
	return withUnits(proto.CloneOf(event.WithLines(e, lines)), units), ours
}

// byUnit: a unit that left with the shipment is its own until it left with another one. What was told long before it left is of a former use.
func (h holders) byUnit(at time.Time, unit, key string) claim {
	had := h.having(func(s *docklinev1.Shipment) bool {
		return slices.Contains(s.GetHandlingUnits(), unit) || slices.ContainsFunc(s.GetLines(), func(l *docklinev1.Line) bool { return l.GetHandlingUnit() == unit })
	})
	mine := slices.DeleteFunc(slices.Clone(had), func(d holder) bool { return d.key != key })
	if len(mine) == 0 { // it is part of what left under another name: all of the shipment decides
		if mine = slices.DeleteFunc(slices.Clone(h), func(d holder) bool { return d.key != key }); len(mine) == 0 {
			return ours
		}
	}
	mine = slices.DeleteFunc(mine, func(d holder) bool { return at.Add(reuse).Before(d.at) })
	if len(mine) == 0 {
		return theirs
	}
	left := mine.last()
	if slices.ContainsFunc(had, func(d holder) bool { return d.key != key && d.at.After(left) && !d.at.After(at) }) {
		return theirs
	}
	return ours
}

func (h holders) last() (at time.Time) {
	for _, d := range h {
		at = later(at, d.at)
	}
	return at
}

// byTracking: shipments that one site sent on one day may be one parcel. Others are a mistake, but for a number that a carrier gave away long before.
func (h holders) byTracking(at time.Time, number, key string) claim {
	had := h.having(func(s *docklinev1.Shipment) bool {
		return s.GetTracking() == number || slices.Contains(s.GetParcels(), number)
	})
	mine := slices.DeleteFunc(slices.Clone(had), func(d holder) bool { return d.key != key })
	if len(mine) == 0 || len(mine) == len(had) {
		return ours
	}
	left, of := mine.last(), ours
	for _, d := range had {
		apart := d.at.Sub(left)
		switch {
		case d.key == key:
		case apart > reuseOfTracking && !d.at.After(at), -apart > reuseOfTracking && left.After(at):
			return theirs
		case apart > reuseOfTracking || -apart > reuseOfTracking:
		case d.site != mine[0].site || apart > reuse || -apart > reuse:
			of = disputed
		}
	}
	return of
}

// Disputed are the shipments, by key, among which it cannot be told whom carriers' facts by a tracking number are about, with the ids of those facts.
func Disputed(number string, facts []Fact, departures []*docklinev1.Event) (keys, ids []string) {
	h := holders(nil).with(departures...)
	for _, fact := range inForce(facts).Facts {
		c := carrierFact(fact.Event)
		if c == nil || c.GetTracking() != number || c.GetShipment() != "" {
			continue
		}
		for _, d := range h {
			if h.byTracking(occurred(fact.Event), number, d.key) == disputed {
				keys, ids = append(keys, d.key), append(ids, fact.Event.GetId())
			}
		}
	}
	return sortedSet(keys), sortedSet(ids)
}

// Contested are the facts by a name alone, each with a shipment that would be meant by it had no other shipment the name: those that others must hear of.
func Contested(facts []Fact, departures []*docklinev1.Event) (list []string) {
	h := holders(nil).with(departures...)
	byKey := make(map[string]holders)
	for _, d := range h {
		byKey[d.key] = append(byKey[d.key], d)
	}
	for _, fact := range facts {
		if carrierFact(fact.Event) == nil {
			continue
		}
		for key, alone := range byKey {
			part, of := h.claimed(fact.Event, key)
			own, ofOwn := alone.claimed(fact.Event, key)
			if of != ofOwn || len(unitsOf(part)) != len(unitsOf(own)) {
				list = append(list, key+" "+fact.Event.GetId())
			}
		}
	}
	return sortedSet(list)
}
