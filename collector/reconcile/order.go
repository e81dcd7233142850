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

// order decides what follows from the facts of an order.
func (v *view) order(number string) {
	fold := state.FoldOrder(number, v.withHolders(), fieldRules{rules{v.mapping(), v.policy, v.tenant, v.approvals()}, v})
	if fold.Whole || v.whole {
		v.whole = true
		return
	}
	fold.Rank += uint64(v.owned.Taken) // what others gave changes what a site is told, like what the system of record says
	s := fold.State
	o := &v.outcome
	o.state, o.status, o.site, o.customer = s, s.GetStatus(), s.GetSite(), s.GetCustomer()
	v.raiseFindings(fold.Findings, number, s.GetCustomer())
	for _, e := range fold.Facts {
		if e.GetCommandResult() != nil {
			o.results = append(o.results, e)
		}
	}
	v.namesOfOrder(&fold)
	v.clocksOfOrder(&fold)
	v.wakeInvoiced(s)
	v.refusedSubstitutions(&fold)
	v.release(&fold)
	v.refusals(&fold)
	if fold.Order == nil {
		v.orphans(&fold)
		v.replaced(fold.Former, byRevision)
		return
	}
	v.cancelRequested(&fold)
	fed := v.issues(&fold, v.substituted(&fold))
	v.remainders(&fold, fed)
	v.decidedChanges(&fold)
	v.wakeReturns()
	v.orderStatus(&fold)
	v.shorts(&fold)
	v.creditedBeyondSold(&fold)
	v.afterTheEnd(&fold)
	v.reasonsOfOrder(&fold, fed)
	v.alike = len(fold.Issues) == 0 && overTexts[s.GetStatus()] == ""
	v.whole = !v.alike && slices.ContainsFunc(v.facts, func(f state.Fact) bool { return f.Group != nil }) // each has a reason of its own
}

// overTexts say why nothing follows from an event, of an order that has ended.
var overTexts = map[string]string{
	state.Shipped: "the order is complete without it", state.Closed: "the order is complete without it",
	state.Delivered: "the order is complete without it", state.PartiallyDelivered: "the order is complete without it",
	state.Cancelled: "the order was cancelled; the goods stay in stock", state.Rejected: "the order was rejected",
}

// orphans are facts of an order that no system of record has told of: they wait, and then a person looks.
func (v *view) orphans(fold *state.OrderFold) {
	var waiting []*docklinev1.Event
	for _, e := range fold.Facts {
		if e.GetSite() != "" && e.GetCommandResult() == nil {
			waiting = append(waiting, e)
		}
	}
	if len(waiting) == 0 {
		return
	}
	ids := siteEvents(waiting)
	first, _ := v.since(ids)
	until := first.Add(v.waits(waiting[0].GetSite()).OrphanWait)
	if v.now.Before(until) {
		v.wake(until)
		return
	}
	number := fold.State.GetNumber()
	var shipments []string
	for _, s := range fold.State.GetShipments() {
		shipments = append(shipments, s.GetNumber())
	}
	text := fmt.Sprintf("Site %s told of %s of order %s, which no system of record knows.", waiting[0].GetSite(), event.Several(len(waiting), "event"), number)
	if len(shipments) > 0 {
		text += fmt.Sprintf(" Goods have left with shipment %s.", strings.Join(shipments, ", "))
	}
	v.raise(exception.Desired{Code: "unknown_order", Class: data, Subject: number, Order: number, Site: waiting[0].GetSite(), EventIDs: ids,
		Title: "Events of unknown order " + number,
		Text:  text + " Enter the order in the system of record, or correct its number at the site; everything follows by itself when the order is known."})
}

// issues wants a goods issue and an invoice for each shipment, and returns the events that feed one, also one that is still held.
func (v *view) issues(fold *state.OrderFold, changed amended) map[string]bool {
	fed := make(map[string]bool)
	keys := v.issueKeys(fold)
	for i := range fold.Issues {
		issue, key := &fold.Issues[i], keys[i]
		if issue.Voided {
			v.takenBack(fold, issue)
			continue
		}
		v.leftOnHold(fold, issue)
		held := v.overShipped(fold, issue)
		held = issue.Unresolved || awaitsAmendment(fold, issue) || held
		held = !held && v.awaitsPicks(issue) || held
		v.issue(fold, issue, key, held, changed, fed)
	}
	return fed
}

// issueKeys are the keys of an order's goods issues, by place: order and shipment, and the site too where two sites number shipments of one
// order alike. A key that has, or may have, had its effect stays with the site whose goods it told of, whatever is told later: the other way
// round a departure that is told late would have what was posted posted again under another key.
func (v *view) issueKeys(fold *state.OrderFold) []string {
	number := fold.State.GetNumber()
	posted := make(map[string]string) // site by key
	for _, e := range v.entries(connector.GoodsIssue, naturalKey(number)+"/") {
		if _, sent := v.effective(e.Ref); sent {
			posted[e.Key] = e.Site
		}
	}
	keys, used := make([]string, len(fold.Issues)), make(map[string]bool)
	for _, settled := range []bool{true, false} {
		for i := range fold.Issues {
			shipment := fold.Issues[i].Shipment
			plain, long := naturalKey(number, shipment.GetNumber()), naturalKey(number, shipment.GetNumber(), shipment.GetSite())
			site, sent := posted[plain]
			_, own := posted[long]
			switch {
			case settled && own:
				keys[i] = long
			case settled && sent && site == shipment.GetSite():
				keys[i] = plain
			case settled || keys[i] != "":
				continue
			case sent || used[plain]:
				keys[i] = long
			default:
				keys[i] = plain
			}
			used[keys[i]] = true
		}
	}
	return keys
}

// awaitsPicks tells whether a shipment must wait for picks that explain it. What is missing may still come, so this follows from
// absence: it is known when the site has told everything up to the departure, or assumed when the time is over.
func (v *view) awaitsPicks(issue *state.Issue) bool {
	site := issue.Shipment.GetSite()
	if issue.Unpicked == 0 || len(v.lagging(site, issue.DepartedAt, issue.Movement)) == 0 {
		return false
	}
	_, last := v.since(issue.EventIDs)
	until := last.Add(v.waits(site).PickWait)
	if !v.now.Before(until) {
		return false
	}
	v.waitFor(site, until)
	return true
}

// issue wants the goods issue and the invoice of one shipment from each target.
func (v *view) issue(fold *state.OrderFold, issue *state.Issue, key string, held bool, changed amended, fed map[string]bool) {
	s, shipment := fold.State, issue.Shipment
	document := &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: s.GetNumber(), Shipment: shipment.GetNumber(),
		Site: shipment.GetSite(), DepartedAt: shipment.GetDepartedAt(), Carrier: shipment.GetCarrier(), Tracking: shipment.GetTracking(), Lines: issue.Lines}}}
	routes := v.targets(connector.GoodsIssue, shipment.GetSite(), s, document, v.policy)
	if len(routes) == 0 {
		for _, id := range issue.EventIDs {
			v.outcome.reasons[id] = "by policy no system of record is told of this goods issue"
		}
	}
	for _, id := range issue.EventIDs {
		fed[id] = true
	}
	for _, target := range sortedNames(routes) {
		d := posting.Desired{Target: target, Kind: connector.GoodsIssue, Key: key, SerialKey: event.OrderKey(s.GetNumber()), Site: shipment.GetSite(),
			CorrelationID: s.GetCorrelationId(), Document: document, EventIDs: issue.EventIDs, Style: routes[target], Needs: changed.of(target, issue)}
		if e, ok := v.effective(d.Ref()); ok {
			d.Document = settled(e.Document, document, held)
		} else if held {
			continue
		}
		v.want(d)
		v.invoice(fold, issue, d)
	}
}

// invoice wants the invoice of a goods issue, once that is confirmed.
func (v *view) invoice(fold *state.OrderFold, issue *state.Issue, goods posting.Desired) {
	s, shipment := fold.State, issue.Shipment
	document := &docklinev1.Document{Document: &docklinev1.Document_InvoiceTrigger{InvoiceTrigger: &docklinev1.InvoiceTrigger{Order: s.GetNumber(), Shipment: shipment.GetNumber(),
		Lines: v.billable(fold, issue)}}}
	style, ok := v.targets(connector.InvoiceTrigger, shipment.GetSite(), s, document, v.policy)[goods.Target]
	if !ok {
		return
	}
	departures := departuresOf(fold, issue)
	// An invoice that is refused must not hold up the next shipment, so it is not in one row with goods issues.
	v.want(posting.Desired{Target: goods.Target, Kind: connector.InvoiceTrigger, Key: goods.Key, SerialKey: event.Key("invoice", s.GetNumber()), Site: goods.Site,
		CorrelationID: goods.CorrelationID, Document: document, Needs: []posting.Ref{goods.Ref()}, EventIDs: departures, Style: style})
}

// settled is the document of a goods issue that has, or may have, had its effect: a pick that was told later does not change it by
// the bins it names, nor does anything that would only hold it back.
func settled(was, is *docklinev1.Document, held bool) *docklinev1.Document {
	if held || sameButBins(was.GetGoodsIssue(), is.GetGoodsIssue()) {
		return was
	}
	return is
}

// sameButBins compares everything but the bins, and how lines are divided among them.
func sameButBins(a, b *docklinev1.GoodsIssue) bool {
	head := func(g *docklinev1.GoodsIssue) string {
		return fmt.Sprintf("%q", []string{g.GetOrder(), g.GetShipment(), g.GetSite(), g.GetDepartedAt().String(), g.GetCarrier(), g.GetTracking()})
	}
	sums := func(g *docklinev1.GoodsIssue) string {
		quantities, serials := make(map[string]int64), make(map[string][]string)
		for _, l := range g.GetLines() {
			key := fmt.Sprintf("%q", []string{l.GetOrderLine(), l.GetItem(), l.GetUnit(), l.GetLot()})
			n, _ := event.ParseQuantity(l.GetQuantity())
			quantities[key] += n
			serials[key] = append(serials[key], l.GetSerials()...)
		}
		for _, list := range serials {
			slices.Sort(list)
		}
		return fmt.Sprint(quantities, serials) // maps print sorted
	}
	return head(a) == head(b) && sums(a) == sums(b)
}

// overShipped opens a case where more has left than ordered and tolerated, and tells whether the policy holds the goods issue.
func (v *view) overShipped(fold *state.OrderFold, issue *state.Issue) bool {
	var texts []string
	value, hold := "", false
	for _, over := range issue.Over {
		line := fold.State.GetLines()[over.Line]
		rule, asked := v.policy.Fulfilment(v.scope(issue.Shipment.GetSite(), fold.State.GetCustomer()), line.GetItem()), askedFor(fold, line)
		approved, by := v.approvedOver(ShipmentSubject(issue.Shipment.GetSite(), issue.Shipment.GetNumber()), line.GetOrderLine())
		switch {
		case over.Quantity <= rule.Tolerated(asked):
		case over.Quantity <= approved:
			v.ruleOver(fold, issue, line, over.Quantity, asked, rule, by)
		default:
			texts = append(texts, fmt.Sprintf("line %s (item %s): %s more than the %s ordered", line.GetOrderLine(), line.GetItem(), event.FormatQuantity(over.Quantity), event.FormatQuantity(asked)))
			hold = hold || rule.OverShip == policy.Hold
			v.ruleOver(fold, issue, line, over.Quantity, asked, rule, "")
			value = cmp.Or(value, worth(over.Quantity, line.GetUnitPrice()))
		}
	}
	if len(texts) == 0 {
		return false
	}
	what := "The goods issue is posted as it left."
	if hold {
		what = "The goods issue of this shipment is held, so the book still has the goods; it follows by itself once the order covers them."
	}
	s := issue.Shipment
	v.raise(exception.Desired{Code: CodeOverShipped, Class: process, Subject: ShipmentSubject(s.GetSite(), s.GetNumber()), Site: s.GetSite(), Order: fold.State.GetNumber(), Customer: fold.State.GetCustomer(),
		Value: value, EventIDs: departuresOf(fold, issue), Title: fmt.Sprintf("Shipment %s took more than order %s", s.GetNumber(), fold.State.GetNumber()),
		Text: fmt.Sprintf("With shipment %s more has left than order %s asked for: %s. %s Change the order in the system of record, have the goods brought back, or approve what has left (exceptions act approve).",
			s.GetNumber(), fold.State.GetNumber(), strings.Join(texts, "; "), what)})
	return hold
}

// askedFor is what a line is to bring, before the end of the whole order.
func askedFor(fold *state.OrderFold, line *docklinev1.OrderLineState) int64 {
	if fold.Cancelled {
		return line.GetOrdered() - line.GetSubstitutedOut() + line.GetSubstitutedIn()
	}
	return line.GetNet()
}

// billable is what may be invoiced of a shipment by line, where the rules allow less than left; nil for all of it.
func (v *view) billable(fold *state.OrderFold, issue *state.Issue) []*docklinev1.DocumentLine {
	excess := make(map[string]int64) // by order line
	for _, over := range issue.Over {
		line := fold.State.GetLines()[over.Line]
		rule := v.policy.Fulfilment(v.scope(issue.Shipment.GetSite(), fold.State.GetCustomer()), line.GetItem())
		switch rule.Invoice {
		case policy.InvoiceOrdered:
			excess[line.GetOrderLine()] = over.Quantity
		case policy.InvoiceTolerance:
			excess[line.GetOrderLine()] = max(0, over.Quantity-rule.Tolerated(askedFor(fold, line)))
		}
	}
	var lines []*docklinev1.DocumentLine
	less := false
	for _, l := range issue.Lines {
		base, _ := event.ParseQuantity(l.GetQuantity())
		cut := min(base, excess[l.GetOrderLine()])
		excess[l.GetOrderLine()] -= cut
		if cut > 0 {
			less = true
			v.ruleInvoice(fold, issue, l, cut)
		}
		if base > cut {
			lines = append(lines, &docklinev1.DocumentLine{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: event.FormatQuantity(base - cut)})
		}
	}
	if !less {
		return nil
	}
	return lines
}

// takenBack gives the reason for a shipment that was voided; where its goods issue has had its effect, the posting itself is a case.
func (v *view) takenBack(fold *state.OrderFold, issue *state.Issue) {
	for _, id := range departuresOf(fold, issue) {
		v.outcome.reasons[id] = "the shipment was taken back"
	}
	for _, e := range fold.Facts {
		if e.GetShipmentVoid().GetNumber() == issue.Shipment.GetNumber() && e.GetSite() != "" {
			v.outcome.reasons[e.GetId()] = shipmentReasons[e.GetKind()]
		}
	}
}

// cancelRequested opens a case where somebody asked to take an order, or lines of it, back, and nobody has answered.
func (v *view) cancelRequested(fold *state.OrderFold) {
	s := fold.State
	r := s.GetCancelRequest()
	if r == nil {
		return
	}
	what := "order " + s.GetNumber()
	if len(r.GetOrderLines()) > 0 {
		what = fmt.Sprintf("line %s of order %s", strings.Join(r.GetOrderLines(), ", "), s.GetNumber())
	}
	var done, ids []string
	for _, p := range []struct {
		word string
		sum  func(*docklinev1.OrderLineState) int64
	}{{"shipped", (*docklinev1.OrderLineState).GetOut}, {"packed", (*docklinev1.OrderLineState).GetPacked}, {"picked", (*docklinev1.OrderLineState).GetPicked}} {
		if slices.ContainsFunc(s.GetLines(), func(l *docklinev1.OrderLineState) bool { return p.sum(l) > 0 }) {
			done = append(done, p.word)
		}
	}
	far := "Nothing of it has been picked: cancel it in the system of record, and the site is told by itself, or refuse."
	switch {
	case slices.Contains(done, "shipped"):
		far = "Goods of it have left: refuse, or recall the shipment with its carrier, or arrange a return and a credit."
	case len(done) > 0:
		far = "Goods of it have been " + done[0] + ", and have not left: cancel it in the system of record, and the site is told to put them back, or refuse."
	}
	ids = append(ids, r.GetEventId())
	v.raise(exception.Desired{Code: "cancel_requested", Class: process, Subject: s.GetNumber(), Site: s.GetSite(), Order: s.GetNumber(), Customer: s.GetCustomer(), EventIDs: ids,
		Title: "Cancel " + what + "?",
		Text:  fmt.Sprintf("It was asked to take back %s (by %s: %s). %s This closes by itself when the system of record has answered.", what, cmp.Or(r.GetRequester(), "nobody named"), cmp.Or(r.GetReason(), "no reason given"), far)})
}

// afterTheEnd opens a case where goods left for an order that was taken back: goods are the truth.
func (v *view) afterTheEnd(fold *state.OrderFold) {
	s := fold.State
	if !slices.Contains(s.GetFlags(), state.FlagCancelAfterShip) {
		return
	}
	var shipments, ids []string
	for _, e := range fold.Facts {
		if e.GetShipment() != nil {
			shipments, ids = append(shipments, e.GetShipment().GetNumber()), append(ids, e.GetId())
		}
	}
	slices.Sort(shipments)
	v.raise(exception.Desired{Code: "cancel_after_ship", Class: process, Subject: s.GetNumber(), Site: s.GetSite(), Order: s.GetNumber(), Customer: s.GetCustomer(), EventIDs: ids,
		Title: "Order " + s.GetNumber() + " was cancelled, but goods have left",
		Text: fmt.Sprintf("Order %s was cancelled in the system of record after shipment %s had left. What left is posted. Recall the shipment with its carrier, have it refused, or arrange a return and a credit.",
			s.GetNumber(), strings.Join(slices.Compact(shipments), ", "))})
}

// reasonsOfOrder says why an event leads to no document.
func (v *view) reasonsOfOrder(fold *state.OrderFold, fed map[string]bool) {
	v.replaced(fold.Former, byRevision)
	over := overTexts[fold.State.GetStatus()]
	for _, e := range fold.Facts {
		if e.GetSite() == "" || fed[e.GetId()] || v.outcome.reasons[e.GetId()] != "" {
			continue
		}
		switch {
		case e.GetCommandResult() != nil:
			v.outcome.reasons[e.GetId()] = "the result of a command: nothing is to be posted"
		case e.GetKind() == docklinev1.EventKind_EVENT_KIND_PICK_SHORT && !moves(e):
			v.outcome.reasons[e.GetId()] = "nothing was picked, so nothing is posted; customer service sees what is missing"
		case e.GetAllocation() != nil:
			v.outcome.reasons[e.GetId()] = "it reserves stock for an order, or gives it free: nothing is to be posted, and the customer's status follows it"
		case e.GetReturn() != nil: // its return says why
		case over != "" && shipmentReasons[e.GetKind()] != "": // as its shipment says, which may have other orders that are not complete
			v.outcome.reasons[e.GetId()] = shipmentReasons[e.GetKind()]
		case e.GetShipment() == nil && over != "":
			v.outcome.reasons[e.GetId()] = over
		}
	}
}

// byRevision, byDouble and byRecount say why an event no longer counts.
const (
	byRevision = "a later revision of the same record took its place"
	byDouble   = "it is the second scan of a deed that was told before"
	byRecount  = "a recount, or a later revision of the same record, took its place"
)

// replaced gives the reason for events that no longer count.
func (v *view) replaced(former []*docklinev1.Event, why string) {
	for _, e := range former {
		switch {
		case e.GetDoubleOf() != "":
			v.outcome.reasons[e.GetId()] = byDouble
		case e.GetSite() != "":
			v.outcome.reasons[e.GetId()] = why
		}
	}
}

// moves tells whether any line of an event has a quantity.
func moves(e *docklinev1.Event) bool {
	return slices.ContainsFunc(event.Lines(e), func(l *docklinev1.Line) bool {
		n, err := event.ParseQuantity(l.GetQuantity().GetValue())
		return err != nil || n != 0
	})
}

func sortedNames[T any](m map[string]T) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
