package state

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Group stands for many facts of one order that mean the same to its fold: picks of one line of the order, each told once. What tells them
// apart, their id, time, record and bin, a fold asks for only where goods have left; it then wants the facts themselves (OrderFold.Whole).
type Group struct {
	// Quantities says how many facts there are of each quantity, as the source writes it.
	Quantities map[string]int64
	// First is the first of them by time and id alone. The event of the fact that stands for them has time, number and id of the oldest as facts
	// are ordered.
	First Happening
	// Newest are the newest of them, the oldest first: all, or at least as many as a status names.
	Newest []Happening
}

// Happening is when something happened, by what facts are ordered.
type Happening struct {
	At       time.Time
	Movement uint64
	ID       string
}

// HappeningOf is when an event happened.
func HappeningOf(e *docklinev1.Event) Happening {
	return Happening{occurred(e), e.GetMovement(), e.GetId()}
}

// Compare orders happenings as facts are.
func (h Happening) Compare(other Happening) int {
	return cmp.Or(h.At.Compare(other.At), cmp.Compare(h.Movement, other.Movement), cmp.Compare(h.ID, other.ID))
}

// CompareFirst orders happenings by time and id alone.
func (h Happening) CompareFirst(other Happening) int {
	return cmp.Or(h.At.Compare(other.At), cmp.Compare(h.ID, other.ID))
}

// MostNewest is how many happenings a group must know, where it has as many: as many as a status names.
const MostNewest = mostStatusFacts

// Count is how many facts there are.
func (g *Group) Count() (n int64) {
	for _, count := range g.Quantities {
		n += count
	}
	return n
}

// Counted is how many facts a fact stands for.
func (f Fact) Counted() int64 {
	if f.Group == nil {
		return 1
	}
	return f.Group.Count()
}

// Grouped is what a fact of an order has in common with those that mean the same, and its quantity. ok is false where it cannot stand in a
// group. Whoever groups facts must see to it that no other fact of the key names the same record or event.
func Grouped(e *docklinev1.Event) (like *docklinev1.Event, quantity string, ok bool) {
	lines := e.GetPick().GetLines()
	if e.GetKind() != docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED || len(lines) != 1 || e.GetDoubleOf() != "" || e.GetId() == "" || len(e.GetCustom()) > 0 || event.IsCorrection(e) {
		return nil, "", false
	}
	line := lines[0]
	quantity = line.GetQuantity().GetValue()
	if n, err := event.ParseQuantity(quantity); err != nil || n < 0 {
		return nil, "", false
	}
	return &docklinev1.Event{Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), Kind: e.GetKind(),
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Lines: []*docklinev1.Line{{Order: line.GetOrder(), OrderLine: line.GetOrderLine(),
			Item: line.GetItem(), Gtin: line.GetGtin(), Quantity: &docklinev1.Quantity{Unit: line.GetQuantity().GetUnit()}}}}}}, quantity, true
}

// sum adds up a group's line in the base unit; ok is false where that of any fact could not be worked out.
func (g *Group) sum(m Mapping, like *docklinev1.Event) (item string, base int64, ok bool) {
	line := like.GetPick().GetLines()[0]
	for _, value := range slices.Sorted(maps.Keys(g.Quantities)) {
		of, each, fault := quantity(m, like, line, &docklinev1.Quantity{Value: value, Unit: line.GetQuantity().GetUnit()})
		if fault != nil {
			return "", 0, false
		}
		item, base = of, base+each*g.Quantities[value]
	}
	return item, base, true
}

// pickGroup counts the picks of a group. Where it matters which of them comes first, or one of them would be a finding, the fold wants them
// one by one.
func (f *orderFold) pickGroup(g *Group, like *docklinev1.Event) {
	item, base, ok := g.sum(f.mapping, like)
	if !ok {
		f.out.Whole = true
		return
	}
	candidates, _ := f.candidates(like.GetPick().GetLines()[0], item)
	if len(candidates) != 1 {
		f.out.Whole = true
		return
	}
	f.add(candidates[0], picked, base)
}

// groupsReached notes how far the order came with the picks of groups. When all of a line was picked only the picks themselves tell.
func (f *orderFold) groupsReached() {
	for _, at := range slices.Sorted(maps.Keys(f.groups)) {
		first := f.groups[at].First
		f.reached(ReachedPicking, &docklinev1.Event{Id: first.ID, OccurredAt: timestamppb.New(first.At)}, false)
	}
	short := slices.ContainsFunc(f.out.State.Lines, func(l *docklinev1.OrderLineState) bool { return l.Net > 0 && max(l.Picked, l.Packed) < l.Net })
	f.out.Whole = f.out.Whole || len(f.groups) > 0 && !short
}

// group notes which of the facts in force stand for many.
func (f *orderFold) group(facts []Fact) {
	for i, fact := range facts {
		if fact.Group != nil {
			if f.groups == nil {
				f.groups = make(map[int32]*Group)
			}
			f.groups[int32(i)] = fact.Group
		}
	}
}

// needsEach tells whether what is known only after the facts were counted asks for the facts of groups one by one: which goods left, what an
// order's lines are that nobody has told of.
func (f *orderFold) needsEach() bool {
	return len(f.groups) > 0 && (f.out.Order == nil || len(f.out.Issues) > 0)
}

// newest are the ids of the newest of some facts, by place, oldest first, and how many they are.
func (f *orderFold) newest(facts []int32) (ids []string, n uint32) {
	var list []Happening
	single := 0
	for _, at := range slices.Backward(facts) {
		g := f.groups[at]
		if g == nil {
			n++
			if single++; single <= mostStatusFacts { // they come in their order, the newest first
				list = append(list, HappeningOf(f.out.Facts[at]))
			}
			continue
		}
		n += uint32(g.Count())
		list = append(list, g.Newest...)
	}
	slices.SortFunc(list, Happening.Compare)
	for _, h := range list[max(0, len(list)-mostStatusFacts):] {
		ids = append(ids, h.ID)
	}
	return ids, n
}
