package state

import (
	"cmp"
	"maps"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// holds keeps the holds that are open: of each code what was said last counts, and a release ends that code only.
func (f *orderFold) holds() {
	open := make(map[string]*docklinev1.OrderHold)
	f.each(func(e *docklinev1.Event) {
		h := e.GetHold()
		switch {
		case h == nil:
		case e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED:
			delete(open, h.GetCode())
		case open[h.GetCode()] == nil || e.GetOccurredAt().AsTime().After(open[h.GetCode()].Since.AsTime()):
			open[h.GetCode()] = &docklinev1.OrderHold{Code: h.GetCode(), Owner: h.GetOwner(), Reason: h.GetReason(), Until: h.GetUntil(),
				Since: e.GetOccurredAt(), EventId: e.GetId()}
		}
	})
	for _, code := range slices.Sorted(maps.Keys(open)) {
		f.out.State.Holds = append(f.out.State.Holds, open[code])
	}
}

// cancelRequests settles who asked to take the order, or some of it, back: granted by the end of the order or by an order with less,
// refused by a refusal that came after it. What was granted of a line is cancelled, and the line keeps what was ordered.
func (f *orderFold) cancelRequests() {
	var open []int32
	asked := make(map[string]int64)
	f.each(func(e *docklinev1.Event) {
		r := e.GetCancelRequest()
		switch {
		case r == nil:
		case e.GetKind() == docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED:
			open, f.refused = nil, true
			clear(asked)
		default:
			open, f.refused = append(open, f.at), false
			for _, line := range r.GetLines() {
				if _, base, fault := quantity(f.mapping, e, line, line.GetQuantity()); fault == nil {
					asked[line.GetOrderLine()] = max(base, asked[line.GetOrderLine()])
				}
			}
		}
	})
	granted := f.grant(asked)
	if len(open) == 0 || f.out.Cancelled || f.rejected || granted {
		return
	}
	e := f.out.Facts[open[len(open)-1]]
	r := &docklinev1.OrderCancelRequest{Requester: e.GetCancelRequest().GetRequester(), Reason: e.GetCancelRequest().GetReason(), EventId: e.GetId()}
	for _, line := range e.GetCancelRequest().GetLines() {
		r.OrderLines = append(r.OrderLines, line.GetOrderLine())
	}
	f.out.State.CancelRequest = r
}

// grant takes what was asked for and is no longer ordered as cancelled. It tells whether all that was asked for is.
func (f *orderFold) grant(asked map[string]int64) bool {
	all := len(asked) > 0
	for _, number := range slices.SortedFunc(maps.Keys(asked), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) {
		at := slices.IndexFunc(f.out.State.Lines, func(l *docklinev1.OrderLineState) bool { return l.OrderLine == number })
		if at < 0 {
			at = f.goneLine(number)
		}
		if at < 0 {
			all = false
			continue
		}
		taken := min(asked[number], f.takenOut(at))
		line := f.out.State.Lines[at]
		line.Ordered, line.Cancelled = line.Ordered+taken, line.Cancelled+taken
		all = all && taken >= asked[number]
	}
	return all
}

// goneLine puts a line back that the order had at first and has no more, with nothing ordered; -1 where it never had it.
func (f *orderFold) goneLine(number string) int {
	if _, had := f.ordered[number]; !had {
		return -1
	}
	for _, fact := range f.about {
		for i, line := range fact.Event.GetOrder().GetLines() {
			if lineNumber(i, line) != number {
				continue
			}
			if item, _, fault := quantity(f.mapping, fact.Event, line, line.GetQuantity()); fault == nil {
				return f.addLine(&docklinev1.OrderLineState{OrderLine: number, Item: item, Description: line.GetDescription(), Unit: line.GetQuantity().GetUnit(),
					UnitPrice: line.GetUnitPrice(), InOrder: true})
			}
		}
	}
	return -1
}
