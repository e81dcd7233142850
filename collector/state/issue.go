package state

import (
	"cmp"
	"maps"
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Issue is what one shipment took of one order.
type Issue struct {
	Shipment *docklinev1.ShipmentState
	// Lines are by order line, lot and bin, quantities in the base unit.
	Lines []*docklinev1.DocumentLine
	// EventIDs are the shipment's events and those of the picks and packs whose goods it took, sorted.
	EventIDs []string
	// Unpicked, in millionths, is what left without a pick that explains it: the pick is still on its way, or never told.
	Unpicked int64
	// Unresolved: some line of the shipment could not be told apart and is not in Lines.
	Unresolved bool
	// Over names the lines of which more had left with this shipment than was ordered.
	Over []Over
	// DepartedAt and Movement are when it left; Movement is 0 where the source has none.
	DepartedAt time.Time
	Movement   uint64
	// Voided: all that it took was taken back.
	Voided bool
	// Children are the places, in State.Lines, of lines that it took and that stand for others.
	Children []int

	key string
}

// Over is a line of which too much had left.
type Over struct {
	// Line is the line's place in State.Lines; Quantity, in millionths, is how much more than ordered has left in all.
	Line     int
	Quantity int64
}

// want is goods of one line that a shipment took, and where they came from.
type want struct {
	movement
	told  int64 // before anything was taken back
	rest  int64
	parts []part
}

type part struct {
	from *movement
	base int64
}

// issue divides what left into shipments, and finds for each the picks and packs whose goods it took.
func (f *orderFold) issue() {
	groups := make(map[string][]movement)
	for _, m := range f.shipments {
		key := event.ShipmentKey(m.event.GetSite(), m.event.GetShipment().GetNumber())
		groups[key] = append(groups[key], m)
	}
	for key := range f.unresolved {
		groups[key] = slices.Clip(groups[key]) // a shipment of which no line could be told apart is still one
	}
	var keys []string
	for key := range groups {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	byShipment := make(map[string][]*want)
	for _, key := range keys {
		issue := Issue{Shipment: f.shipment(key), Unresolved: f.unresolved[key], key: key}
		f.numbered[issue.Shipment.GetNumber()] = append(f.numbered[issue.Shipment.GetNumber()], key)
		for _, e := range f.departed[key] {
			issue.EventIDs = append(issue.EventIDs, e.GetId())
			issue.Movement = max(issue.Movement, e.GetMovement())
			issue.DepartedAt = later(issue.DepartedAt, occurred(e))
		}
		f.out.Issues = append(f.out.Issues, issue)
		for _, m := range groups[key] {
			byShipment[key] = append(byShipment[key], &want{movement: m, told: m.base})
		}
	}
	f.carried = byShipment
	f.takeBackShipments(byShipment)
	slices.SortStableFunc(f.out.Issues, func(a, b Issue) int { return a.DepartedAt.Compare(b.DepartedAt) })
	var wants []*want
	for _, issue := range f.out.Issues {
		wants = append(wants, byShipment[issue.key]...)
	}
	f.attribute(wants, byShipment)
}

// attribute finds the goods of each shipment, fills its lines and notes where more left than was ordered.
func (f *orderFold) attribute(wants []*want, byShipment map[string][]*want) {
	allocate(f.packs, wants)
	packedBy := make(map[*want][]part)
	for _, w := range wants {
		packedBy[w], w.parts = w.parts, nil
	}
	allocate(f.picks, wants)
	gone := make(map[int]int64)
	for i := range f.out.Issues {
		issue := &f.out.Issues[i]
		mine := byShipment[issue.key]
		for _, w := range mine {
			gone[w.at] += w.base
			issue.Unpicked += w.rest
			for _, p := range append(slices.Clone(w.parts), packedBy[w]...) {
				issue.EventIDs = append(issue.EventIDs, p.from.event.GetId())
			}
		}
		for _, at := range f.voids {
			if f.voidedShipment(f.out.Facts[at]) == issue.key {
				issue.EventIDs = append(issue.EventIDs, f.out.Facts[at].GetId())
			}
		}
		issue.EventIDs = sortedSet(issue.EventIDs)
		issue.Voided = len(mine) > 0 && !issue.Unresolved && !slices.ContainsFunc(mine, func(w *want) bool { return w.base > 0 }) && f.tookBack(mine)
		issue.Lines = f.documentLines(mine)
		if f.out.Order == nil {
			continue
		}
		moved := make(map[int]bool)
		for _, w := range mine {
			if w.base > 0 {
				moved[w.at] = true
			}
		}
		for _, at := range slices.Sorted(maps.Keys(moved)) {
			line := f.out.State.Lines[at]
			if over := gone[at] - wanted(line); over > 0 {
				issue.Over = append(issue.Over, Over{at, over})
			}
			if line.StandsForLine != "" {
				issue.Children = append(issue.Children, at)
			}
		}
	}
}

// allocate divides the goods of earlier movements among wants: first those in the same handling unit, then the oldest. Goods
// moved after a shipment left cannot have been on it.
func allocate(sources []movement, wants []*want) {
	left, byPlace := make([]int64, len(sources)), make(map[int][]int)
	for i, source := range sources {
		left[i] = source.base
		byPlace[source.at] = append(byPlace[source.at], i)
	}
	for _, w := range wants {
		w.rest = w.base
	}
	take := func(w *want, fits func(*movement) bool) {
		for _, i := range byPlace[w.at] {
			source := &sources[i]
			if w.rest == 0 {
				return
			}
			if left[i] == 0 || !sameLot(source.line, w.line) || after(source.event, w.event) || !fits(source) {
				continue
			}
			n := min(left[i], w.rest)
			left[i] -= n
			w.rest -= n
			w.parts = append(w.parts, part{source, n})
		}
	}
	for _, w := range wants {
		if unit := w.line.GetHandlingUnit(); unit != "" {
			take(w, func(m *movement) bool { return m.line.GetHandlingUnit() == unit })
		}
	}
	for _, w := range wants {
		take(w, func(*movement) bool { return true })
	}
}

// sameLot: a line that names no lot may be of any.
func sameLot(a, b *docklinev1.Line) bool {
	return a.GetLot() == b.GetLot() || a.GetLot() == "" || b.GetLot() == ""
}

// after tells whether a happened after b, by the site's movement numbers where both have one.
func after(a, b *docklinev1.Event) bool {
	if a.GetMovement() > 0 && b.GetMovement() > 0 && a.GetSite() == b.GetSite() {
		return a.GetMovement() > b.GetMovement()
	}
	return occurred(a).After(occurred(b))
}

// documentLines sums what a shipment took by order line, lot and bin.
func (f *orderFold) documentLines(wants []*want) []*docklinev1.DocumentLine {
	type bucket struct {
		at       int
		lot, bin string
	}
	sums, serials := make(map[bucket]int64), make(map[bucket][]string)
	taken := make(map[bucket]bool) // of a want that was taken back
	for _, w := range wants {
		first := bucket{w.at, w.line.GetLot(), ""}
		for i, p := range w.parts {
			b := bucket{w.at, cmp.Or(w.line.GetLot(), p.from.line.GetLot()), p.from.line.GetBin()}
			if i == 0 {
				first = b
			}
			sums[b] += p.base
			if len(w.line.GetSerials()) == 0 {
				serials[b] = append(serials[b], p.from.line.GetSerials()...)
			}
		}
		if w.rest > 0 {
			sums[bucket{w.at, w.line.GetLot(), ""}] += w.rest
		}
		if w.base == 0 && w.told > 0 {
			taken[first] = true
			continue
		}
		serials[first] = append(serials[first], w.line.GetSerials()...)
	}
	var lines []*docklinev1.DocumentLine
	for b, sum := range sums {
		if sum == 0 && taken[b] {
			continue
		}
		line := f.out.State.Lines[b.at]
		lines = append(lines, &docklinev1.DocumentLine{OrderLine: line.OrderLine, Item: line.Item, Quantity: event.FormatQuantity(sum),
			Lot: b.lot, Bin: b.bin, Serials: sortedSet(serials[b])})
	}
	place := func(l *docklinev1.DocumentLine) int { return f.places[placeKey{l.Item, l.OrderLine, true}][0] }
	slices.SortFunc(lines, func(a, b *docklinev1.DocumentLine) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Lot, b.Lot), cmp.Compare(a.Bin, b.Bin))
	})
	return lines
}

// tookBack tells whether goods were taken back, as opposed to a shipment that had none.
func (f *orderFold) tookBack(mine []*want) bool {
	return slices.ContainsFunc(mine, func(w *want) bool { return f.out.State.Lines[w.at].Voided > 0 && w.told > 0 })
}

func (f *orderFold) shipment(key string) *docklinev1.ShipmentState {
	state := &docklinev1.ShipmentState{}
	for _, e := range f.departed[key] {
		addDeparture(state, e)
	}
	sortLines(state.Lines)
	return state
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
