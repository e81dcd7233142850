package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Linking is the ids of those facts of a key that are in force and may say what belongs to it. A corrected tracking number is named by none of them.
func Linking(facts []Fact) map[string]bool {
	ids := make(map[string]bool)
	for _, fact := range linking(facts) {
		ids[fact.Event.GetId()] = true
	}
	return ids
}

func linking(facts []Fact) []Fact {
	var may []Fact
	for _, fact := range facts {
		if fact.Via == "" && mayLink(fact.Event.GetKind()) {
			may = append(may, fact)
		}
	}
	return inForce(may).Facts
}

// mayLink leaves out the kinds of which a key has very many.
func mayLink(kind docklinev1.EventKind) bool {
	switch kind {
	case docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PICK_SHORT, docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED,
		docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:
		return false
	}
	return true
}

// linked leaves out the facts whose link no fact of the key in force names any more, and of what came through several keys all but one.
func linked(facts []Fact) []Fact {
	if !slices.ContainsFunc(facts, func(f Fact) bool { return f.Via != "" }) {
		return facts
	}
	holds := make(map[string]bool)
	for _, fact := range linking(facts) {
		for _, link := range Links(fact.Event) {
			holds[link.Key] = true
		}
	}
	var left, via []Fact
	whole := make(map[string]bool) // ids of what the key has itself
	for _, fact := range facts {
		switch {
		case fact.Via == "":
			left = append(left, fact)
			whole[fact.Event.GetId()] = whole[fact.Event.GetId()] || !event.IsElsewhere(fact.Event)
		case holds[fact.Via]:
			via = append(via, fact)
		}
	}
	via = slices.DeleteFunc(via, func(f Fact) bool { return whole[f.Event.GetId()] })
	via = oneOfEach(via)
	came := make(map[string]bool)
	for _, fact := range via {
		came[fact.Event.GetId()] = !event.IsElsewhere(fact.Event)
	}
	// What is elsewhere for the key itself, but came through a link, is here. What came as elsewhere only adds nothing to what the key has.
	left = slices.DeleteFunc(left, func(f Fact) bool { return event.IsElsewhere(f.Event) && came[f.Event.GetId()] })
	for _, fact := range via {
		if _, have := whole[fact.Event.GetId()]; came[fact.Event.GetId()] || !have {
			left = append(left, fact)
		}
	}
	return left
}

// oneOfEach leaves one fact of each event: the whole of it where that came, else what its handling units got of it, together.
func oneOfEach(via []Fact) []Fact {
	slices.SortFunc(via, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Event.GetId(), b.Event.GetId()), cmp.Compare(wholeness(a), wholeness(b)), cmp.Compare(a.Via, b.Via), byJournal(a, b))
	})
	var list []Fact
	for i, fact := range via {
		switch {
		case i == 0 || via[i-1].Event.GetId() != fact.Event.GetId():
			list = append(list, fact)
		case via[i-1].Via == fact.Via: // told twice, or with another body
		case wholeness(fact) == ofOneUnit && wholeness(list[len(list)-1]) == ofOneUnit:
			last := &list[len(list)-1]
			last.Event = withUnit(last.Event, fact.Event)
		}
	}
	return list
}

const (
	wholeFact = iota
	ofOneUnit
	elsewhere
)

// wholeness tells whether a linked fact is the whole event, the part of one handling unit, or nothing.
func wholeness(f Fact) int {
	switch {
	case event.IsElsewhere(f.Event):
		return elsewhere
	case isUnit(f.Via):
		return ofOneUnit
	}
	return wholeFact
}

func isUnit(key string) bool {
	kind, parts, err := event.ParseKey(key)
	return err == nil && kind == KindReference && parts[0] == event.ReferenceUnit
}

// ofUnit is the part of an event that concerns one of the handling units that it names: this unit, and the lines of it or of none.
func ofUnit(e *docklinev1.Event, unit string) *docklinev1.Event {
	lines := event.Lines(e)
	own := slices.DeleteFunc(slices.Clone(lines), func(l *docklinev1.Line) bool { return l.GetHandlingUnit() != "" && l.GetHandlingUnit() != unit })
	return withUnits(event.WithLines(e, own), []string{unit})
}

// withUnits sets the handling units of an event of which the payload is nobody else's.
func withUnits(e *docklinev1.Event, units []string) *docklinev1.Event {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Transport:
		p.Transport.HandlingUnits = units
	case *docklinev1.Event_Delivery:
		p.Delivery.HandlingUnits = units
	case *docklinev1.Event_Load:
		p.Load.HandlingUnits = units
	}
	return e
}

// withUnit adds to the part of some handling units that of another one.
func withUnit(some, other *docklinev1.Event) *docklinev1.Event {
	lines := slices.Clone(event.Lines(some))
	for _, line := range event.Lines(other) {
		if line.GetHandlingUnit() != "" { // those of none are there
			lines = append(lines, line)
		}
	}
	return withUnits(event.WithLines(some, lines), append(slices.Clone(unitsOf(some)), unitsOf(other)...))
}

func unitsOf(e *docklinev1.Event) []string {
	if p, ok := event.Payload(e).(interface{ GetHandlingUnits() []string }); ok {
		return p.GetHandlingUnits()
	}
	return nil
}
