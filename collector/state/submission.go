package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Submission is an order that was handed in, and what the system of record has said about it.
type Submission struct {
	Event *docklinev1.Event
	// Orders are the numbers under which the system of record accepted it, sorted.
	Orders []string
	// Accepted are the facts by which it did, of all versions.
	Accepted []*docklinev1.Event
	// Refusals are its reasons for not accepting it, sorted; they count only where Orders is empty. RefusedBy are the records of those facts (event.Record).
	Refusals, RefusedBy []string
	// Former are the versions that it corrects, whatever became of them, the first one first.
	Former []*docklinev1.Event
}

// FoldSubmission folds the facts about one submitted number: each order that was handed in under it, with what became of it. An order
// of the system of record belongs to it where it names the number as the customer's reference and the customer is the same; one that
// was handed in without a customer belongs to whoever has it. What was refused of a former version is not said of the one that corrects it.
func FoldSubmission(facts []Fact) ([]Submission, []Finding) {
	force := inForce(facts)
	var list []Submission
	for _, fact := range force.Facts {
		if fact.Event.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED {
			list = append(list, Submission{Event: fact.Event})
		}
	}
	for i := range list {
		customer := list[i].Event.GetOrder().GetCustomer()
		for _, fact := range force.Facts {
			list[i].verdict(fact.Event, customer)
		}
		for _, e := range force.former() {
			if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED && event.Record(e) != "" && event.Record(e) == event.Record(list[i].Event) {
				list[i].Former = append(list[i].Former, e)
			}
		}
		slices.SortFunc(list[i].Former, func(a, b *docklinev1.Event) int {
			return cmp.Or(compareRevisions(a.GetSourceRevision(), b.GetSourceRevision()), cmp.Compare(a.GetId(), b.GetId()))
		})
		list[i].Orders, list[i].Refusals, list[i].RefusedBy = sortedSet(list[i].Orders), sortedSet(list[i].Refusals), sortedSet(list[i].RefusedBy)
	}
	slices.SortFunc(list, func(a, b Submission) int { return cmp.Compare(a.Event.GetId(), b.Event.GetId()) })
	return list, force.found.sorted()
}

func (s *Submission) verdict(e *docklinev1.Event, customer string) {
	o := e.GetOrder()
	if e.GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED && (customer == "" || customer == o.GetCustomer()) {
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED {
			if !slices.Contains(s.Event.GetOrder().GetAnswers(), event.Record(e)) {
				s.Refusals, s.RefusedBy = append(s.Refusals, o.GetReason()), append(s.RefusedBy, event.Record(e))
			}
			return
		}
		s.Orders, s.Accepted = append(s.Orders, o.GetNumber()), append(s.Accepted, e)
	}
}
