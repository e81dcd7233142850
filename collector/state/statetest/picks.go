package statetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// PickedLife is a random life of the order SO1 of which most is picks, each told once: what very many facts of an order are. Some are told again,
// revised, doubled or declared an error, and some name no line; mostly nothing has left yet. The same numbers give the same life.
func PickedLife(random *rand.Rand) []*docklinev1.Event {
	l := &life{random}
	events := OrderLife(random)
	if random.IntN(4) > 0 {
		events = slices.DeleteFunc(events, func(e *docklinev1.Event) bool { return e.GetShipment() != nil || e.GetShipmentVoid() != nil })
	}
	if random.IntN(8) > 0 { // only of an order that somebody has told of picks are alike
		e := l.order(9)
		for _, line := range e.GetOrder().GetLines() {
			if random.IntN(3) > 0 {
				line.Quantity.Value += "0" // so that not all of it is picked
			}
		}
		events = append(slices.DeleteFunc(events, func(e *docklinev1.Event) bool { return e.GetOrder() != nil && random.IntN(3) > 0 }), e)
	}
	named := random.IntN(4) > 0 // every pick names its line
	if named {
		for _, e := range events {
			for _, line := range e.GetPick().GetLines() {
				line.OrderLine = cmp.Or(line.GetOrderLine(), "2")
			}
		}
	}
	var picks []*docklinev1.Event
	for i := range 5 + random.IntN(40) {
		number := l.one("1", "2", "2", "3")
		e := Pick(random.IntN(400), fmt.Sprintf("pick-%d", i), In(L(Order, number, map[string]string{"1": "A", "2": "B", "3": "A"}[number], l.one("1", "1", "2", "0.5", "0")), "B-0"+l.quantity(9), l.one("", "L1", "L2")))
		switch random.IntN(20) {
		case 0:
			if !named {
				e.GetPick().GetLines()[0].OrderLine = ""
			}
		case 1:
			e = Moved(e, uint64(1+random.IntN(60)))
		}
		picks = append(picks, e)
	}
	for _, e := range picks {
		events = append(events, e)
		switch random.IntN(24) {
		case 0: // corrected
			e = Revised(proto.CloneOf(e), "2")
			e.GetPick().GetLines()[0].Quantity.Value = l.quantity(3)
			events = append(events, finish(e))
		case 1: // corrected to another order
			e = Revised(proto.CloneOf(e), "2")
			e.GetPick().GetLines()[0].Order = "SO2"
			events = append(events, finish(e))
		case 2: // changed without a revision
			e = proto.CloneOf(e)
			e.GetPick().GetLines()[0].Quantity.Value = l.quantity(3)
			events = append(events, finish(e))
		case 3: // scanned twice
			second := Pick(random.IntN(60), e.GetSourceKey()+"-again", proto.CloneOf(e.GetPick().GetLines()[0]))
			second.DoubleOf = e.GetId()
			events = append(events, second)
		case 4: // one id with two contents
			e = proto.CloneOf(e)
			e.GetPick().GetLines()[0].Quantity.Value = l.quantity(3)
			events = append(events, e)
		case 5:
			wrong := InError(50, "wrong-"+e.GetSourceKey(), e)
			if events = append(events, wrong); random.IntN(3) == 0 {
				events = append(events, InError(55, "right-"+e.GetSourceKey(), wrong))
			}
		}
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}
