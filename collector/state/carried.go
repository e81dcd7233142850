package state

import (
	"slices"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Carried is what the ledger asks of a shipment's own fold: what became of its goods after they left.
type Carried struct {
	// Proved: its consignee has signed, so a void of all of it takes nothing back.
	Proved bool
	// Missing is what is lost, or was damaged under way, and nothing has ended.
	Missing []*docklinev1.TransportProblem
}

// CarriedOf is that of a shipment; nil is one of which nothing is known.
func CarriedOf(s *docklinev1.ShipmentState) Carried {
	c := Carried{Proved: len(s.GetProofs()) > 0}
	for _, p := range s.GetProblems() {
		if p.GetOpen() && (p.GetKind() == milestoneLost || p.GetKind() == milestoneDamaged) && len(p.GetLines())+len(p.GetStruck()) > 0 {
			c.Missing = append(c.Missing, p)
		}
	}
	return c
}

// Equal tells whether the ledger follows from another one alike.
func (c Carried) Equal(other Carried) bool {
	return c.Proved == other.Proved && slices.EqualFunc(c.Missing, other.Missing, func(a, b *docklinev1.TransportProblem) bool { return proto.Equal(a, b) })
}

// MovedShipment is the shipment whose goods a movement key moves; ok is false for other keys.
func MovedShipment(key string) (site, number string, ok bool) {
	kind, parts, err := event.ParseKey(key)
	if err != nil || kind != KindMovement || len(parts) != 3 || parts[0] != KindShipment {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// ShipmentMovementKey is the movement key of a shipment.
func ShipmentMovementKey(site, number string) string { return shipmentMovement(site, number) }

// with puts what carriers say in the place of the facts of a movement key that do, as it happened. A nil one leaves them.
func (c *Carried) with(facts []*docklinev1.Event) []*docklinev1.Event {
	if c == nil {
		return facts
	}
	list := slices.DeleteFunc(slices.Clone(facts), func(e *docklinev1.Event) bool {
		return e.GetTransport() != nil || c.Proved && e.GetShipmentVoid() != nil && len(e.GetShipmentVoid().GetLines()) == 0
	})
	for _, p := range c.Missing {
		kind := docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST
		if p.GetKind() == milestoneDamaged {
			kind = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED
		}
		lines, site := p.GetLines(), siteOf(facts, p.GetEventId())
		if len(lines) == 0 {
			lines, site = p.GetStruck(), siteOfLines(facts)
		}
		list = append(list, &docklinev1.Event{Id: p.GetEventId(), Site: site, Kind: kind, OccurredAt: p.GetAt(),
			Payload: &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Lines: lines}}})
	}
	slices.SortStableFunc(list, func(a, b *docklinev1.Event) int { return byHappening(Fact{Event: a}, Fact{Event: b}) })
	return list
}

// siteOf is the site that told of an event, "" where it is not among facts: carriers tell the centre.
func siteOf(facts []*docklinev1.Event, id string) string {
	at := slices.IndexFunc(facts, func(e *docklinev1.Event) bool { return e.GetId() == id })
	if at < 0 {
		return ""
	}
	return facts[at].GetSite()
}

// siteOfLines is the site whose codes a shipment's lines have.
func siteOfLines(facts []*docklinev1.Event) string {
	for _, e := range facts {
		if e.GetShipment() != nil {
			return e.GetSite()
		}
	}
	return ""
}

// struck is what a problem strikes of what left, where its carrier names no lines: all of it, where it is about all of it; else what was in its
// handling units, where the site told that. What is in one of several parcels nobody has said, but once every parcel has met the same it is all.
func (f *shipmentFold) struck(p *docklinev1.TransportProblem) []*docklinev1.Line {
	s := f.out.State
	if len(p.GetLines()) > 0 {
		return nil
	}
	if units := p.GetHandlingUnits(); p.GetTracking() == "" && len(units) > 0 {
		in := slices.DeleteFunc(slices.Clone(s.Lines), func(l *docklinev1.Line) bool { return !slices.Contains(units, l.GetHandlingUnit()) })
		if len(in) == 0 && !slices.ContainsFunc(s.HandlingUnits, func(unit string) bool { return !slices.Contains(units, unit) }) {
			return s.Lines
		}
		return in
	}
	if p.GetTracking() == "" || len(f.transport.trackings) < 2 || !f.transport.trackings[p.GetTracking()] {
		return s.Lines
	}
	met, last := make(map[string]bool), ""
	for _, other := range f.transport.problems {
		if other.GetKind() == p.GetKind() && other.GetOpen() == p.GetOpen() && f.transport.trackings[other.GetTracking()] {
			met[other.GetTracking()] = true
			last = other.GetEventId()
		}
	}
	if len(met) == len(f.transport.trackings) && last == p.GetEventId() {
		return s.Lines
	}
	return nil
}
