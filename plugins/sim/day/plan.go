package day

import (
	"hash/fnv"
	"math/rand/v2"
)

// step is one piece of work that an order gives.
type step struct {
	kind Kind
	// line is the index of the order's line, for a pick.
	line int
	// ask is how much the pick is to bring, bring how much it will find at most.
	ask, bring Micro
	// countAfter: the bin is counted after the pick; off is what will be seen beside the book.
	countAfter bool
	off        Micro
	reason     string
}

// random is a source that depends on nothing but seed, site and name, so that work does not depend on the order of arrival.
func random(seed uint64, site, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(site + "\x00" + name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

var shortReasons = []string{"bin empty", "damaged", "not found"}

// plan is the whole work of an order: picks, a pack and a shipment; then what was left for a second shipment.
func plan(c Config, o Order) []step {
	r := random(c.Seed, c.Site, o.Number)
	percent := func(p int) bool { return r.IntN(100) < p }
	partial := len(o.Lines) > 1 && percent(c.PartialPercent)
	var first, later []step
	for i, line := range o.Lines {
		if line.Quantity <= 0 {
			continue
		}
		pick := step{kind: Pick, line: i, ask: line.Quantity, bring: line.Quantity}
		if percent(c.CountPercent) {
			pick.countAfter = true
			if percent(33) {
				pick.off = Units(int64(r.IntN(5) - 2))
			}
		}
		switch {
		case percent(c.ShortPercent):
			pick.bring = Units(int64(r.IntN(int(line.Quantity/1_000_000) + 1)))
			if pick.bring == pick.ask {
				pick.bring = 0
			}
			pick.reason = shortReasons[r.IntN(len(shortReasons))]
			first = append(first, pick)
			if percent(50) {
				rest := pick.ask - pick.bring
				later = append(later, step{kind: Pick, line: i, ask: rest, bring: rest})
			}
		case partial && percent(50):
			later = append(later, pick)
		default:
			first = append(first, pick)
		}
	}
	var steps []step
	for _, picks := range [][]step{first, later} {
		if len(picks) > 0 {
			steps = append(append(steps, picks...), step{kind: Pack}, step{kind: Ship})
		}
	}
	return steps
}
