// Package history makes random histories of what happens in distribution, of every kind of event, and says of each what must come of it
// whatever the order in which it is told.
package history

import (
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	//lint:ignore ST1001 the words in which tests tell of a day
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// History is what happened to two orders, the bins that they are picked from and what belongs to them. An event's place is its place in the
// site's journal.
type History struct {
	Events []*docklinev1.Event
	Truth  Truth
}

// Truth is what a history comes to, by plain sums over what its records say in the end.
type Truth struct {
	// Shipped and Voided are in pieces, by order and order line. Voided is never more than Shipped.
	Shipped, Voided map[string]int64
	// Departed are the shipments that left, with those that were taken back whole.
	Departed map[string]bool
	// Known are the orders of which a system of record has told; of others nothing is counted.
	Known map[string]bool
}

// LineName names a line in a Truth.
func LineName(order, line string) string { return order + "/" + line }

// Orders are those that histories tell of, each with the items of its lines 1, 2 and 3.
var Orders = map[string][]string{"SO1": {"A", "B", "A"}, "SO2": {"B", "C", "A"}}

// teller makes one history.
type teller struct {
	*rand.Rand
	History
	records int
	// takenBack are the lines of shipments that were taken back whole, and not delivered all the same.
	takenBack map[string][]*docklinev1.Line
}

// Random makes the history of a seed.
func Random(seed uint64) *History {
	t := &teller{Rand: rand.New(rand.NewPCG(seed, 59)), takenBack: make(map[string][]*docklinev1.Line)}
	t.Truth = Truth{Shipped: map[string]int64{}, Voided: map[string]int64{}, Departed: map[string]bool{}, Known: map[string]bool{}}
	t.tell(Snapshot(0, In(L("", "", "A", "90"), "B-01", ""), In(L("", "", "B", "90"), "B-01", ""), In(L("", "", "C", "90"), "B-02", "L7")))
	t.order("SO1")
	t.order("SO2")
	acts := []func(){t.pick, t.pick, t.pick, t.shortPick, t.substitution, t.pack, t.reopen, t.ship, t.ship, t.void, t.count, t.result, t.load, t.transport, t.transport,
		t.delivery, t.invoice, t.comeBack, t.inbound, t.stockDeed, t.allocation, t.hold, t.refused, t.declared, t.foreign, t.foreign}
	for range 6 + t.IntN(18) {
		acts[t.IntN(len(acts))]()
	}
	return &t.History
}

func (t *teller) second() int { return 1 + t.IntN(600) }

func (t *teller) few() int64 { return 1 + t.Int64N(4) }

func (t *teller) key(prefix string) string {
	t.records++
	return fmt.Sprintf("%s%d", prefix, t.records)
}

// chance is one in n.
func (t *teller) chance(n int) bool { return t.IntN(n) == 0 }

func (t *teller) tell(e *docklinev1.Event) { t.Events = append(t.Events, e) }

// record tells a record: once; or in several revisions, of which the last counts, told in whatever order; now and then the same again, as a
// second scan, or with another body under its id.
func (t *teller) record(key string, version func(n int) *docklinev1.Event) {
	versions := 1
	if t.chance(4) {
		versions += 1 + t.IntN(2)
	}
	var last *docklinev1.Event
	for n := range versions {
		last = Keyed(version(n), key)
		if versions > 1 {
			last = Revised(last, fmt.Sprint(9+n))
		}
		if t.chance(3) {
			last = Moved(last, uint64(1+t.IntN(60)))
		}
		t.tell(last)
	}
	if t.chance(8) && last.GetShipment() == nil && last.GetShipmentVoid() == nil {
		twin := proto.CloneOf(last)
		twin.Actor = "op-2"
		t.tell(twin)
	}
	if t.chance(8) && versions == 1 {
		double := Keyed(proto.CloneOf(last), key+"-again")
		double.DoubleOf = last.GetId()
		t.tell(double)
	}
}

// line is a line of one of the orders, from the bin where its item is.
func (t *teller) line() *docklinev1.Line {
	order, number := fmt.Sprintf("SO%d", 1+t.IntN(2)), t.IntN(3)
	item := Orders[order][number]
	bin, lot := "B-01", ""
	if item == "C" {
		bin, lot = "B-02", "L7"
	}
	return In(L(order, fmt.Sprint(number+1), item, fmt.Sprint(t.few())), bin, lot)
}

func (t *teller) lines() []*docklinev1.Line {
	lines := []*docklinev1.Line{t.line()}
	if t.chance(2) {
		lines = append(lines, t.line())
	}
	return lines
}

// of are lines of one order.
func of(order string, lines []*docklinev1.Line) []*docklinev1.Line {
	for _, l := range lines {
		var at int
		fmt.Sscan(l.OrderLine, &at)
		l.Order, l.Item = order, Orders[order][at-1]
		if l.Bin, l.Lot = "B-01", ""; l.Item == "C" {
			l.Bin, l.Lot = "B-02", "L7"
		}
	}
	return lines
}

func (t *teller) someOrder() string { return fmt.Sprintf("SO%d", 1+t.IntN(2)) }
