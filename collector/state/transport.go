package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// parcelName is the number of a parcel with its carrier, or else its handling unit; neither: all that has no number of its own.
type parcelName struct{ tracking, unit string }

func compareParcels(a, b parcelName) int {
	return cmp.Or(strings.Compare(a.tracking, b.tracking), strings.Compare(a.unit, b.unit))
}

// transport is what carriers say of the parcels of one shipment or return.
type transport struct {
	// trackings and units are what the site says is part of it; masters are numbers of all of it, beside those of its parcels.
	trackings, units, masters map[string]bool
	// facts are those of carriers that concern it, as they happened; about are, in the same places, the parcels that each names, nil for all.
	facts   []*docklinev1.Event
	about   [][]parcelName
	parcels []*docklinev1.TransportState
	// said, in the places of parcels, are the facts about each.
	said     [][]*docklinev1.Event
	problems []*docklinev1.TransportProblem
}

// carriers takes the facts of carriers out of facts, and works out where each parcel is. The number that is the only one of a shipment is that
// of all of it, and so is one beside those of its parcels. What names say that others had too is about the shipment of that key, among holders; a
// nil one asks nobody.
func carriers(facts []Fact, trackings, units, masters []string, had holders, key string) *transport {
	t := &transport{trackings: setOf(trackings), units: setOf(units), masters: setOf(masters)}
	maps.DeleteFunc(t.masters, func(number string, _ bool) bool { return t.trackings[number] })
	for _, fact := range facts {
		if had != nil && carrierFact(fact.Event) != nil {
			part, of := had.claimed(fact.Event, key)
			if of != ours {
				continue
			}
			fact.Event = part
		}
		if names, ok := t.concerns(fact); ok {
			t.facts, t.about = append(t.facts, fact.Event), append(t.about, names)
		}
	}
	for _, name := range t.names() {
		t.parcels = append(t.parcels, &docklinev1.TransportState{Tracking: name.tracking, HandlingUnit: name.unit})
	}
	t.said = make([][]*docklinev1.Event, len(t.parcels))
	for i, e := range t.facts {
		for _, at := range t.parcelsOf(i) {
			t.said[at] = append(t.said[at], e)
			moveParcel(t.parcels[at], e)
		}
	}
	t.troubles()
	return t
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		if s != "" {
			set[s] = true
		}
	}
	return set
}

// carrierNames are the names that a fact of a carrier gives to what it is about.
type carrierNames interface {
	GetTracking() string
	GetHandlingUnits() []string
	GetBillOfLading() string
	GetShipment() string
}

func carrierFact(e *docklinev1.Event) carrierNames {
	switch {
	case e.GetTransport() != nil:
		return e.GetTransport()
	case e.GetDelivery() != nil:
		return e.GetDelivery()
	}
	return nil
}

// concerns says which parcels a carrier's fact is about, nil for all of them. One that came by the number of a whole trailer and names parcels
// is about those only, and about nothing here where they are another shipment's.
func (t *transport) concerns(fact Fact) (names []parcelName, ok bool) {
	c := carrierFact(fact.Event)
	if c == nil {
		return nil, false
	}
	trailer := strings.HasPrefix(fact.Via, event.ReferenceKey(event.ReferenceBillOfLading, ""))
	if tracking := c.GetTracking(); tracking != "" {
		if t.masters[tracking] {
			return nil, true
		}
		if trailer && len(t.trackings) > 0 && !t.trackings[tracking] {
			return nil, false
		}
		return []parcelName{{tracking: tracking}}, true
	}
	for _, unit := range c.GetHandlingUnits() {
		if fact.Via == "" || len(t.units) == 0 || t.units[unit] || fact.Via == event.ReferenceKey(event.ReferenceUnit, unit) {
			names = append(names, parcelName{unit: unit})
		}
	}
	return names, len(names) > 0 || len(c.GetHandlingUnits()) == 0
}

// names are the parcels that there are.
func (t *transport) names() []parcelName {
	trackings, units := maps.Clone(t.trackings), make(map[string]bool)
	for _, names := range t.about {
		for _, name := range names {
			if name.tracking != "" {
				trackings[name.tracking] = true
			} else {
				units[name.unit] = true
			}
		}
	}
	var names []parcelName
	if len(units) > 0 {
		if len(trackings) < 2 {
			maps.Copy(units, t.units)
			trackings = nil
		}
		for unit := range units {
			names = append(names, parcelName{unit: unit})
		}
	}
	for tracking := range trackings {
		names = append(names, parcelName{tracking: tracking})
	}
	if len(names) == 0 {
		names = append(names, parcelName{})
	}
	slices.SortFunc(names, compareParcels)
	return names
}

// parcelsOf are the places of the parcels that a fact is about.
func (t *transport) parcelsOf(i int) []int {
	var all, places []int
	for at, p := range t.parcels {
		all = append(all, at)
		if slices.Contains(t.about[i], parcelName{p.Tracking, p.HandlingUnit}) {
			places = append(places, at)
		}
	}
	if len(places) == 0 { // all of it, or the only number that all of it has
		return all
	}
	return places
}

// moveParcel takes one fact after those that happened before it.
func moveParcel(p *docklinev1.TransportState, e *docklinev1.Event) {
	if eta := e.GetTransport().GetEta(); eta != nil {
		p.Eta = eta
	}
	next := nextStatus(p.Status, e)
	if next == "" {
		return
	}
	p.Status, p.At, p.StatusEventIds = next, e.GetOccurredAt(), []string{e.GetId()}
	if place := cmp.Or(e.GetTransport().GetPlace(), e.GetDelivery().GetPlace()); place != "" {
		p.Place = place
	}
}

// nextStatus is where a parcel is after a fact, "" for where it was. What is delivered or back is not under way again because a scan comes
// late; what was lost is found by any later scan.
func nextStatus(was string, e *docklinev1.Event) string {
	ended := was == ShipmentDelivered || was == ShipmentReturned
	part := len(e.GetTransport().GetLines()) > 0
	switch meaning(e) {
	case milestonePickedUp, milestoneDeparted, milestoneArrived, milestoneCustoms, milestoneAttempted:
		if !ended && was != ShipmentRefused && was != ShipmentReturning {
			return ShipmentInTransit
		}
	case milestoneOut:
		if !ended && was != ShipmentReturning {
			return ShipmentOut
		}
	case milestoneDelivered:
		if d := e.GetDelivery(); d != nil && allRefused(d.GetLines()) {
			return ShipmentRefused
		}
		return ShipmentDelivered
	case milestoneReturning:
		if was != ShipmentReturned {
			return ShipmentReturning
		}
	case milestoneReturned:
		return ShipmentReturned
	case milestoneRefused:
		if !part && was != ShipmentReturned {
			return ShipmentRefused
		}
	case milestoneLost:
		if !part && !ended {
			return ShipmentLost
		}
	case milestoneDamaged:
		if !part && !ended {
			return ShipmentDamaged
		}
	}
	return ""
}

// allRefused tells whether the consignee accepted nothing of what a delivery names.
func allRefused(lines []*docklinev1.Line) bool {
	accepted, refused := int64(0), int64(0)
	for _, line := range lines {
		quantity, _ := event.ParseQuantity(line.GetQuantity().GetValue())
		not, _ := event.ParseQuantity(line.GetRefused().GetValue())
		accepted, refused = accepted+quantity-not, refused+not
	}
	return refused > 0 && accepted <= 0
}

func anyRefused(lines []*docklinev1.Line) bool {
	return slices.ContainsFunc(lines, func(l *docklinev1.Line) bool {
		n, err := event.ParseQuantity(l.GetRefused().GetValue())
		return err == nil && n > 0
	})
}

// troubles lists what went wrong under way, and whether a later fact ended it for every parcel that it struck.
func (t *transport) troubles() {
	for i, e := range t.facts {
		kind := problemOf(e)
		if kind == "" {
			continue
		}
		told := e.GetTransport()
		problem := &docklinev1.TransportProblem{Kind: kind, Tracking: told.GetTracking(), HandlingUnits: told.GetHandlingUnits(), At: e.GetOccurredAt(), Cause: told.GetCause(),
			Claim: told.GetClaim(), Evidence: told.GetEvidence(), Lines: told.GetLines(), EventId: e.GetId()}
		var last *docklinev1.Event
		for _, at := range t.parcelsOf(i) {
			end := endOf(kind, e, t.said[at])
			if end == nil {
				problem.Open = true
				break
			}
			if last == nil || byHappening(Fact{Event: last}, Fact{Event: end}) < 0 {
				last = end
			}
		}
		if !problem.Open && last != nil {
			problem.EndedBy = last.GetId()
		}
		t.problems = append(t.problems, problem)
	}
}

// endOf is the fact that ended a problem of a parcel, nil while it is open.
func endOf(kind string, problem *docklinev1.Event, said []*docklinev1.Event) *docklinev1.Event {
	at := slices.Index(said, problem)
	for _, e := range said[at+1:] {
		if ends(kind, problem.GetTransport(), e) {
			return e
		}
	}
	return nil
}

func ends(kind string, problem *docklinev1.Transport, e *docklinev1.Event) bool {
	m, part := meaning(e), len(problem.GetLines()) > 0
	lines := e.GetDelivery().GetLines()
	switch m {
	case milestoneReturned:
		return true
	case milestoneDelivered:
		switch kind {
		case milestoneDelayed:
			return true
		case milestoneRefused:
			return !allRefused(lines)
		case milestoneLost:
			return !part || len(lines) == 0
		}
		return !anyRefused(lines) && (!part || len(lines) == 0) // damaged, and accepted as it was
	case milestoneOut:
		return kind == milestoneRefused && !part || kind == milestoneLost && !part
	case milestonePickedUp, milestoneDeparted, milestoneArrived, milestoneCustoms, milestoneAttempted, milestoneReturning, milestoneRefused, milestoneDamaged:
		if kind == milestoneLost {
			return !part
		}
	}
	if kind != milestoneDelayed {
		return false
	}
	if m == milestoneDelayed { // what was said last of a delay is what holds
		return true
	}
	eta, former := e.GetTransport().GetEta(), problem.GetFormerEta()
	return m == milestoneRefused || m == milestoneLost || m == milestoneReturning || eta != nil && former != nil && !eta.AsTime().After(former.AsTime())
}

// milestones is everything that carriers said, as it happened.
func (t *transport) milestones() []*docklinev1.Milestone {
	var list []*docklinev1.Milestone
	for _, e := range t.facts {
		c := carrierFact(e)
		list = append(list, &docklinev1.Milestone{At: e.GetOccurredAt(), Code: e.GetTransport().GetCode(), Meaning: meaning(e), EventId: e.GetId(), Tracking: c.GetTracking(),
			Place: cmp.Or(e.GetTransport().GetPlace(), e.GetDelivery().GetPlace()), Carrier: cmp.Or(e.GetTransport().GetCarrier(), e.GetDelivery().GetCarrier(), e.GetSource()),
			HandlingUnits: c.GetHandlingUnits()})
	}
	return list
}

// etas is each expected arrival that differs from the one told before it, and the last.
func (t *transport) etas() (list []*docklinev1.EtaChange, last *timestamppb.Timestamp) {
	byNumber := make(map[string]*timestamppb.Timestamp)
	for _, e := range t.facts {
		told := e.GetTransport()
		if told.GetEta() == nil {
			continue
		}
		former, known := byNumber[told.GetTracking()]
		if known && former.AsTime().Equal(told.GetEta().AsTime()) {
			continue
		}
		if told.GetFormerEta() != nil {
			former = told.GetFormerEta()
		}
		list = append(list, &docklinev1.EtaChange{ToldAt: e.GetOccurredAt(), Eta: told.GetEta(), FormerEta: former, Cause: told.GetCause(), Tracking: told.GetTracking(), EventId: e.GetId()})
		byNumber[told.GetTracking()], last = told.GetEta(), told.GetEta()
	}
	return list, last
}

// open tells whether a problem of a kind is open.
func (t *transport) open(kind string) bool {
	return slices.ContainsFunc(t.problems, func(p *docklinev1.TransportProblem) bool { return p.Kind == kind && p.Open })
}
