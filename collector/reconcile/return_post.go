package reconcile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Credits tells whether goods that came back are credited, once this was done with them.
func (r rules) Credits(site, customer, item, disposition string) bool {
	return r.policy.Fulfilment(r.policy.Scope(r.tenant, site, customer), item).Credits(disposition)
}

// back is a return on its way into the books of the systems of record.
type back struct {
	*state.ReturnFold
	view *view
	// number is that of the RMA, or of a receipt that a person took without one.
	number []string
	// told: a system of record lets it come back, or a person has taken it.
	told  bool
	order *docklinev1.OrderState
	// receipts are those wanted, by target.
	receipts map[string][]posting.Desired
	// originals are the goods issues and invoices of the order, and left what left by them.
	originals []posting.Entry
	left      left
	// before are, by event, the postings that its record feeds or has fed, whatever return it was told of then.
	before map[string][]posting.Entry
	fed    map[string]bool
}

// postReturn wants a receipt for each record of goods that came back, once the return is authorised, matched or accepted; and the credit of what
// was done with them, as far as the policy, or a person, allows. It returns the events that feed one, also one that is still held.
func (v *view) postReturn(fold *state.ReturnFold, number ...string) map[string]bool {
	s := fold.State
	b := &back{ReturnFold: fold, view: v, number: number, told: fold.Authorised || s.GetBlind() && s.GetAccepted() && fold.Matched == "",
		order:    &docklinev1.OrderState{Number: s.GetOrder(), Customer: s.GetCustomer(), Site: s.GetSite()},
		receipts: make(map[string][]posting.Desired), fed: make(map[string]bool)}
	if s.GetBlind() && v.rmaOf(fold) != "" { // its RMA posts it, or says why not
		for _, e := range fold.Facts {
			b.fed[e.GetId()] = b.fed[e.GetId()] || e.GetReturn() != nil
		}
		v.leaveToRMA()
		return b.fed
	}
	if len(fold.Receipts)+len(fold.Dispositions) > 0 {
		b.before = v.fedBefore(fold)
	}
	if s.GetOrder() != "" && len(fold.Receipts) > 0 {
		b.originals = must(posting.Of(v.ctx, v.batch.tx, v.tenant, event.OrderKey(s.GetOrder())))
		b.left = leftBy(b.originals, s.GetShipments())
	}
	room := b.room(b.mayCome)
	for _, deed := range fold.Receipts {
		b.receipt(deed, room)
	}
	b.credits()
	b.unclear()
	return b.fed
}

// receipt wants the receipt of one record, as far as it was authorised; what came beyond that is a case, and waits for its end.
func (b *back) receipt(deed state.ReturnDeed, room map[*docklinev1.ReturnLineState]int64) {
	v, r := b.view, deed.Event.GetReturn()
	doc := b.document(deed.Event)
	doc.ReceivedAt = deed.Event.GetOccurredAt()
	doc.Lines = b.lines(deed, func(p state.ReturnPart) int64 { return take(room, p.Line, p.Quantity) })
	document := &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{ReturnReceipt: doc}}
	key := naturalKey(append(slices.Clone(b.number), cmp.Or(r.GetReceipt(), "receipt"), shortRecord(deed.Event))...)
	unclear := b.anyUnclear(deed)
	routes := v.targets(connector.ReturnReceipt, doc.GetSite(), b.order, document, v.policy)
	if len(routes) > 0 {
		b.fed[deed.Event.GetId()] = true
	}
	for _, target := range sortedNames(routes) {
		d := posting.Desired{Target: target, Kind: connector.ReturnReceipt, Key: b.key(target, connector.ReturnReceipt, deed.Event, key), SerialKey: event.Key("return", b.number...),
			Site: doc.GetSite(), CorrelationID: b.correlation(), Document: document, EventIDs: []string{deed.Event.GetId()}, Style: routes[target],
			Needs: b.needs(target, connector.GoodsIssue, doc.GetLines())}
		e, sent := b.effective(d.Ref())
		switch {
		case sent && b.Ended: // goods are the truth: what is booked stays
			d.Document = e.Document
		case !b.told || len(doc.GetLines()) == 0:
			continue
		case sent && b.sameButLines(e, document, deed):
			d.Document = e.Document
		case unclear:
			continue
		}
		b.receipts[target] = append(b.receipts[target], d)
		v.want(d)
	}
}

// creditAsk is the credit of what one record says of a return.
type creditAsk struct {
	deed  state.ReturnDeed
	key   string
	style map[string]connector.Style
	// given is how much of each part is asked for of the target that is worked on.
	given []int64
}

// credits wants the credit of each disposition. What had its effect goes before the others; of those each gets what is left, in the order in which
// they happened. What somebody has credited by hand is not asked for again.
func (b *back) credits() {
	v := b.view
	var asked []*creditAsk
	for _, deed := range b.Dispositions {
		b.ruleCredit(deed)
		doc := &docklinev1.Document{Document: &docklinev1.Document_CreditRequest{CreditRequest: b.document(deed.Event)}}
		asked = append(asked, &creditAsk{deed: deed, key: naturalKey(append(slices.Clone(b.number), "credit", shortRecord(deed.Event))...),
			style: v.targets(connector.CreditRequest, b.siteOf(deed.Event), b.order, doc, v.policy)})
	}
	if !b.told {
		return
	}
	for _, target := range targetsOf(asked, func(r *creditAsk) []string { return sortedNames(r.style) }) {
		for _, r := range b.share(target, asked) {
			doc := b.document(r.deed.Event)
			at := 0
			doc.Lines = b.lines(r.deed, func(state.ReturnPart) int64 { at++; return r.given[at-1] })
			b.credit(r, doc, target)
		}
	}
}

// share divides among the records what may be credited, and returns those that the target takes, what had its effect first. That keeps what it
// has: what was credited by hand beside it is less for what is asked for more, never more for what was cut short because of it.
func (b *back) share(target string, asked []*creditAsk) (all []*creditAsk) {
	room, free := make(map[*docklinev1.ReturnLineState]int64), make(map[*docklinev1.ReturnLineState]int64)
	for l, n := range b.room((*docklinev1.ReturnLineState).GetCreditable) {
		room[l], free[l] = n, max(0, n-b.ByHand[l])
	}
	var rest []*creditAsk
	for _, r := range asked {
		if _, takes := r.style[target]; !takes {
			continue
		}
		r.given = make([]int64, len(r.deed.Parts))
		e, sent := b.effective(posting.Ref{Target: target, Kind: connector.CreditRequest, Key: b.key(target, connector.CreditRequest, r.deed.Event, r.key)})
		if !sent {
			rest = append(rest, r)
			continue
		}
		all = append(all, r)
		stands := standing(e)
		for i, p := range r.deed.Parts {
			name := creditLine(b.orderLine(p.Line), p.Line.GetItem(), p.Told.GetDisposition(), p.Told.GetCondition(), p.Told.GetLot(), p.Told.GetBin())
			n := take(room, p.Line, min(p.May, stands[name]))
			r.given[i], stands[name], free[p.Line] = n, stands[name]-n, max(0, free[p.Line]-n)
		}
	}
	all = append(all, rest...)
	for _, r := range all {
		for i, p := range r.deed.Parts {
			r.given[i] += take(free, p.Line, p.May-r.given[i])
		}
	}
	return all
}

// standing is what a credit request had credited, or may have, by line.
func standing(e posting.Entry) map[[6]string]int64 {
	d := e.Booked
	if d == nil {
		d = e.Sent
	}
	sums := make(map[[6]string]int64)
	for _, l := range d.GetCreditRequest().GetLines() {
		n, err := event.ParseQuantity(l.GetQuantity())
		if err != nil {
			continue // nothing of ours has such a line
		}
		sums[creditLine(l.GetOrderLine(), l.GetItem(), l.GetDisposition(), l.GetCondition(), l.GetLot(), l.GetBin())] += n
	}
	return sums
}

func creditLine(orderLine, item, disposition, condition, lot, bin string) [6]string {
	return [6]string{orderLine, item, disposition, condition, lot, bin}
}

func (b *back) credit(r *creditAsk, doc *docklinev1.GoodsReturned, target string) {
	if len(doc.GetLines()) == 0 {
		return
	}
	e := r.deed.Event
	b.fed[e.GetId()] = true
	d := posting.Desired{Target: target, Kind: connector.CreditRequest, Key: b.key(target, connector.CreditRequest, e, r.key), SerialKey: event.Key("credit", b.number...),
		Site: doc.GetSite(), CorrelationID: b.correlation(), Document: &docklinev1.Document{Document: &docklinev1.Document_CreditRequest{CreditRequest: doc}},
		EventIDs: []string{e.GetId()}, Style: r.style[target]}
	if was, sent := b.effective(d.Ref()); sent && b.sameButLines(was, d.Document, r.deed) {
		d.Document = was.Document
	} else if b.anyUnclear(r.deed) {
		return
	}
	d.Needs = b.needs(target, connector.InvoiceTrigger, doc.GetLines())
	for _, receipt := range b.receipts[target] {
		if overlap(receipt.Document.GetReturnReceipt().GetLines(), doc.GetLines()) {
			d.Needs = append(d.Needs, receipt.Ref())
		}
	}
	b.view.want(d)
}

// document is what receipts and requests have in common.
func (b *back) document(e *docklinev1.Event) *docklinev1.GoodsReturned {
	s := b.State
	doc := &docklinev1.GoodsReturned{Number: s.GetNumber(), Order: s.GetOrder(), Customer: s.GetCustomer(), Site: b.siteOf(e), Reason: s.GetReason(), Receipt: e.GetReturn().GetReceipt()}
	if r := e.GetReturnDecision(); r != nil {
		doc.Reason, doc.Approval = r.GetReason(), e.GetActor()
	}
	return doc
}

func (b *back) siteOf(e *docklinev1.Event) string {
	return cmp.Or(e.GetSite(), b.State.GetSite())
}

func (b *back) correlation() string {
	if b.State.GetOrder() == "" {
		return event.CorrelationID(b.view.tenant, event.Key("return", b.number...))
	}
	return event.CorrelationID(b.view.tenant, b.State.GetOrder())
}

// needs are the documents of the order that goods left by, or were billed by: a return of them comes after. Where the return names shipments,
// only those.
func (b *back) needs(target string, kind connector.Kind, lines []*docklinev1.DocumentLine) []posting.Ref {
	var refs []posting.Ref
	issued := make(map[string]bool) // keys of goods issues with such goods
	for _, e := range b.originals {
		g := e.Document.GetGoodsIssue()
		if g == nil || e.Target != target || len(b.State.GetShipments()) > 0 && !slices.Contains(b.State.GetShipments(), g.GetShipment()) || !overlap(g.GetLines(), lines) {
			continue
		}
		issued[e.Key] = true
	}
	for _, e := range b.originals {
		if e.Kind == kind && e.Target == target && e.Wanted && e.State != posting.Superseded && issued[e.Key] {
			refs = append(refs, e.Ref)
		}
	}
	slices.SortFunc(refs, func(x, y posting.Ref) int { return cmp.Compare(x.Key, y.Key) })
	return refs
}

// overlap tells whether two documents have a line of one order line and item.
func overlap(a, b []*docklinev1.DocumentLine) bool {
	return slices.ContainsFunc(a, func(x *docklinev1.DocumentLine) bool {
		return slices.ContainsFunc(b, func(y *docklinev1.DocumentLine) bool {
			return x.GetItem() == y.GetItem() && (x.GetOrderLine() == y.GetOrderLine() || x.GetOrderLine() == "" || y.GetOrderLine() == "")
		})
	})
}

// lines are those of a document, each with so much of a part as is given.
func (b *back) lines(deed state.ReturnDeed, given func(state.ReturnPart) int64) (list []*docklinev1.DocumentLine) {
	for _, p := range deed.Parts {
		n := given(p)
		if n <= 0 {
			continue
		}
		l := &docklinev1.DocumentLine{OrderLine: b.orderLine(p.Line), Item: p.Line.GetItem(), Quantity: event.FormatQuantity(n), Lot: p.Told.GetLot(), Bin: p.Told.GetBin(),
			Condition: p.Told.GetCondition(), Disposition: p.Told.GetDisposition()}
		if n == p.Quantity { // of a part nobody knows which
			l.Serials = slices.Sorted(slices.Values(p.Told.GetSerials()))
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b *docklinev1.DocumentLine) int {
		return cmp.Or(cmp.Compare(a.GetOrderLine(), b.GetOrderLine()), cmp.Compare(a.GetItem(), b.GetItem()), cmp.Compare(a.GetLot(), b.GetLot()), cmp.Compare(a.GetBin(), b.GetBin()),
			cmp.Compare(a.GetDisposition(), b.GetDisposition()), cmp.Compare(a.GetCondition(), b.GetCondition()))
	})
	return list
}

// take takes as much as there is of what is asked for.
func take(from map[*docklinev1.ReturnLineState]int64, line *docklinev1.ReturnLineState, asked int64) int64 {
	n := max(0, min(asked, from[line]))
	from[line] -= n
	return n
}

// shortRecord tells the records of a return apart: whatever is told of others, and in however many versions, a record keeps its key.
func shortRecord(e *docklinev1.Event) string {
	sum := sha256.Sum256([]byte(cmp.Or(event.Record(e), e.GetId())))
	return hex.EncodeToString(sum[:4])
}

func targetsOf[T any](list []T, names func(T) []string) (all []string) {
	for _, one := range list {
		all = append(all, names(one)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ruleCredit notes what of a disposition the policy does not credit.
func (b *back) ruleCredit(deed state.ReturnDeed) {
	v, s := b.view, b.State
	for i, p := range deed.Parts {
		if p.Credited {
			continue
		}
		v.rule(DecidedCredit, fmt.Sprintf("%s/%d", deed.Event.GetId(), i), "not credited", v.policy.WhyFulfilment(v.scope(b.siteOf(deed.Event), s.GetCustomer()), p.Line.GetItem(), "credit"),
			map[string]any{"customer": s.GetCustomer(), "site": b.siteOf(deed.Event), "item": p.Line.GetItem(), "order_line": p.Line.GetOrderLine(), "disposition": p.Told.GetDisposition(),
				"quantity": event.FormatQuantity(p.Quantity)})
	}
}

// wakeReturns has the returns of an order folded again where it wants other goods issues or invoices than before: they come after those.
func (v *view) wakeReturns() {
	was, is := make(map[posting.Ref]string), make(map[posting.Ref]string)
	v.entry(posting.Ref{})
	for ref, e := range v.stored {
		if e.Wanted && e.State != posting.Superseded {
			noteOriginal(was, ref, e.Document)
		}
	}
	for _, d := range v.outcome.postings {
		noteOriginal(is, d.Ref(), d.Document)
	}
	if len(was) == len(is) && !slices.ContainsFunc(sortedRefs(is), func(ref posting.Ref) bool { return was[ref] != is[ref] }) {
		return
	}
	for _, f := range v.facts {
		key := ""
		if a := f.Event.GetReturnAuthorisation(); a.GetNumber() != "" {
			key = event.ReturnKey(a.GetNumber())
		} else if r := f.Event.GetReturn(); r.GetNumber() != "" {
			key = event.ReturnKey(r.GetNumber())
		} else if r.GetReceipt() != "" {
			key = event.BlindReturnKey(f.Event.GetSite(), r.GetReceipt())
		} else if d := f.Event.GetReturnDecision(); d.GetReceipt() != "" && d.GetNumber() == "" {
			key = event.BlindReturnKey(d.GetReceiptSite(), d.GetReceipt())
		}
		if key != "" && !slices.Contains(v.outcome.also, key) {
			v.outcome.also = append(v.outcome.also, key)
		}
	}
}

func noteOriginal(in map[posting.Ref]string, ref posting.Ref, d *docklinev1.Document) {
	switch ref.Kind {
	case connector.InvoiceTrigger:
		in[ref] = "billed"
	case connector.GoodsIssue:
		text := d.GetGoodsIssue().GetShipment()
		for _, l := range d.GetGoodsIssue().GetLines() {
			text += fmt.Sprintf(" %q %q %s", l.GetOrderLine(), l.GetItem(), l.GetQuantity())
		}
		in[ref] = text
	}
}

func sortedRefs[T any](m map[posting.Ref]T) (refs []posting.Ref) {
	for ref := range m {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b posting.Ref) int { return cmp.Compare(a.String(), b.String()) })
	return refs
}

var _ state.CreditRules = rules{}
