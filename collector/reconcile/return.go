package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var returnReasons = map[docklinev1.EventKind]string{
	docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:  "goods that came back: no system of record takes return receipts, and nothing is posted",
	docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED: "an inspection: what was found stands with the return, and nothing is posted",
	docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:  "what is done with returned goods: the site's stock has it, and no credit is asked for",
	// A return's parcel has a carrier too.
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: shipmentReasons[docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE],
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:     "the carrier brought goods back: nothing is posted until the site receives them",
}

// returned keeps what comes back under an RMA.
func (v *view) returned(number string) {
	fold := state.FoldReturn(number, v.facts, rules{Mapping: v.mapping(), policy: v.policy, tenant: v.tenant})
	v.keepReturn(&fold, "Return "+number, number)
	if !fold.Known && len(fold.Received) > 0 && !v.mayStillCome("", fold.Received[0], idsOf(fold.Received)) {
		v.returnCase(&fold, "return_unauthorised", "", fmt.Sprintf("Goods came back under return %s, which no system of record knows", number),
			fmt.Sprintf("Site %s received goods under return %s, and no system of record or CRM has told of it. Authorise it there, or correct its number at the site. This closes by itself when it is known.",
				fold.State.GetSite(), number), idsOf(fold.Received))
	}
	v.notReceived(&fold)
}

// blindReturn keeps what came back without an RMA, by the site's own receipt.
func (v *view) blindReturn(site, receipt string) {
	fold := state.FoldBlindReturn(site, receipt, v.facts, rules{Mapping: v.mapping(), policy: v.policy, tenant: v.tenant})
	v.keepReturn(&fold, "Receipt "+receipt, state.BlindPosting, site, receipt)
	if fold.State.GetAccepted() || fold.Matched != "" || len(fold.Received) == 0 || v.mayStillCome("", fold.Received[0], idsOf(fold.Received)) {
		return
	}
	s := fold.State
	from := ""
	if s.GetCustomer() != "" {
		from = " from customer " + s.GetCustomer()
	}
	if s.GetOrder() != "" {
		from += " for order " + s.GetOrder()
	}
	v.returnCase(&fold, "return_unauthorised", "", fmt.Sprintf("Goods came back to site %s without an RMA", site),
		fmt.Sprintf("Site %s received goods%s as receipt %s, and no return names it: %s. Find out who sent them, and authorise a return that names this receipt. This closes by itself when one does.",
			site, from, receipt, returnedText(s)), idsOf(fold.Received))
}

func returnedText(s *docklinev1.ReturnState) string {
	var parts []string
	for _, l := range s.GetLines() {
		parts = append(parts, event.FormatQuantity(l.GetReceived())+" of item "+l.GetItem())
	}
	return strings.Join(parts, ", ")
}

// keepReturn keeps the state of a return and makes a case of each thing that is not as it was authorised.
func (v *view) keepReturn(fold *state.ReturnFold, name string, number ...string) {
	s := fold.State
	v.outcome.state, v.outcome.status, v.outcome.site, v.outcome.customer = s, s.GetStatus(), s.GetSite(), s.GetCustomer()
	v.raiseFindings(fold.Findings, s.GetOrder(), s.GetCustomer())
	fed := v.postReturn(fold, number...)
	v.noDocument(slices.DeleteFunc(slices.Clone(fold.Facts), func(e *docklinev1.Event) bool { return fed[e.GetId()] }), returnReasons)
	v.replaced(fold.Former, byRevision)
	v.clocksOfReturn(fold, name)
	for _, d := range s.GetDiscrepancies() {
		v.returnDiscrepancy(fold, name, d)
	}
	v.overCredited(fold, name)
}

func (v *view) returnDiscrepancy(fold *state.ReturnFold, name string, d *docklinev1.Discrepancy) {
	subject := strings.TrimSpace(d.GetOrder() + " " + d.GetOrderLine() + " " + d.GetItem())
	quantity := event.FormatQuantity(d.GetQuantity())
	switch d.GetKind() {
	case state.DiscrepancyOver:
		v.returnCase(fold, "return_over_received", subject, fmt.Sprintf("%s: more came back than was authorised", name),
			fmt.Sprintf("%s: %s more of item %s came back than was authorised. Authorise it in the system of record, or send it back to the customer. This closes by itself when the return covers it.", name, quantity, d.GetItem()), d.GetEventIds())
	case state.DiscrepancyWrongItem:
		v.returnCase(fold, "return_wrong_item", subject, fmt.Sprintf("%s: an item came back that is not on it", name),
			fmt.Sprintf("%s: %s of item %s came back, which it does not have. Correct the return in the system of record, or the item at the site. This closes by itself when the two agree.", name, quantity, d.GetItem()), d.GetEventIds())
	case state.DiscrepancyExpired:
		v.returnCase(fold, "return_expired", subject, fmt.Sprintf("%s: goods came back too late", name),
			fmt.Sprintf("%s was %s, and goods came back after that. Extend it in the system of record where they are to be credited all the same; else send them back.", name, d.GetReason()), d.GetEventIds())
	case state.DiscrepancyUnauthorised:
		v.returnCase(fold, "return_unauthorised", subject, fmt.Sprintf("%s was %s, and goods came back", name, d.GetReason()),
			fmt.Sprintf("%s was %s, and the site received %s all the same. Authorise it after all, or send the goods back to the customer.", name, d.GetReason(), returnedText(fold.State)), d.GetEventIds())
	case state.DiscrepancyDamaged:
		if d.GetClaim() != "" {
			return // it is followed under its claim
		}
		v.returnCase(fold, "return_damaged", subject, fmt.Sprintf("%s: goods came back damaged", name),
			fmt.Sprintf("%s: %s of item %s came back damaged, and no claim names it. Open a claim with the carrier or settle it with the customer, and give its number in the inspection at the site. This closes by itself when it has one.", name, quantity, d.GetItem()), d.GetEventIds())
	}
}

// returnCase is an exception about a return.
func (v *view) returnCase(fold *state.ReturnFold, code, subject, title, text string, ids []string) {
	s := fold.State
	name := s.GetNumber()
	if name == "" {
		name = strings.Join(append([]string{s.GetSite()}, s.GetReceipts()...), " ")
	}
	v.raise(exception.Desired{Code: code, Class: process, Subject: strings.TrimSpace(name + " " + subject), Site: s.GetSite(), Order: s.GetOrder(), Customer: s.GetCustomer(), EventIDs: ids,
		Title: title, Text: text})
}

// notReceived makes a case of goods that their carrier says it has brought and that the site has not received.
func (v *view) notReceived(fold *state.ReturnFold) {
	s := fold.State
	if len(fold.Received) > 0 || len(fold.Arrived) == 0 || s.GetStatus() == state.ReturnMatched {
		return
	}
	last := slices.MaxFunc(fold.Arrived, func(a, b *docklinev1.Event) int {
		return a.GetOccurredAt().AsTime().Compare(b.GetOccurredAt().AsTime())
	})
	if v.mayStillCome(s.GetSite(), last, idsOf(fold.Arrived)) {
		return
	}
	v.returnCase(fold, "return_not_received", "", fmt.Sprintf("Return %s was brought, and is not received", s.GetNumber()),
		fmt.Sprintf("The carrier of return %s says that it brought the goods on %s UTC, and no site has received them. Look for them at the dock, or with the carrier. This closes by itself when they are received.",
			s.GetNumber(), last.GetOccurredAt().AsTime().Format("2006-01-02 15:04")), idsOf(fold.Arrived))
}

// overCredited makes a case of what the system of record has credited beyond what was disposed of. What is missing may still be told by the site.
func (v *view) overCredited(fold *state.ReturnFold, name string) {
	s := fold.State
	for _, l := range s.GetLines() {
		if l.GetCredited() <= l.GetCreditable() || len(s.GetCreditMemos()) == 0 || s.GetBlind() {
			continue
		}
		var memos []*docklinev1.Event
		for _, e := range fold.Facts {
			if e.GetCreditMemo() != nil && slices.Contains(l.GetEventIds(), e.GetId()) {
				memos = append(memos, e)
			}
		}
		if len(memos) == 0 || v.mayStillCome(s.GetSite(), memos[len(memos)-1], idsOf(memos)) {
			continue
		}
		subject := strings.TrimSpace(l.GetOrder() + " " + l.GetOrderLine() + " " + l.GetItem())
		v.returnCase(fold, "return_over_credited", subject, fmt.Sprintf("%s: more was credited than was disposed of", name),
			fmt.Sprintf("%s: %s of item %s are credited, and what was done with the goods allows %s (%s came back). Have the site tell what became of the rest, correct the credit in the system of record, or allow it with `dockline-collector return credit`. This closes by itself when the two agree.",
				name, event.FormatQuantity(l.GetCredited()), l.GetItem(), event.FormatQuantity(l.GetCreditable()), event.FormatQuantity(l.GetReceived())), idsOf(memos))
	}
}
