package state

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// FoldReference is the events that were told of a name and count, as they happened. What follows from them follows where the thing is folded
// that has the name.
func FoldReference(facts []Fact) ([]*docklinev1.Event, []Finding) {
	force := inForce(facts)
	var events []*docklinev1.Event
	for _, fact := range force.Facts {
		events = append(events, fact.Event)
	}
	return events, force.found.sorted()
}
