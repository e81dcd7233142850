package state

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// steps gathers which statuses were reached, when first, and by which facts.
type steps struct {
	// order is how statuses follow each other, for those that were reached in one moment.
	order  []string
	byName map[string]*docklinev1.StatusStep
}

func newSteps(order ...string) *steps {
	return &steps{order, make(map[string]*docklinev1.StatusStep)}
}

func (s *steps) note(status string, e *docklinev1.Event) {
	step := s.byName[status]
	if step == nil {
		step = &docklinev1.StatusStep{Status: status, At: e.GetOccurredAt()}
		s.byName[status] = step
	}
	if e.GetOccurredAt().AsTime().Before(step.At.AsTime()) {
		step.At = e.GetOccurredAt()
	}
	step.EventIds = sortedSet(append(step.EventIds, e.GetId()))
}

// infer adds a status that no fact states and that others imply, at the first of them.
func (s *steps) infer(status string, from ...string) {
	if s.byName[status] != nil {
		return
	}
	var first *docklinev1.StatusStep
	for _, name := range from {
		if step := s.byName[name]; step != nil && (first == nil || step.At.AsTime().Before(first.At.AsTime())) {
			first = step
		}
	}
	if first != nil {
		s.byName[status] = &docklinev1.StatusStep{Status: status, At: first.At, EventIds: first.EventIds, Inferred: true}
	}
}

func (s *steps) has(status string) bool { return s.byName[status] != nil }

// ids are the facts behind a status, those of the first of several names that was reached.
func (s *steps) ids(statuses ...string) []string {
	for _, status := range statuses {
		if step := s.byName[status]; step != nil {
			return step.EventIds
		}
	}
	return nil
}

func (s *steps) list() []*docklinev1.StatusStep {
	var list []*docklinev1.StatusStep
	for _, step := range s.byName {
		list = append(list, step)
	}
	place := func(step *docklinev1.StatusStep) int { return slices.Index(s.order, step.Status) }
	slices.SortFunc(list, func(a, b *docklinev1.StatusStep) int {
		return cmp.Or(a.At.AsTime().Compare(b.At.AsTime()), cmp.Compare(place(a), place(b)), cmp.Compare(a.Status, b.Status))
	})
	return list
}

// idsOf are the ids of events, sorted, each once.
func idsOf(events ...*docklinev1.Event) []string {
	var ids []string
	for _, e := range events {
		if e != nil {
			ids = append(ids, e.GetId())
		}
	}
	return sortedSet(ids)
}

// laterOf is the later of two moments; nil is before all.
func laterOf(a, b *timestamppb.Timestamp) *timestamppb.Timestamp {
	if a == nil || b != nil && b.AsTime().After(a.AsTime()) {
		return b
	}
	return a
}
