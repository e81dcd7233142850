package reconcile

import (
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var inboundReasons = map[docklinev1.EventKind]string{
	docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED:     "what a supplier announces: nothing is posted until it is received",
	docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED:     "a vehicle at the door: nothing is posted until its goods are received",
	docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:    "a receipt of goods: the site's stock has it, and no system of record is told by this policy",
	docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY: "goods that are not as announced: a case follows it until it has a claim, and nothing is posted",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: "where goods under way are: nothing is to be posted",
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:     "a carrier brought goods: nothing is posted until the site receives them",
}

// inbound keeps what a supplier sends, and makes a case of each thing that is not as it was announced.
func (v *view) inbound(site, reference string) {
	fold := state.FoldInbound(site, reference, v.facts, v.mapping())
	s := fold.State
	v.outcome.state, v.outcome.status, v.outcome.site = s, s.GetStatus(), site
	v.raiseFindings(fold.Findings, "", "")
	v.noDocument(fold.Facts, inboundReasons)
	v.replaced(fold.Former, byRevision)
	for _, d := range s.GetDiscrepancies() {
		v.receiptDiscrepancy(s, d)
	}
	v.shortReceipt(&fold)
}

// receiptDiscrepancy makes a case of what is wrong and has no claim: with one it is followed there.
func (v *view) receiptDiscrepancy(s *docklinev1.InboundState, d *docklinev1.Discrepancy) {
	if d.GetClaim() != "" {
		return
	}
	what := map[string]string{
		state.DiscrepancyOver:      "more came than was announced",
		state.DiscrepancyShort:     "less came than was announced",
		state.DiscrepancyDamaged:   "goods came damaged",
		state.DiscrepancyWrongItem: "an item came that was not announced",
	}[d.GetKind()]
	quantity := ""
	if d.GetQuantity() != 0 {
		quantity = event.FormatQuantity(d.GetQuantity()) + " of "
	}
	reason := ""
	if d.GetReason() != "" && d.GetReason() != d.GetKind() {
		reason = " (" + d.GetReason() + ")"
	}
	v.receiptCase(s, "receipt_"+d.GetKind(), d, fmt.Sprintf("%s: %s", s.GetReference(), what),
		fmt.Sprintf("%s at site %s%s: %s: %sitem %s%s. Claim it from the supplier or the carrier and give the claim's number with the discrepancy at the site, or correct the order or the advice. This closes by itself when it has a claim, or the two agree.",
			s.GetReference(), s.GetSite(), fromSupplier(s), what, quantity, d.GetItem(), reason), d.GetEventIds())
}

func fromSupplier(s *docklinev1.InboundState) string {
	if s.GetSupplier() == "" {
		return ""
	}
	return " from supplier " + s.GetSupplier()
}

func (v *view) receiptCase(s *docklinev1.InboundState, code string, d *docklinev1.Discrepancy, title, text string, ids []string) {
	v.raise(exception.Desired{Code: code, Class: process, Subject: strings.Join(strings.Fields(fmt.Sprint(s.GetSite(), " ", s.GetReference(), " ", d.GetOrder(), " ", d.GetOrderLine(), " ", d.GetItem())), " "),
		Site: s.GetSite(), EventIDs: ids, Title: title, Text: text})
}

// shortReceipt makes a case of announced goods that have not all come: more may come, so this waits for the time that policy gives after the
// last receipt.
func (v *view) shortReceipt(fold *state.InboundFold) {
	s := fold.State
	if s.GetStatus() != state.InboundPartly {
		return
	}
	_, last := v.since(idsOf(fold.Received))
	if until := last.Add(v.waits(s.GetSite()).ReceiptWait); v.now.Before(until) {
		v.wake(until)
		return
	}
	told := make(map[string]bool)
	for _, d := range s.GetDiscrepancies() {
		if d.GetKind() == state.DiscrepancyShort {
			told[d.GetOrder()+" "+d.GetOrderLine()+" "+d.GetItem()] = true
		}
	}
	for _, l := range s.GetLines() {
		if l.GetOpen() == 0 || told[l.GetOrder()+" "+l.GetOrderLine()+" "+l.GetItem()] {
			continue
		}
		v.receiptDiscrepancy(s, &docklinev1.Discrepancy{Kind: state.DiscrepancyShort, Order: l.GetOrder(), OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: l.GetOpen(),
			EventIds: idsOf(fold.Received)})
	}
}
