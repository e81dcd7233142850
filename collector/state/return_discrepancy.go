package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// discrepancies are what is not as it was authorised.
func (f *returnFold) discrepancies() {
	s := f.out.State
	add := func(d *docklinev1.Discrepancy) { s.Discrepancies = append(s.Discrepancies, d) }
	received := idsOf(f.out.Received...)
	for _, l := range f.lines {
		d := func(kind string, quantity int64) *docklinev1.Discrepancy {
			return &docklinev1.Discrepancy{Kind: kind, Order: l.Order, OrderLine: l.OrderLine, Item: l.Item, Quantity: quantity, EventIds: idsOf(receiptsOf(l)...)}
		}
		switch {
		case f.authority == nil || s.Blind || f.out.Whole: // of what had left the books know
		case l.Unexpected && l.Received > 0:
			add(d(DiscrepancyWrongItem, l.Received))
		case l.Received > l.Authorised:
			add(d(DiscrepancyOver, l.Received-l.Authorised))
		}
		f.damage(l)
	}
	if f.authority == nil || s.Blind || len(received) == 0 {
		return
	}
	switch kind := f.authority.GetKind(); {
	case kind == docklinev1.EventKind_EVENT_KIND_RETURN_DENIED, kind == docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED:
		add(&docklinev1.Discrepancy{Kind: DiscrepancyUnauthorised, Quantity: f.sum(), Reason: strings.TrimPrefix(event.KindName(kind), "return."), EventIds: received})
	case s.ExpiresAt != nil:
		var late []*docklinev1.Event
		for _, e := range f.out.Received {
			if occurred(e).After(s.ExpiresAt.AsTime()) {
				late = append(late, e)
			}
		}
		if len(late) > 0 {
			add(&docklinev1.Discrepancy{Kind: DiscrepancyExpired, EventIds: idsOf(late...), Reason: fmt.Sprintf("valid until %s", s.ExpiresAt.AsTime().Format("2006-01-02"))})
		}
	}
}

func (f *returnFold) sum() int64 { return f.sums().Received }

// receiptsOf are the receipts of a line.
func receiptsOf(l *returnLine) []*docklinev1.Event {
	return slices.DeleteFunc(slices.Clone(l.events), func(e *docklinev1.Event) bool { return e.GetKind() != docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED })
}

// damage notes what came back damaged, with its claim: as inspected, and as seen on receipt while nobody has inspected.
func (f *returnFold) damage(l *returnLine) {
	inspected := l.Inspected > 0
	byClaim := make(map[string]*docklinev1.Discrepancy)
	for i, e := range l.events {
		if slices.Contains(l.events[:i], e) {
			continue // another of its lines
		}
		if (e.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED) != inspected || e.GetReturn() == nil {
			continue
		}
		for _, line := range e.GetReturn().GetLines() {
			item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
			if fault != nil || item != l.Item || line.GetCondition() != DiscrepancyDamaged || line.GetOrderLine() != "" && l.OrderLine != "" && line.GetOrderLine() != l.OrderLine {
				continue
			}
			d := byClaim[line.GetClaim()]
			if d == nil {
				d = &docklinev1.Discrepancy{Kind: DiscrepancyDamaged, Order: l.Order, OrderLine: l.OrderLine, Item: l.Item, Claim: line.GetClaim(), Told: true}
				byClaim[line.GetClaim()] = d
			}
			d.Quantity, d.Reason = d.Quantity+base, cmp.Or(line.GetReason(), d.Reason)
			d.EventIds = sortedSet(append(d.EventIds, e.GetId()))
		}
	}
	for _, claim := range sortedKeys(byClaim) {
		f.out.State.Discrepancies = append(f.out.State.Discrepancies, byClaim[claim])
	}
}
