package statetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// GoodsKeys are the fold keys that a GoodsLife is about.
var GoodsKeys = []string{"shipment/dc-east/S1", "shipment/dc-east/S2", "return/R1", "return/R2", "blind_return/dc-east/RC9", "inbound/dc-east/PO7", "inbound/dc-east/ASN1"}

// GoodsLife is a random life of two shipments on one trailer, two returns, a blind one and a supplier's delivery, of every kind that there is of
// them: departures with parcels and papers, taken back, told again and corrected to the other number; milestones, delays, refusals, losses,
// damages and proofs by every name that a carrier may use, at times of its own; returns asked for, authorised, denied and matched late; receipts
// with what is wrong about them. The same numbers give the same life.
func GoodsLife(random *rand.Rand) []*docklinev1.Event {
	l := &life{random}
	var events []*docklinev1.Event
	for i := range 4 + random.IntN(24) {
		key := fmt.Sprintf("g%d", i-random.IntN(2)) // now and then a key comes again
		e := l.goods(random.IntN(60), key)
		if random.IntN(4) == 0 {
			e = Revised(e, l.quantity(3))
		}
		if e.GetSite() != "" && random.IntN(4) == 0 {
			e = Moved(e, uint64(1+random.IntN(60)))
		}
		events = append(events, e)
		if random.IntN(8) == 0 { // the same event again, now and then with another body
			twin := proto.CloneOf(e)
			twin.Actor = l.quantity(2)
			events = append(events, twin)
		}
	}
	return events
}

// GoodsKinds are the kinds of events that GoodsLife tells of.
func GoodsKinds() []docklinev1.EventKind {
	seen := make(map[docklinev1.EventKind]bool)
	for seed := range uint64(200) {
		for _, e := range GoodsLife(rand.New(rand.NewPCG(seed, 1))) {
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

func (l *life) goods(second int, key string) *docklinev1.Event {
	switch l.IntN(16) {
	case 0, 1, 2:
		return l.departure(second, key)
	case 3:
		return Keyed(Voided(second, l.one("S1", "S2"), l.some()...), key)
	case 4:
		kind := docklinev1.EventKind(int(docklinev1.EventKind_EVENT_KIND_LOAD_STAGED) + l.IntN(3)) // staged, loaded, sealed
		return Load(kind, second, key, l.one("S1", "S2"))
	case 5, 6:
		return Milestone(second, key, l.names(), l.one("booked", "picked_up", "departed", "arrived", "customs", "out_for_delivery", "delivery_attempted", "delivered", "returning",
			"returned_to_sender"))
	case 7, 8:
		return l.trouble(second, key)
	case 9:
		return Proof(second, key, l.names(), l.proved()...)
	case 10, 11:
		return l.authority(second)
	case 12, 13:
		return l.back(second, key)
	case 14:
		return Credit(second, "CM"+l.quantity(2), Order, l.pick([]string{"R1"}, []string{"R2"}, []string{"R1", "R2"}), l.some()...)
	}
	return l.inbound(second, key)
}

func (l *life) pick(of ...[]string) []string { return of[l.IntN(len(of))] }

// departure is one of the two shipments, with none, one or three parcels.
func (l *life) departure(second int, key string) *docklinev1.Event {
	number := l.one("S1", "S2")
	e := Departed(second, number, l.one("", "BOL-1"), l.pick(nil, []string{"T1"}, []string{"T1", "T2", "T3"}), l.line(), l.line())
	if l.IntN(2) == 0 {
		return Keyed(e, key)
	}
	return e
}

// names are those that a carrier may know: of a shipment, a parcel, a trailer, some units, or of a return's parcel.
func (l *life) names() Names {
	switch l.IntN(6) {
	case 0:
		return Names{Shipment: l.one("S1", "S2")}
	case 1:
		return Names{BillOfLading: "BOL-1"}
	case 2:
		return Names{Units: l.pick([]string{"HU1"}, []string{"HU1", "HU2"})}
	case 3:
		return Names{Tracking: l.one("R-R1", "R-R2")}
	case 4:
		return Names{Shipment: l.one("S1", "S2"), Tracking: l.one("T1", "T2")}
	}
	return Names{Tracking: l.one("T1", "T2", "T3", "T9")}
}

func (l *life) trouble(second int, key string) *docklinev1.Event {
	kind := docklinev1.EventKind(int(docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED) + l.IntN(4)) // delayed, refused, lost, damaged
	var lines []*docklinev1.Line
	if l.IntN(3) == 0 {
		lines = l.some()
	}
	e := Said(kind, second, key, l.names(), l.one("", "storm", "wet"), lines...)
	if l.IntN(2) == 0 {
		e.GetTransport().Eta, e.GetTransport().FormerEta = At(100+l.IntN(9)), At(100+l.IntN(9))
		e = finish(e)
	}
	return e
}

func (l *life) proved() []*docklinev1.Line {
	lines := l.some()
	for _, line := range lines {
		if l.IntN(3) == 0 {
			Declined(line, line.GetQuantity().GetValue())
		}
	}
	return lines
}

// authority is what is said of a return before it is there; now and then it names the receipt that came without one.
func (l *life) authority(second int) *docklinev1.Event {
	kind := docklinev1.EventKind(int(docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED) + l.IntN(4)) // requested, authorised, denied, cancelled
	e := RMA(kind, second, l.one("R1", "R2"), l.quantity(3), Order, l.some()...)
	if l.IntN(3) == 0 {
		e.GetReturnAuthorisation().ExpiresAt = At(30)
	}
	if l.IntN(3) == 0 {
		e = Matching(e, "RC9")
	}
	return finish(e)
}

// back is goods that are there again, under a number or without one.
func (l *life) back(second int, key string) *docklinev1.Event {
	kind := docklinev1.EventKind(int(docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED) + l.IntN(3)) // received, inspected, disposed
	line := l.line()
	line.Condition, line.Claim = l.one("good", "damaged", ""), l.one("", "CL1")
	line.Disposition = l.one("restock", "scrap", "quarantine", "refurbish", "to_vendor")
	return Back(kind, second, key, l.one("R1", "R2", ""), l.one("RC9", "RC8"), line)
}

// inbound is what a supplier sends, known by its purchase order, or only by its advice.
func (l *life) inbound(second int, key string) *docklinev1.Event {
	kind := docklinev1.EventKind(int(docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED) + l.IntN(4)) // advised, arrived, received, not as announced
	in := &docklinev1.Inbound{Advice: l.one("", "ASN1"), PurchaseOrder: l.one("PO7", "PO7", ""), Supplier: "V1"}
	if in.Advice == "" && in.PurchaseOrder == "" {
		in.PurchaseOrder = "PO7"
	}
	if kind != docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED {
		in.Number = l.one("G1", "G2")
	}
	for range l.IntN(3) {
		line := l.line()
		line.Order, line.Condition, line.Claim = in.PurchaseOrder, l.one("", "", "damaged"), l.one("", "CL2")
		line.Reason = l.one("", "short", "over", "wrong_item")
		if l.IntN(3) == 0 {
			line.Expected = &docklinev1.Quantity{Value: l.quantity(4)}
		}
		in.Lines = append(in.Lines, line)
	}
	return Inbound(kind, second, key, in)
}
