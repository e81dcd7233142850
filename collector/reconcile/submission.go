package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// submission looks what became of the orders that were handed in under a number, and has systems make those that a route sends them. Nothing is
// released by it: only what the system of record accepts is an order. One that it refuses, or never speaks of, is a case that names where the
// order stood.
func (v *view) submission(number string) {
	submissions, found := state.FoldSubmission(v.facts)
	v.raiseFindings(found, "", "")
	entry := v.enter(number, submissions)
	for i := range submissions {
		s := &submissions[i]
		switch {
		case len(s.Orders) > 0 && v.isAnother(s, entry[i]) && len(s.Refusals) == 0 && entry[i].before == nil:
			v.unaccepted(s, "order_entered_differently", fmt.Sprintf("Order %s is in the system of record with other content", number),
				fmt.Sprintf("the system of record has %s of this customer under this number, with other items or quantities; nothing more is entered.", strings.Join(s.Orders, ", ")))
		case len(s.Orders) > 0 && !v.isAnother(s, entry[i]):
			v.outcome.reasons[s.Event.GetId()] = "the system of record accepted it as " + strings.Join(s.Orders, ", ")
		case len(s.Refusals) > 0:
			v.unaccepted(s, "order_refused", fmt.Sprintf("Order %s was refused", number), "the system of record refused it: "+strings.Join(s.Refusals, "; ")+".")
		case entry[i].before != nil:
			v.handedInTwice(s, entry[i].before, number)
		default:
			v.unheard(s, entry[i], number)
		}
	}
}

// isAnother tells that what the system of record has under the number is not what was handed in, nor made of it: no version of it has the items
// in the quantities that were asked for. What it adds, as freight, is its own affair.
func (v *view) isAnother(s *state.Submission, e entering) bool {
	if len(s.Orders) != 1 {
		return false // it was divided
	}
	for _, ref := range e.refs {
		if _, sent := v.effective(ref); sent {
			return false
		}
	}
	asked, unknown, _ := v.newOrder(s.Event)
	if unknown != "" {
		return false
	}
	want := quantitiesOf(asked)
	said := slices.DeleteFunc(slices.Clone(s.Accepted), func(e *docklinev1.Event) bool { return len(e.GetOrder().GetLines()) == 0 })
	return len(said) > 0 && !slices.ContainsFunc(said, func(e *docklinev1.Event) bool {
		o, _, _ := v.newOrder(e)
		have := quantitiesOf(o)
		for item, n := range want {
			if have[item] != n {
				return false
			}
		}
		return true
	})
}

// quantitiesOf are the quantities of an order by item.
func quantitiesOf(o *docklinev1.Order) map[string]int64 {
	sum := make(map[string]int64)
	for _, l := range o.GetLines() {
		if n, err := event.ParseQuantity(l.GetQuantity().GetValue()); err == nil {
			sum[l.GetItem()] += n
		}
	}
	return sum
}

// unheard is an order that the system of record has said nothing about: it may still come. What keeps a posting of it from being sent is a case of
// that posting.
func (v *view) unheard(s *state.Submission, e entering, number string) {
	if e.unmapped != "" {
		v.unaccepted(s, e.code, fmt.Sprintf("Order %s names what the mapping does not know", number), e.unmapped)
		return
	}
	first, _ := v.since([]string{s.Event.GetId()})
	if until := first.Add(v.policy.Timing(v.scope("", s.Event.GetOrder().GetCustomer())).SubmitWait); v.now.Before(until) {
		v.wake(until)
		return
	}
	for _, ref := range e.refs {
		if p, ok := v.entry(ref); ok && (p.State == posting.Rejected || p.State == posting.Blocked || p.State == posting.Diverged) {
			return
		}
	}
	v.unaccepted(s, "order_not_accepted", fmt.Sprintf("Order %s was handed in and is in no system of record", number),
		fmt.Sprintf("no system of record has told of it within %s.", v.policy.Timing(v.scope("", s.Event.GetOrder().GetCustomer())).SubmitWait))
}

func (v *view) unaccepted(s *state.Submission, code, title, what string) {
	e := s.Event
	o := e.GetOrder()
	customer := "no customer"
	if o.GetCustomer() != "" {
		customer = "customer " + o.GetCustomer()
	}
	where, at, again := cmp.Or(e.GetOrigin(), e.GetSource()), "site "+e.GetSite(), "hand in a corrected order under a number of its own"
	if e.GetSite() == "" {
		if at = "the centre"; code == "order_refused" {
			again = "hand it in once more, corrected, under the same number"
		}
	}
	v.raise(exception.Desired{Code: code, Class: data, Subject: e.GetId(), Site: e.GetSite(), Customer: o.GetCustomer(), EventIDs: []string{e.GetId()}, Title: title + ": " + where,
		Text: fmt.Sprintf("%s: order %s (%s, lines: %d) was handed in at %s, and %s Correct the customer or the items in the system of record and enter the order there with customer reference %s, or %s. This closes by itself when the system of record has it.",
			where, o.GetNumber(), customer, len(o.GetLines()), at, what, o.GetNumber(), again)})
}
