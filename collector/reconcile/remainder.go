package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// remainders applies the remainder rule. The rest of a line is what a site has told that it did not find and has not brought since; it is
// decided by the last shipment of the order after that, once the site has told everything up to its departure: a pick that covers the rest may be
// on its way. What a system of record was told stays told, whatever comes later: the order there says the rest.
func (v *view) remainders(fold *state.OrderFold, fed map[string]bool) {
	told := v.toldRemainders(fold, fed)
	if fold.Cancelled || len(fold.Shorts) == 0 {
		return
	}
	issue := deciding(fold)
	if issue == nil || told[remainderKeys(fold, issue)[1]] {
		return
	}
	s, site := fold.State, issue.Shipment.GetSite()
	rule := v.policy.Fulfilment(v.scope(site, s.GetCustomer()), "").Remainder
	if rule == policy.RemainderNone {
		return
	}
	a := &docklinev1.OrderAmendment{Order: s.GetNumber(), Action: string(rule), Site: site, Reason: "not found at " + site}
	if rule == policy.RemainderKeep {
		a.Action = actionBackorder
	}
	ids := departuresOf(fold, issue)
	for _, short := range fold.Shorts {
		line := s.GetLines()[short.Line]
		rest := short.Open - line.GetBackordered()
		if rest <= 0 || line.GetStandsForLine() != "" && !line.GetInOrder() || strings.HasPrefix(line.GetItem(), state.UnmappedPrefix) {
			continue
		}
		a.Lines = append(a.Lines, &docklinev1.OrderAmendmentLine{OrderLine: line.GetOrderLine(), Item: line.GetItem(), Quantity: event.FormatQuantity(rest)})
		ids = append(ids, short.EventIDs...)
	}
	if len(a.GetLines()) == 0 || v.awaitsRest(issue, ids) {
		return
	}
	v.rule(DecidedRemainder, site+"/"+issue.Shipment.GetNumber(), string(rule), v.policy.WhyFulfilment(v.scope(site, s.GetCustomer()), "", "remainder"),
		map[string]any{"customer": s.GetCustomer(), "site": site, "rest": restOf(a)})
	v.remainder(fold, issue, a, ids, fed)
}

// deciding is the last shipment of an order that left after a site had told that something was short; nil where there is none.
func deciding(fold *state.OrderFold) *state.Issue {
	missed := make(map[string]bool)
	for _, short := range fold.Shorts {
		if short.Open > 0 {
			for _, id := range short.EventIDs {
				missed[id] = true
			}
		}
	}
	first := time.Time{}
	for _, e := range fold.Facts {
		if missed[e.GetId()] {
			first = e.GetOccurredAt().AsTime()
			break
		}
	}
	for i := len(fold.Issues) - 1; i >= 0; i-- {
		if issue := &fold.Issues[i]; !issue.Voided && len(missed) > 0 {
			if issue.DepartedAt.Before(first) {
				return nil
			}
			return issue
		}
	}
	return nil
}

// awaitsRest tells whether what is missing may still come.
func (v *view) awaitsRest(issue *state.Issue, ids []string) bool {
	site := issue.Shipment.GetSite()
	if len(v.lagging(site, issue.DepartedAt, issue.Movement)) == 0 {
		return false
	}
	_, last := v.since(ids)
	until := last.Add(v.waits(site).RemainderWait)
	if !v.now.Before(until) {
		return false
	}
	v.waitFor(site, until)
	return true
}

// remainder wants the amendment from each target that takes it; where none does, or where the rule says so, a person decides.
func (v *view) remainder(fold *state.OrderFold, issue *state.Issue, a *docklinev1.OrderAmendment, ids []string, fed map[string]bool) {
	s, site := fold.State, issue.Shipment.GetSite()
	document := &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: a}}
	routes := v.targets(connector.OrderAmendment, site, s, document, v.policy)
	if a.GetAction() == string(policy.RemainderAsk) || len(routes) == 0 && a.GetAction() != actionBackorder {
		v.askRemainder(fold, issue, a, ids)
		return
	}
	keys := remainderKeys(fold, issue)
	key := keys[0]
	for _, e := range v.entries(connector.OrderAmendment, key) {
		if _, sent := v.effective(e.Ref); sent && e.Key == key && e.Site != site {
			key = keys[1] // two sites number shipments of one order alike
		}
	}
	for _, target := range sortedNames(routes) {
		v.want(posting.Desired{Target: target, Kind: connector.OrderAmendment, Key: key, SerialKey: event.OrderKey(s.GetNumber()),
			Site: site, CorrelationID: s.GetCorrelationId(), Document: document, EventIDs: ids, Style: routes[target]})
		for _, id := range ids {
			fed[id] = true
		}
	}
}

// remainderKeys are the keys that the amendment for a shipment may have: the short one, and that with its site.
func remainderKeys(fold *state.OrderFold, issue *state.Issue) [2]string {
	order, number := fold.State.GetNumber(), issue.Shipment.GetNumber()
	return [2]string{naturalKey(order, "remainder", number), naturalKey(order, "remainder", number, issue.Shipment.GetSite())}
}

// toldRemainders goes on wanting what has, or may have, had its effect, and returns the shipments that decided it, by their key with the site.
func (v *view) toldRemainders(fold *state.OrderFold, fed map[string]bool) map[string]bool {
	told := make(map[string]bool)
	for i := range fold.Issues {
		issue := &fold.Issues[i]
		keys := remainderKeys(fold, issue)
		for _, e := range v.entries(connector.OrderAmendment, keys[0]) {
			if _, sent := v.effective(e.Ref); !sent || e.Site != issue.Shipment.GetSite() || e.Key != keys[0] && e.Key != keys[1] {
				continue
			}
			ids := departuresOf(fold, issue)
			for _, short := range fold.Shorts {
				ids = append(ids, short.EventIDs...)
			}
			for _, id := range ids {
				fed[id] = true
			}
			told[keys[1]] = true
			v.want(posting.Desired{Target: e.Target, Kind: e.Kind, Key: e.Key, SerialKey: e.SerialKey, Site: e.Site, CorrelationID: e.CorrelationID,
				Document: e.Document, EventIDs: ids, Style: e.Style})
		}
	}
	return told
}

func (v *view) askRemainder(fold *state.OrderFold, issue *state.Issue, a *docklinev1.OrderAmendment, ids []string) {
	s := fold.State
	var texts []string
	value := ""
	for _, l := range a.GetLines() {
		texts = append(texts, fmt.Sprintf("%s of item %s on line %s", l.GetQuantity(), l.GetItem(), l.GetOrderLine()))
		for _, line := range s.GetLines() {
			if base, err := event.ParseQuantity(l.GetQuantity()); err == nil && line.GetOrderLine() == l.GetOrderLine() && value == "" {
				value = worth(base, line.GetUnitPrice())
			}
		}
	}
	what := map[string]string{
		string(policy.RemainderAsk):    "Decide with the customer: leave the rest on the order until there are goods, cancel it there, or move it to an order of its own.",
		string(policy.RemainderCancel): "By fulfilment.yaml the rest is to be cancelled, and no system of record takes that from Dockline: make the line smaller there.",
		string(policy.RemainderSplit):  "By fulfilment.yaml the rest is to move to an order of its own, and no system of record takes that from Dockline: make the line smaller there and enter a new order.",
	}[a.GetAction()]
	v.raise(exception.Desired{Code: "remainder", Class: process, Subject: issue.Shipment.GetSite() + " " + issue.Shipment.GetNumber(), Site: issue.Shipment.GetSite(), Order: s.GetNumber(), Customer: s.GetCustomer(),
		Value: value, EventIDs: ids, Title: fmt.Sprintf("Order %s left incomplete with shipment %s", s.GetNumber(), issue.Shipment.GetNumber()),
		Text: fmt.Sprintf("Shipment %s of order %s left without %s, which site %s did not find. %s This closes by itself when the line is shipped, cancelled or made smaller.",
			issue.Shipment.GetNumber(), s.GetNumber(), strings.Join(texts, ", "), issue.Shipment.GetSite(), what)})
}

// departuresOf are the ids of a shipment's departures.
func departuresOf(fold *state.OrderFold, issue *state.Issue) (ids []string) {
	for _, e := range fold.Facts {
		if e.GetShipment() != nil && e.GetShipment().GetNumber() == issue.Shipment.GetNumber() && e.GetSite() == issue.Shipment.GetSite() {
			ids = append(ids, e.GetId())
		}
	}
	return ids
}

// restOf lists what an amendment is about.
func restOf(a *docklinev1.OrderAmendment) []string {
	var texts []string
	for _, l := range a.GetLines() {
		texts = append(texts, fmt.Sprintf("line %s: %s of %s", l.GetOrderLine(), l.GetQuantity(), l.GetItem()))
	}
	return texts
}
