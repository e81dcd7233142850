package state

import (
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Declarations is what was declared about events, by the id of the event that was told in error. A declaration that was itself told in error does not
// count, so a mistaken one is taken back in the same way. It is nil where there is none.
func Declarations(facts []Fact) map[string][]*docklinev1.Event {
	var all map[string][]*docklinev1.Event
	for _, fact := range facts {
		if d := fact.Event.GetErrorDeclaration(); d != nil {
			if all == nil {
				all = make(map[string][]*docklinev1.Event)
			}
			if !slices.ContainsFunc(all[d.GetEventId()], func(have *docklinev1.Event) bool { return have.GetId() == fact.Event.GetId() }) {
				all[d.GetEventId()] = append(all[d.GetEventId()], fact.Event)
			}
		}
	}
	if all == nil {
		return nil
	}
	counts := &declarations{all: all, counts: make(map[string]bool)}
	return counts.inForce()
}

// declarations works out which of them count. Two that declare each other cannot both be right: then the one with the lower id counts.
type declarations struct {
	all    map[string][]*docklinev1.Event
	counts map[string]bool // by id of the declaration
}

func (d *declarations) inForce() map[string][]*docklinev1.Event {
	var ids []string
	for _, list := range d.all {
		for _, e := range list {
			ids = append(ids, e.GetId())
		}
	}
	for _, id := range sortedSet(ids) {
		d.count(id)
	}
	left := make(map[string][]*docklinev1.Event)
	for about, list := range d.all {
		for _, e := range list {
			if d.counts[e.GetId()] {
				left[about] = append(left[about], e)
			}
		}
		slices.SortFunc(left[about], func(a, b *docklinev1.Event) int { return byHappening(Fact{Event: a}, Fact{Event: b}) })
	}
	return left
}

// count settles whether a declaration counts: none that counts declares it.
func (d *declarations) count(id string) bool {
	if counts, settled := d.counts[id]; settled {
		return counts
	}
	d.counts[id] = true // for a circle that comes back here
	var against []string
	for _, e := range d.all[id] {
		against = append(against, e.GetId())
	}
	for _, other := range sortedSet(against) {
		if other != id && d.count(other) {
			d.counts[id] = false
			break
		}
	}
	return d.counts[id]
}

// withoutDeclared takes out the declarations, and what they say was told in error.
func withoutDeclared(facts []Fact) (counting, declared []Fact) {
	about := Declarations(facts)
	if about == nil {
		return facts, nil
	}
	for _, fact := range facts {
		switch {
		case len(about[fact.Event.GetId()]) > 0 && !ofMachinery(fact.Event.GetKind()):
			if fact.Event.GetErrorDeclaration() == nil {
				declared = append(declared, fact)
			}
		case fact.Event.GetErrorDeclaration() == nil:
			counting = append(counting, fact)
		}
	}
	return counting, declared
}

// ofMachinery tells whether a kind is told by Dockline itself: what became of a command, a hole, a record that could not be read. These are so,
// whatever a source declares.
func ofMachinery(kind docklinev1.EventKind) bool {
	switch kind {
	case docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED, docklinev1.EventKind_EVENT_KIND_STREAM_GAP, docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED,
		docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED, docklinev1.EventKind_EVENT_KIND_MILESTONE_CHANGED, docklinev1.EventKind_EVENT_KIND_RECORD_SETTLED,
		docklinev1.EventKind_EVENT_KIND_EXCEPTION_DECIDED:
		return true
	}
	return false
}
