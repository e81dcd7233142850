package statetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Order is the number of the order that OrderLife is about.
const Order = "SO1"

// OrderLife is a random life of the order SO1, of every kind that there is of an order: what its owners say of it, what the site does with it
// (partials, shorts, other items, packs and shipments taken back), what carriers say, returns and credits; with corrections, changed records,
// doubles, codes that nobody knows, and facts that take back what was never told. The same numbers give the same life.
func OrderLife(random *rand.Rand) []*docklinev1.Event {
	l := &life{random}
	var events []*docklinev1.Event
	if random.IntN(5) > 0 {
		for revision := range 1 + random.IntN(3) {
			events = append(events, l.order(9+revision))
		}
	}
	if random.IntN(5) == 0 {
		events = append(events, CancelledOrder(Order, fmt.Sprint(9+random.IntN(4))))
	}
	for i := range random.IntN(24) {
		key := fmt.Sprintf("k%d", i-random.IntN(2)) // now and then a key comes again
		e := l.event(random.IntN(60), key)
		if e.GetSite() != "" {
			if random.IntN(3) == 0 {
				e = Moved(e, uint64(1+random.IntN(60)))
			}
			if random.IntN(3) == 0 {
				e = Revised(e, l.quantity(3))
			}
		}
		events = append(events, e)
		if random.IntN(6) == 0 { // the same event again, now and then with another body
			twin := proto.CloneOf(e)
			twin.Actor = l.quantity(2)
			events = append(events, twin)
		}
	}
	return events
}

// OrderKinds are the kinds of events that OrderLife tells of.
func OrderKinds() []docklinev1.EventKind {
	seen := make(map[docklinev1.EventKind]bool)
	for seed := range uint64(400) {
		for _, e := range OrderLife(rand.New(rand.NewPCG(seed, 1))) {
			seen[e.GetKind()] = true
		}
	}
	var kinds []docklinev1.EventKind
	for kind := range seen {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

type life struct{ *rand.Rand }

func (l *life) quantity(most int) string { return fmt.Sprint(1 + l.IntN(most)) }

func (l *life) one(of ...string) string { return of[l.IntN(len(of))] }

// order is what the ERP has at a revision; later ones may have lost a line, or have one that stands for another.
func (l *life) order(revision int) *docklinev1.Event {
	lines := []*docklinev1.Line{L("", "1", "A", l.quantity(9)), L("", "2", "B", l.quantity(9)), L("", "3", "A", l.quantity(9))}
	if l.IntN(4) == 0 {
		lines = lines[:2]
	}
	if revision > 9 && l.IntN(2) == 0 {
		extra := L("", "4", l.one("C", "D"), l.quantity(4))
		if l.IntN(2) == 0 {
			extra = Instead(extra, l.one("A", "B"), l.quantity(4))
		}
		lines = append(lines, extra)
	}
	e := Accepted(Order, fmt.Sprint(revision), lines...)
	e.OccurredAt = At(l.IntN(60))
	if l.IntN(4) == 0 {
		e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED
	}
	return Revised(e, fmt.Sprint(revision))
}

// line is one of the order, mostly one that it has.
func (l *life) line() *docklinev1.Line {
	number, code := "1", "A"
	if l.IntN(2) == 0 {
		number, code = "2", "B"
	}
	if l.IntN(6) == 0 {
		number = ""
	}
	switch l.IntN(12) {
	case 0:
		code = "X" + code // nobody knows it
	case 1:
		code = l.one("C", "D")
	}
	line := In(L(Order, number, code, l.quantity(4)), "B-01", "")
	if l.IntN(4) == 0 {
		line.HandlingUnit = l.one("HU1", "HU2")
	}
	return line
}

// some is lines, or none: all of what the fact is about.
func (l *life) some() []*docklinev1.Line {
	var lines []*docklinev1.Line
	for range l.IntN(3) {
		lines = append(lines, l.line())
	}
	return lines
}

func (l *life) shipment() string { return "S" + l.quantity(3) }

func (l *life) event(second int, key string) *docklinev1.Event {
	switch l.IntN(26) {
	case 0, 1, 2:
		return Pick(second, key, l.line(), l.line())
	case 3:
		return ShortPick(second, key, Asked(l.line(), l.quantity(8)))
	case 4:
		return Pack(second, key, l.one("HU1", "HU2"), l.line())
	case 5, 6, 7:
		return Shipment(second, l.shipment(), l.line(), l.line())
	case 8:
		return Result(second, "release/"+Order, uint64(1+l.IntN(3)), docklinev1.CommandOutcome(1+l.IntN(3)), "")
	case 9, 10:
		original := l.one("A", "B")
		line := Instead(L(Order, l.one("", "1", "2"), l.one("C", "D"), l.quantity(4)), original, l.one("", l.quantity(4)))
		return Substituted(second, key, l.one("", "chief of shift"), line)
	case 11, 12:
		return Voided(second, l.shipment(), l.some()...)
	case 13:
		return Reopened(second, key, l.one("HU1", "HU2"), l.some()...)
	case 14:
		return Allocated(second, "A"+l.quantity(2), l.line())
	case 15:
		return Deallocated(second, "A"+l.quantity(2), l.some()...)
	case 16:
		if l.IntN(2) == 0 {
			return Unbackordered(second, "BO"+l.quantity(2), l.some()...)
		}
		return Backordered(second, "BO"+l.quantity(2), "keep", l.line())
	case 17:
		if l.IntN(2) == 0 {
			return HoldReleased(second, Order, l.one("credit", "address"))
		}
		return Held(second, Order, l.one("credit", "address"))
	case 18:
		switch l.IntN(3) {
		case 0:
			return CancelRefused(second, Order)
		case 1:
			return Quoted(second, "Q1", Order, L("", "1", "A", l.quantity(9)))
		}
		return CancelRequested(second, Order, l.some()...)
	case 19, 20:
		return Invoice("I"+l.quantity(3), Order, l.named()...)
	case 21:
		return InvoiceVoided(second, "I"+l.quantity(3), Order)
	default:
		return l.afterwards(second)
	}
}

// named are the shipments that an invoice names, or none.
func (l *life) named() []string {
	if l.IntN(3) == 0 {
		return nil
	}
	return []string{l.shipment()}
}

// afterwards is what happens when goods have left.
func (l *life) afterwards(second int) *docklinev1.Event {
	tracking, number := "T-"+l.shipment(), "R"+l.quantity(2)
	switch l.IntN(9) {
	case 0, 1:
		lines := l.some()
		for _, line := range lines {
			if l.IntN(2) == 0 {
				Declined(line, "1")
			}
		}
		return Delivery(second, tracking, lines...)
	case 2:
		return Carriage(second, docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED, tracking, l.some()...)
	case 3:
		return Carriage(second, docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, tracking, l.some()...)
	case 4:
		return Carriage(second, docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED, tracking, l.some()...)
	case 5:
		kinds := []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED,
			docklinev1.EventKind_EVENT_KIND_RETURN_DENIED, docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED}
		return ReturnAuthorised(second, kinds[l.IntN(len(kinds))], number, Order, l.some()...)
	case 6:
		return Return(second, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, number, l.some()...)
	case 7:
		return Return(second, docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, number, Disposed(l.line(), l.one("restock", "scrap", "quarantine")))
	}
	return Credit(second, "CM"+l.quantity(2), l.one("", Order), []string{number}, l.some()...)
}
