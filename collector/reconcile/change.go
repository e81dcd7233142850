package reconcile

import (
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// What people decide about an order itself, and not about an exception of it.
const (
	AboutOrder = "order"
	SplitOrder = "split"
	MoveOrder  = "move"
)

// decidedChanges tells the systems of record of what people decided that becomes of an order: some of it moves to an order of its own, or all of it to
// another site. Whether it does is for the system of record to say, and the sites are told of the order as it then is there. One amendment for each
// decision; what has not been told yet when the order ends is left.
func (v *view) decidedChanges(fold *state.OrderFold) {
	for _, action := range []string{SplitOrder, MoveOrder} {
		for _, e := range v.decided(action, AboutOrder, "") {
			v.decidedChange(fold, e)
		}
	}
}

func (v *view) decidedChange(fold *state.OrderFold, e *docklinev1.Event) {
	s, d := fold.State, e.GetDecision()
	a := &docklinev1.OrderAmendment{Order: s.GetNumber(), Action: d.GetAction(), Reason: d.GetReason(), Approval: e.GetActor(), Site: d.GetSite(), ToSite: d.GetToSite()}
	for _, line := range d.GetLines() {
		a.Lines = append(a.Lines, &docklinev1.OrderAmendmentLine{OrderLine: line.GetOrderLine(), Item: line.GetItem(), Quantity: line.GetQuantity().GetValue()})
	}
	document := &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: a}}
	over := fold.Cancelled || s.GetStatus() == state.Rejected || allShipped(s)
	routes := v.targets(connector.OrderAmendment, d.GetSite(), s, document, v.policy)
	if len(routes) == 0 && !over {
		v.changeByHand(fold, e)
	}
	key := naturalKey(s.GetNumber(), "decided", e.GetId()[:min(12, len(e.GetId()))])
	for _, target := range sortedNames(routes) {
		p := posting.Desired{Target: target, Kind: connector.OrderAmendment, Key: key, SerialKey: event.OrderKey(s.GetNumber()), Site: d.GetSite(), CorrelationID: s.GetCorrelationId(),
			Document: document, EventIDs: []string{e.GetId()}, Style: routes[target]}
		if _, sent := v.effective(p.Ref()); sent || !over {
			v.want(p)
		}
	}
}

// changeByHand is a change that no system of record takes from here. That of the site is done when the order says so; of a split only a person knows.
func (v *view) changeByHand(fold *state.OrderFold, e *docklinev1.Event) {
	s, d := fold.State, e.GetDecision()
	what, end := "", "Resolve this when it is done."
	switch d.GetAction() {
	case MoveOrder:
		if fold.Order.GetSite() == d.GetToSite() {
			return
		}
		what, end = "site "+d.GetToSite()+" is to ship it in the place of "+fold.Order.GetSite(), "This closes by itself when the order has the other site there."
	default:
		var texts []string
		for _, l := range d.GetLines() {
			texts = append(texts, fmt.Sprintf("%s of item %s on line %s", l.GetQuantity().GetValue(), l.GetItem(), l.GetOrderLine()))
		}
		what = strings.Join(texts, ", ") + " is to move to an order of its own"
	}
	v.raise(exception.Desired{Code: "order_change_not_posted", Class: process, Subject: e.GetId(), Site: d.GetSite(), Order: s.GetNumber(), Customer: s.GetCustomer(), EventIDs: []string{e.GetId()},
		Title: "Order " + s.GetNumber() + " must be changed by hand",
		Text:  fmt.Sprintf("%s decided about order %s that %s (%s). No system of record takes an order amendment from Dockline: change the order there. %s", e.GetActor(), s.GetNumber(), what, d.GetReason(), end)})
}
