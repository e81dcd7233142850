package state

import (
	"cmp"
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Fields, where a Mapping has them too, say who owns the fields of an order.
type Fields interface {
	// Owner is the role that owns a field, "" where nobody does.
	Owner(field string) string
	// Stated are the facts that may state a field of the order, by revision; settled is false where all that tell of the order may.
	Stated(field string) (facts []Fact, settled bool)
}

// Names of the fields whose history an order keeps, as ownership.yaml has them.
const (
	FieldPromise          = "order.promised_at"
	FieldPriceList        = "order.price_list"
	FieldPriceListVersion = "order.price_list_version"
	FieldBackorder        = "backorder.lines.quantity"
	FieldBackorderPromise = "backorder.promised_at"
)

// mostChanges bounds what an order keeps of one field's history; of more the newest stay.
const mostChanges = 50

// owed is what a fact changed of what is owed on a line.
type owed struct {
	fact int32
	line int
	base int64
}

// changes keeps how fields that systems own became what they are.
func (f *orderFold) changes() {
	owners, _ := f.mapping.(Fields)
	var all []*docklinev1.FieldChange
	keep := func(list []*docklinev1.FieldChange) {
		list = list[max(0, len(list)-mostChanges):]
		for _, c := range list {
			if owners != nil {
				c.Owner = owners.Owner(c.Field)
			}
		}
		all = append(all, list...)
	}
	for _, field := range []struct {
		name  string
		value func(*docklinev1.Order) string
	}{
		{FieldPromise, func(o *docklinev1.Order) string {
			if o.GetPromisedAt() == nil {
				return ""
			}
			return o.GetPromisedAt().AsTime().Format(time.RFC3339)
		}},
		{FieldPriceList, (*docklinev1.Order).GetPriceList}, {FieldPriceListVersion, (*docklinev1.Order).GetPriceListVersion},
	} {
		facts := f.about
		if owners != nil {
			if stated, settled := owners.Stated(field.name); settled {
				facts = stated
			}
		}
		keep(changesOf(field.name, facts, field.value))
	}
	f.backorderChanges(keep)
	f.out.State.Changes = all
}

// changesOf is what facts made of a field, one after the other.
func changesOf(field string, facts []Fact, read func(*docklinev1.Order) string) (list []*docklinev1.FieldChange) {
	former := ""
	for _, fact := range facts {
		if fact.Event.GetOrder() == nil {
			continue
		}
		if is := read(fact.Event.GetOrder()); is != former {
			list = append(list, changed(field, "", former, is, fact.Event))
			former = is
		}
	}
	return list
}

func changed(field, line, former, is string, e *docklinev1.Event) *docklinev1.FieldChange {
	return &docklinev1.FieldChange{Field: field, OrderLine: line, Value: is, FormerValue: former, ToldAt: e.GetOccurredAt(), Source: sourceOf(e), EventId: e.GetId()}
}

// sourceOf is who told a fact, for people.
func sourceOf(e *docklinev1.Event) string { return cmp.Or(e.GetSite(), e.GetSource()) }

// backorderChanges are what is owed on each line, and when it is promised.
func (f *orderFold) backorderChanges(keep func([]*docklinev1.FieldChange)) {
	slices.SortStableFunc(f.owed, func(a, b owed) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.fact, b.fact)) })
	var quantities, promises []*docklinev1.FieldChange
	for i := 0; i < len(f.owed); {
		line, sum := f.owed[i].line, int64(0)
		number := f.out.State.Lines[line].GetOrderLine()
		quantities, promises = nil, nil
		promise := ""
		for i < len(f.owed) && f.owed[i].line == line {
			e, before := f.out.Facts[f.owed[i].fact], sum
			for at := f.owed[i].fact; i < len(f.owed) && f.owed[i].line == line && f.owed[i].fact == at; i++ {
				sum += f.owed[i].base
			}
			if sum != before {
				quantities = append(quantities, changed(FieldBackorder, number, quantityOrNone(before), quantityOrNone(sum), e))
			}
			if at := e.GetBackorder().GetPromisedAt(); at != nil && at.AsTime().Format(time.RFC3339) != promise {
				promises = append(promises, changed(FieldBackorderPromise, number, promise, at.AsTime().Format(time.RFC3339), e))
				promise = promises[len(promises)-1].Value
			}
		}
		keep(quantities)
		keep(promises)
	}
}

// quantityOrNone is a quantity as people write it, "" for none. A release that is older than what it releases is below none until then.
func quantityOrNone(base int64) string {
	if base == 0 {
		return ""
	}
	return event.FormatQuantity(base)
}

// CheckOrder is the check that an order as a whole is accepted or rejected by.
const CheckOrder = "order"

// checks are what systems of record look at in an order; a hold by one of these codes is a verdict.
var checks = []string{"credit", "tax", "terms", "structure", "price"}

// verdict is the last word of a check, and the fact that it is of.
type verdict struct {
	fact Fact
	is   *docklinev1.OrderVerdict
}

// verdicts keeps what systems of record found in each check: what they say of the order by revision, what holds say as it happened, and of
// these two what happened last. Nothing is worked out: a check that nobody has told of is not there.
func (f *orderFold) verdicts() {
	last := make(map[string]verdict)
	say := func(fact Fact, check, outcome, reason string) {
		last[check] = verdict{fact, &docklinev1.OrderVerdict{Check: check, Outcome: outcome, Reason: reason, Source: sourceOf(fact.Event), At: fact.Event.GetOccurredAt(), EventId: fact.Event.GetId()}}
	}
	for _, fact := range f.about {
		switch e := fact.Event; e.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:
			say(fact, CheckOrder, "pass", e.GetOrder().GetReason())
		case docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:
			say(fact, CheckOrder, "fail", e.GetOrder().GetReason())
		}
		for _, v := range fact.Event.GetOrder().GetVerdicts() {
			say(fact, v.GetCheck(), v.GetOutcome(), v.GetReason())
		}
	}
	f.each(func(e *docklinev1.Event) {
		h := e.GetHold()
		if h == nil || !slices.Contains(checks, h.GetCode()) {
			return
		}
		fact := Fact{Event: e}
		if have, ok := last[h.GetCode()]; ok && byHappening(fact, have.fact) < 0 {
			return
		}
		outcome := "hold"
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED {
			outcome = "pass"
		}
		say(fact, h.GetCode(), outcome, cmp.Or(h.GetReason(), h.GetOwner()))
	})
	for _, check := range sortedKeys(last) {
		f.out.State.Verdicts = append(f.out.State.Verdicts, last[check].is)
	}
}
