package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// entering is how an order that was handed in comes into systems of record.
type entering struct {
	// refs are the postings that make it there.
	refs []posting.Ref
	// before is what the same source had handed in under this number for this customer, with other content.
	before *docklinev1.Event
	// unmapped says which items or units the mapping does not know, and code which of the two.
	unmapped, code string
}

// enter wants each order that was handed in from the systems that a route names, once: what one source hands in under one number for one customer is
// one order, however often it comes. One that somebody has entered by hand meanwhile is left as it is.
func (v *view) enter(number string, submissions []state.Submission) []entering {
	list := make([]entering, len(submissions))
	wanted := make(map[string]*docklinev1.Event)
	for _, i := range byHanding(submissions) {
		s := &submissions[i]
		key := submissionKey(s.Event)
		if first := wanted[key]; first != nil {
			if !proto.Equal(first.GetOrder(), s.Event.GetOrder()) {
				list[i].before = first
			}
			continue
		}
		wanted[key] = s.Event
		list[i] = v.enterOne(s, key)
	}
	return list
}

// byHanding are the places of submissions in the order in which they were handed in.
func byHanding(submissions []state.Submission) []int {
	order := make([]int, len(submissions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := submissions[a].Event, submissions[b].Event
		return cmp.Or(x.GetOccurredAt().AsTime().Compare(y.GetOccurredAt().AsTime()), cmp.Compare(x.GetId(), y.GetId()))
	})
	return order
}

// submissionKey names an order that was handed in: its source, the customer, and the number that he gave it.
func submissionKey(e *docklinev1.Event) string {
	source := e.GetSource()
	if e.GetSite() != "" {
		source = e.GetSite() + ":" + source
	}
	parts := []string{source, cmp.Or(e.GetOrder().GetCustomer(), "-"), e.GetOrder().GetNumber()}
	handedIn := e.GetSite() == "" && (e.GetSource() == policy.API || strings.HasPrefix(e.GetSource(), policy.API+"/"))
	if version := e.GetSourceRevision(); handedIn && version != "1" {
		parts = append(parts, version) // what was refused under its key stays what it is
	}
	return naturalKey(parts...)
}

func (v *view) enterOne(s *state.Submission, key string) (e entering) {
	o, unmapped, code := v.newOrder(s.Event)
	document := &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: o}}
	routes := v.targets(connector.OrderCreate, s.Event.GetSite(), &docklinev1.OrderState{Number: o.GetNumber(), Customer: o.GetCustomer(), Site: o.GetSite()}, document, v.policy)
	if len(routes) > 0 && unmapped != "" {
		e.unmapped, e.code = unmapped, code
		return e
	}
	correlation := event.CorrelationID(v.tenant, v.key)
	if len(s.Orders) == 1 {
		correlation = event.CorrelationID(v.tenant, s.Orders[0])
	}
	for _, target := range sortedNames(routes) {
		d := posting.Desired{Target: target, Kind: connector.OrderCreate, Key: key, SerialKey: v.key, Site: s.Event.GetSite(), CorrelationID: correlation,
			Document: document, EventIDs: []string{s.Event.GetId()}, Style: routes[target]}
		if _, sent := v.effective(d.Ref()); !sent && v.enteredOtherwise(s, target) {
			continue
		}
		e.refs = append(e.refs, d.Ref())
		v.want(d)
	}
	v.keepFormer(s, routes, correlation)
	return e
}

// keepFormer goes on wanting what a system of record was told of the versions that this one corrects: it refused them, and that stays as it is.
func (v *view) keepFormer(s *state.Submission, routes map[string]connector.Style, correlation string) {
	for _, former := range s.Former {
		key := submissionKey(former)
		if key == submissionKey(s.Event) {
			continue // a source that corrects its record corrects its posting
		}
		o, _, _ := v.newOrder(former)
		document := &docklinev1.Document{Document: &docklinev1.Document_OrderCreate{OrderCreate: o}}
		for _, target := range sortedNames(routes) {
			d := posting.Desired{Target: target, Kind: connector.OrderCreate, Key: key, SerialKey: v.key, CorrelationID: correlation, Document: document,
				EventIDs: []string{former.GetId()}, Style: routes[target]}
			if _, sent := v.effective(d.Ref()); sent {
				v.want(d)
			}
		}
	}
}

// enteredOtherwise tells whether the system of record has an order of this number and customer that none of our postings can have made.
func (v *view) enteredOtherwise(s *state.Submission, target string) bool {
	others := len(s.Orders)
	former := make(map[string]bool)
	for _, e := range s.Former {
		former[submissionKey(e)] = submissionKey(e) != submissionKey(s.Event)
	}
	for _, e := range v.entries(connector.OrderCreate, "") {
		if _, sent := v.effective(e.Ref); sent && e.Target == target && !former[e.Key] { // a version that was refused has made none
			others--
		}
	}
	return others > 0
}

// newOrder is what was handed in, in the terms of the system of record; unmapped says what the mapping does not know of it, and code as which exception.
func (v *view) newOrder(e *docklinev1.Event) (o *docklinev1.Order, unmapped, code string) {
	in, mapping := e.GetOrder(), v.mapping()
	o = &docklinev1.Order{Number: in.GetNumber(), Customer: in.GetCustomer(), Currency: in.GetCurrency(), Site: in.GetSite(), OrderedAt: in.GetOrderedAt(), PromisedAt: in.GetPromisedAt(), ShipTo: in.GetShipTo()}
	var unknown []string
	for _, l := range in.GetLines() {
		item, known := mapping.Item(e.GetSite(), l.GetItem(), l.GetGtin())
		if !known {
			unknown, code = append(unknown, fmt.Sprintf("item %s", cmp.Or(l.GetItem(), l.GetGtin()))), state.CodeUnknownItem
			continue
		}
		quantity, err := event.ParseQuantity(l.GetQuantity().GetValue())
		base, ok := mapping.Base(e.GetSite(), item, l.GetQuantity().GetUnit(), quantity)
		if err != nil || !ok {
			code = cmp.Or(code, state.CodeUnknownUnit)
			unknown = append(unknown, fmt.Sprintf("%s %s of item %s", l.GetQuantity().GetValue(), l.GetQuantity().GetUnit(), item))
			continue
		}
		o.Lines = append(o.Lines, &docklinev1.Line{OrderLine: l.GetOrderLine(), Item: item, Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(base)}, UnitPrice: l.GetUnitPrice()})
	}
	if len(unknown) > 0 {
		unmapped = "mapping.yaml does not say what this is: " + strings.Join(unknown, ", ") + "."
	}
	return o, unmapped, code
}

// handedInTwice is a case: two orders of one source and customer under one number say different things, and only the first is entered.
func (v *view) handedInTwice(s *state.Submission, before *docklinev1.Event, number string) {
	v.unaccepted(s, "order_handed_in_twice", fmt.Sprintf("Order %s was handed in twice, with different content", number),
		fmt.Sprintf("the same source had handed in another order under this number for this customer (event %s), which is the one that is entered.", before.GetId()[:min(12, len(before.GetId()))]))
}
