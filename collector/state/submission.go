package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Submission is an order that was handed in, and what the system of record has said about it.
type Submission struct {
	Event *docklinev1.Event
	// Orders are the numbers under which the system of record accepted it, sorted.
	Orders []string
	// Accepted are the facts by which it did, of all versions.
	Accepted []*docklinev1.Event
	// Refusals are its reasons for not accepting it, sorted; they count only where Orders is empty.
	Refusals []string
}

// FoldSubmission folds the facts about one submitted number: each order that was handed in under it, with what became of it. An order
// of the system of record belongs to it where it names the number as the customer's reference and the customer is the same; one that
// was handed in without a customer belongs to whoever has it.
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
		list[i].Orders, list[i].Refusals = sortedSet(list[i].Orders), sortedSet(list[i].Refusals)
	}
	slices.SortFunc(list, func(a, b Submission) int { return cmp.Compare(a.Event.GetId(), b.Event.GetId()) })
	return list, force.found.sorted()
}

func (s *Submission) verdict(e *docklinev1.Event, customer string) {
	o := e.GetOrder()
	if e.GetKind() != docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED && (customer == "" || customer == o.GetCustomer()) {
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED {
			s.Refusals = append(s.Refusals, o.GetReason())
			return
		}
		s.Orders, s.Accepted = append(s.Orders, o.GetNumber()), append(s.Accepted, e)
	}
}
