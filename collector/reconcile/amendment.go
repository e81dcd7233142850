package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// rules is the mapping and what the policy lets sites do, as the fold asks for it.
type rules struct {
	*policy.Mapping
	policy *policy.Policy
	tenant string
	// approved are who approved picks of other items, by their events.
	approved map[string]string
}

var _ state.Rules = rules{}

func (r rules) Approval(eventID string) string { return r.approved[eventID] }

func (r rules) Substitution(customer, site, original, _ string) state.Permission {
	switch r.policy.Fulfilment(r.policy.Scope(r.tenant, site, customer), original).Substitution {
	case policy.SubstitutionAllowed:
		return state.Allowed
	case policy.SubstitutionForbidden:
		return state.Forbidden
	}
	return state.NeedsApproval
}

func (r rules) ProofOfDelivery(customer string) bool {
	return r.policy.Fulfilment(r.policy.Scope(r.tenant, "", customer), "").ProofRequired()
}

// Actions of an amendment.
const (
	actionSubstitute = "substitute"
	actionBackorder  = "backorder"
)

// amended are the amendments, by target and by place of the line that stands for another, that a goods issue of that line needs.
type amended map[string]map[int][]posting.Ref

// substituted tells the systems of record of items that came in place of others: one amendment for each pick. What somebody has entered there by
// hand is not told again. A pick that the rules do not allow is a case.
func (v *view) substituted(fold *state.OrderFold) amended {
	needs := make(amended)
	byPick := make(map[string][]state.Substitution)
	var picks []string
	for _, s := range fold.Substitutions {
		if s.Child < 0 {
			v.notAllowed(fold, s)
			continue
		}
		if byPick[s.EventID] == nil {
			picks = append(picks, s.EventID)
		}
		byPick[s.EventID] = append(byPick[s.EventID], s)
	}
	booked := make(map[string]map[int]int64) // by target and child, what is in the order and no amendment of ours has brought there
	keys := v.amendmentKeys(fold, picks, byPick)
	for i, id := range picks {
		v.substitution(fold, byPick[id], keys[i], needs, booked)
	}
	v.insteads(fold, needs, booked)
	return needs
}

// amendmentKeys are the keys of the amendments for picks, by place: order and task, and part of the event's id too where several picks are of one
// task. A key that has, or may have, had its effect stays with the record of the pick that it told of, also when an earlier pick of the task is
// told late.
func (v *view) amendmentKeys(fold *state.OrderFold, picks []string, byPick map[string][]state.Substitution) []string {
	number := fold.State.GetNumber()
	records := make(map[string]string) // by event id
	for _, e := range slices.Concat(fold.Facts, fold.Former) {
		records[e.GetId()] = cmp.Or(event.Record(e), e.GetId())
	}
	posted := make(map[string]string) // record by key; another one where its pick counts no longer
	of := make(map[string]string)     // key by record
	for _, e := range v.entries(connector.OrderAmendment, naturalKey(number, "substitution")+"/") {
		if _, sent := v.effective(e.Ref); !sent {
			continue
		}
		posted[e.Key] = ""
		for _, id := range must(posting.EventIDs(v.ctx, v.batch.tx, v.tenant, e.Ref)) {
			if record := records[id]; record != "" {
				posted[e.Key], of[record] = record, e.Key
			}
		}
	}
	keys, used := make([]string, len(picks)), make(map[string]bool)
	for i, id := range picks {
		if key := of[records[id]]; key != "" && !used[key] {
			keys[i], used[key] = key, true
		}
	}
	for i, id := range picks {
		if keys[i] != "" {
			continue
		}
		short := id[:min(12, len(id))]
		key := naturalKey(number, "substitution", cmp.Or(byPick[id][0].Task, short))
		if _, other := posted[key]; other || used[key] {
			key = naturalKey(number, "substitution", cmp.Or(byPick[id][0].Task, short)+" "+short)
		}
		keys[i], used[key] = key, true
	}
	return keys
}

// substitution wants the amendment for one pick from each target that takes it; where none does, a person enters it.
func (v *view) substitution(fold *state.OrderFold, pick []state.Substitution, key string, needs amended, booked map[string]map[int]int64) {
	s := fold.State
	a := &docklinev1.OrderAmendment{Order: s.GetNumber(), Action: actionSubstitute, Reason: pick[0].Reason, Approval: pick[0].Approval, Site: pick[0].Site}
	for _, p := range pick {
		line := s.GetLines()[p.Line]
		a.Lines = append(a.Lines, &docklinev1.OrderAmendmentLine{OrderLine: line.GetOrderLine(), Item: line.GetItem(), Quantity: event.FormatQuantity(p.Original),
			Substitute: p.Item, SubstituteQuantity: event.FormatQuantity(p.Quantity)})
	}
	document := &docklinev1.Document{Document: &docklinev1.Document_OrderAmendment{OrderAmendment: a}}
	routes := v.targets(connector.OrderAmendment, pick[0].Site, s, document, v.policy)
	if len(routes) == 0 {
		v.byHand(fold, pick, a)
	}
	for _, target := range sortedNames(routes) {
		d := posting.Desired{Target: target, Kind: connector.OrderAmendment, Key: key, SerialKey: event.OrderKey(s.GetNumber()), Site: pick[0].Site,
			CorrelationID: s.GetCorrelationId(), Document: document, EventIDs: []string{pick[0].EventID}, Style: routes[target]}
		if booked[target] == nil {
			booked[target] = v.enteredByHand(fold, target)
		}
		_, sent := v.effective(d.Ref())
		if !sent && covers(booked[target], pick) {
			v.outcome.reasons[pick[0].EventID] = "the order in " + target + " has the other item already"
			continue
		}
		v.want(d)
		for _, p := range pick {
			if needs[target] == nil {
				needs[target] = make(map[int][]posting.Ref)
			}
			if !slices.Contains(needs[target][p.Child], d.Ref()) {
				needs[target][p.Child] = append(needs[target][p.Child], d.Ref())
			}
		}
	}
}

// enteredByHand is, by line that stands for another, what the order has beyond what amendments of ours brought or may have brought.
func (v *view) enteredByHand(fold *state.OrderFold, target string) map[int]int64 {
	left := make(map[int]int64)
	for at, base := range fold.Amended {
		left[at] = base
	}
	for _, e := range v.entries(connector.OrderAmendment, naturalKey(fold.State.GetNumber(), "substitution")+"/") {
		if _, sent := v.effective(e.Ref); !sent || e.Target != target {
			continue
		}
		for _, line := range e.Document.GetOrderAmendment().GetLines() {
			base, _ := event.ParseQuantity(line.GetQuantity())
			for at := range left {
				if l := fold.State.GetLines()[at]; l.GetItem() == line.GetSubstitute() && l.GetStandsForLine() == line.GetOrderLine() {
					left[at] -= base
				}
			}
		}
	}
	return left
}

// covers takes a pick out of what was entered by hand, where all of it is there.
func covers(booked map[int]int64, pick []state.Substitution) bool {
	sums := make(map[int]int64)
	for _, p := range pick {
		sums[p.Child] += p.Original
	}
	for at, base := range sums {
		if booked[at] < base {
			return false
		}
	}
	for at, base := range sums {
		booked[at] -= base
	}
	return true
}

// notAllowed is a pick of another item that the rules do not let stand; the line it was meant for is short.
func (v *view) notAllowed(fold *state.OrderFold, p state.Substitution) {
	s := fold.State
	line := s.GetLines()[p.Line]
	why, how := "needs an approval, and the pick names nobody who gave one", "approve it (exceptions act approve), or tell the pick again with its approval"
	if p.Permission == state.Forbidden {
		why, how = "is forbidden by fulfilment.yaml", "change the order in the system of record"
	}
	v.raise(exception.Desired{Code: CodeSubstitutionRefused, Class: process, Subject: "line " + line.GetOrderLine() + " " + p.EventID, Site: p.Site, Order: s.GetNumber(), Customer: s.GetCustomer(),
		Value: worth(p.Original, line.GetUnitPrice()), EventIDs: []string{p.EventID}, Title: fmt.Sprintf("Item %s was picked in place of %s for order %s", p.Item, line.GetItem(), s.GetNumber()),
		Text: fmt.Sprintf("Site %s picked %s of item %s in place of %s of item %s on line %s of order %s. That %s, so the line is short of it. Put the goods back and pick what was ordered, or, if %s (%s) takes the other item, %s.",
			p.Site, event.FormatQuantity(p.Quantity), p.Item, event.FormatQuantity(p.Original), line.GetItem(), line.GetOrderLine(), s.GetNumber(), why, customerName(s), s.GetCustomerReference(), how)})
}

// byHand is a substitution of which no system of record can be told; it closes when the order has the other item.
func (v *view) byHand(fold *state.OrderFold, pick []state.Substitution, a *docklinev1.OrderAmendment) {
	var texts []string
	for i, p := range pick {
		if p.Child >= 0 && fold.State.GetLines()[p.Child].GetInOrder() {
			continue
		}
		l := a.GetLines()[i]
		texts = append(texts, fmt.Sprintf("%s of item %s in place of %s of item %s on line %s", l.GetSubstituteQuantity(), l.GetSubstitute(), l.GetQuantity(), l.GetItem(), l.GetOrderLine()))
	}
	if len(texts) == 0 {
		v.outcome.reasons[pick[0].EventID] = "the order has the other item already"
		return
	}
	s := fold.State
	what, how := fmt.Sprintf("Site %s picked for order %s: %s.", pick[0].Site, s.GetNumber(), strings.Join(texts, "; ")), "add one for the item that came; the goods issue waits for it and then follows by itself."
	if pick[0].Task == "" && pick[0].Child < 0 { // nobody has picked it: a person chose it
		what, how = fmt.Sprintf("%s decided for order %s: %s.", pick[0].Approval, s.GetNumber(), strings.Join(texts, "; ")), "add one for the item that is to come; the site then gets the order as it is."
	}
	v.raise(exception.Desired{Code: "substitution_not_posted", Class: process, Subject: pick[0].EventID, Site: pick[0].Site, Order: s.GetNumber(), Customer: s.GetCustomer(), EventIDs: []string{pick[0].EventID},
		Title: "Order " + s.GetNumber() + " must be changed by hand: it gets another item",
		Text:  fmt.Sprintf("%s No system of record takes an order amendment from Dockline. Make the line of the ordered item smaller there and %s", what, how)})
}

// entries are the postings of a kind that this key wanted before, whose natural key begins so.
func (v *view) entries(kind connector.Kind, prefix string) (list []posting.Entry) {
	v.entry(posting.Ref{})
	for ref, e := range v.stored {
		if ref.Kind == kind && strings.HasPrefix(ref.Key, prefix) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b posting.Entry) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// awaitsAmendment tells whether a goods issue takes a line that its order does not have yet in the system of record.
func awaitsAmendment(fold *state.OrderFold, issue *state.Issue) bool {
	return slices.ContainsFunc(issue.Children, func(at int) bool { return !fold.State.GetLines()[at].GetInOrder() })
}

// of are the amendments in a target that a goods issue needs.
func (a amended) of(target string, issue *state.Issue) (refs []posting.Ref) {
	for _, at := range issue.Children {
		for _, ref := range a[target][at] {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}
