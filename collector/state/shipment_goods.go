package state

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// CodeNotShipped: a delivery names goods that the shipment did not take.
const CodeNotShipped = "delivered_not_shipped"

// goodsKey is one order line with its item.
type goodsKey struct{ order, line, item string }

// goods is what became of what a shipment took.
type goods struct {
	lines map[goodsKey]*docklinev1.ShipmentLineState
	// moves are what left, departure by departure, with what is not taken back of it.
	moves []*goodsMove
	// pending: something is taken back that did not leave, as far as is told.
	pending bool
}

type goodsMove struct {
	event *docklinev1.Event
	line  *docklinev1.ShipmentLineState
	base  int64
}

func newGoods() *goods {
	return &goods{lines: make(map[goodsKey]*docklinev1.ShipmentLineState)}
}

func (g *goods) line(key goodsKey) *docklinev1.ShipmentLineState {
	line := g.lines[key]
	if line == nil {
		line = &docklinev1.ShipmentLineState{Order: key.order, OrderLine: key.line, Item: key.item}
		g.lines[key] = line
	}
	return line
}

// find are the lines that a fact's line may mean, in a fixed order.
func (g *goods) find(line *docklinev1.Line, item string) []*docklinev1.ShipmentLineState {
	if exact := g.lines[goodsKey{line.GetOrder(), line.GetOrderLine(), item}]; exact != nil {
		return []*docklinev1.ShipmentLineState{exact}
	}
	var found []*docklinev1.ShipmentLineState
	for _, l := range g.sorted() {
		if l.Item == item && (line.GetOrder() == "" || line.GetOrder() == l.Order) && (line.GetOrderLine() == "" || l.OrderLine == "") {
			found = append(found, l)
		}
	}
	return found
}

func (g *goods) sorted() []*docklinev1.ShipmentLineState {
	return slices.SortedFunc(maps.Values(g.lines), func(a, b *docklinev1.ShipmentLineState) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.OrderLine, b.OrderLine), cmp.Compare(a.Item, b.Item))
	})
}

func (g *goods) allVoided() bool {
	return !slices.ContainsFunc(g.sorted(), func(l *docklinev1.ShipmentLineState) bool { return l.Voided < l.Departed })
}

func (g *goods) total() (accepted, refused int64) {
	for _, l := range g.lines {
		accepted, refused = accepted+l.Accepted, refused+l.Refused
	}
	return accepted, refused
}

func left(l *docklinev1.ShipmentLineState) int64 {
	return max(0, l.Departed-l.Voided-l.Accepted-l.Refused-l.Lost)
}

// takeGoods fills the lines: what left, what was taken back, what its consignee took, what was lost.
func (f *shipmentFold) takeGoods() {
	for _, e := range f.out.Facts {
		for _, line := range e.GetShipment().GetLines() {
			if item, base, fault := quantity(f.mapping, e, line, line.GetQuantity()); fault == nil {
				l := f.goods.line(goodsKey{line.GetOrder(), line.GetOrderLine(), item})
				l.Departed += base
				f.goods.moves = append(f.goods.moves, &goodsMove{e, l, base})
			}
		}
	}
	for _, e := range f.out.Voids {
		f.void(e)
	}
	for i, e := range f.transport.facts {
		if e.GetDelivery() != nil {
			f.deliver(e, f.transport.about[i])
		}
	}
	for _, p := range f.transport.problems {
		p.Struck = f.struck(p)
		if p.Open || p.EndedBy != "" && f.returned(p.EndedBy) {
			f.miss(p)
		}
	}
	if !slices.ContainsFunc(f.transport.parcels, func(p *docklinev1.TransportState) bool { return p.Status != ShipmentDelivered }) {
		f.acceptRest()
	}
	f.out.State.Goods = f.goods.sorted()
}

func (f *shipmentFold) returned(id string) bool {
	return slices.ContainsFunc(f.transport.facts, func(e *docklinev1.Event) bool { return e.GetId() == id && meaning(e) == milestoneReturned })
}

// void takes back what had left by then; where nothing had, the clocks are wrong, and it takes back what there is. More than that waits for a
// departure that is still to be told.
func (f *shipmentFold) void(e *docklinev1.Event) {
	reached := slices.DeleteFunc(slices.Clone(f.goods.moves), func(m *goodsMove) bool { return after(m.event, e) })
	if len(reached) == 0 {
		reached = f.goods.moves
	}
	f.goods.pending = f.goods.pending || len(reached) == 0
	if len(e.GetShipmentVoid().GetLines()) == 0 && f.anyDelivered() {
		return // goods are the truth: what was delivered has left
	}
	if len(e.GetShipmentVoid().GetLines()) == 0 {
		for _, m := range reached {
			m.line.Voided, m.base = m.line.Voided+m.base, 0
		}
	}
	for _, line := range e.GetShipmentVoid().GetLines() {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			continue
		}
		found := f.goods.find(line, item)
		for _, m := range slices.Backward(reached) {
			if slices.Contains(found, m.line) {
				n := min(base, m.base)
				m.line.Voided, m.base, base = m.line.Voided+n, m.base-n, base-n
			}
		}
		f.goods.pending = f.goods.pending || base > 0
	}
}

func (f *shipmentFold) anyDelivered() bool {
	return slices.ContainsFunc(f.transport.parcels, func(p *docklinev1.TransportState) bool { return p.Status == ShipmentDelivered })
}

// deliver takes what a proof of delivery says of lines.
func (f *shipmentFold) deliver(e *docklinev1.Event, about []parcelName) {
	for _, line := range e.GetDelivery().GetLines() {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			continue
		}
		_, refused, fault := quantity(f.mapping, e, line, line.GetRefused())
		if fault != nil {
			refused = 0
		}
		found := f.goods.find(line, item)
		switch {
		case len(found) > 0:
		case !f.out.Departed:
			found = append(found, f.goods.line(goodsKey{line.GetOrder(), line.GetOrderLine(), item}))
		case f.names(e):
			f.found.add(notShipped(e, line, f.out.State.Number))
		}
		for i, l := range found {
			n := min(base, left(l))
			if i == len(found)-1 && (f.names(e) || !f.out.Departed) {
				n = base // more than left is shown, and not made fit
			}
			not := min(refused, n)
			l.Accepted, l.Refused = l.Accepted+n-not, l.Refused+not
			base, refused = base-n, refused-not
		}
	}
}

// names tells whether a carrier's fact names this shipment itself, and not a trailer that has others too.
func (f *shipmentFold) names(e *docklinev1.Event) bool {
	return e.GetDelivery().GetShipment() == f.out.State.Number
}

func notShipped(e *docklinev1.Event, line *docklinev1.Line, number string) *Finding {
	return lineFinding(e, CodeNotShipped, line.GetOrder()+" "+line.GetOrderLine()+" "+rawCode(line), "Delivered, and not part of the shipment",
		fmt.Sprintf("The delivery of shipment %s names item %q of order %q (quantity %s), which the site did not tell as part of it. Correct the shipment at the site, or the delivery with its carrier; the line is left out until then.",
			number, rawCode(line), line.GetOrder(), line.GetQuantity().GetValue()))
}

// miss takes the lines of something that was refused, lost or damaged under way.
func (f *shipmentFold) miss(p *docklinev1.TransportProblem) {
	e, lines := f.event(p.EventId), p.Lines
	if len(lines) == 0 {
		e, lines = f.departed(e), p.Struck
	}
	for _, line := range lines {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			continue
		}
		for _, l := range f.goods.find(line, item) {
			n := min(base, left(l))
			switch p.Kind {
			case milestoneLost:
				l.Lost += n
			case milestoneRefused:
				l.Refused += n
			case milestoneDamaged:
				n = min(base, max(0, l.Departed-l.Voided))
				l.Damaged += n
			}
			base -= n
		}
	}
}

// departed is a departure, of which the codes of struck lines are; else what there is.
func (f *shipmentFold) departed(e *docklinev1.Event) *docklinev1.Event {
	for _, of := range f.out.Facts {
		if of.GetShipment() != nil {
			return of
		}
	}
	return e
}

func (f *shipmentFold) event(id string) *docklinev1.Event {
	at := slices.IndexFunc(f.out.Facts, func(e *docklinev1.Event) bool { return e.GetId() == id })
	return f.out.Facts[at]
}

// acceptRest: every parcel was delivered, and what no proof counts was accepted.
func (f *shipmentFold) acceptRest() {
	counted := true
	for _, e := range f.transport.facts {
		if meaning(e) == milestoneDelivered && len(e.GetDelivery().GetLines()) == 0 {
			counted = false
		}
	}
	if counted {
		return
	}
	for _, l := range f.goods.lines {
		l.Accepted += left(l)
	}
}

// InvoicesInForce are the invoices that were posted and not voided, by number. An invoice that was voided stays so, whichever of the two is
// told first; one that is posted again has another number.
func InvoicesInForce(events []*docklinev1.Event) []*docklinev1.Invoice {
	posted, voided := make(map[string]*docklinev1.Invoice), make(map[string]bool)
	for _, e := range events {
		if e.GetInvoiceVoid() != nil {
			voided[e.GetInvoiceVoid().GetNumber()] = true
		}
	}
	for _, e := range events {
		if number := e.GetInvoice().GetNumber(); e.GetInvoice() != nil && !voided[number] {
			posted[number] = e.GetInvoice()
		}
	}
	return slices.SortedFunc(maps.Values(posted), func(a, b *docklinev1.Invoice) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func keysOf[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }
