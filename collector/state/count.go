package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// CountFold is one count folded from its facts.
type CountFold struct {
	State *docklinev1.CountState
	// Facts are the events that count; Former those that a revision of their record, or a recount, has replaced.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
}

// FoldCount folds the facts of one count. Of the lines of one bucket those of the highest recount hold; several lines of one
// recount are parts of what lay there.
func FoldCount(site, number string, facts []Fact, m Mapping) CountFold {
	force := inForce(facts)
	fold := CountFold{State: &docklinev1.CountState{Number: number, Site: site}, Former: force.former()}
	lines := make(map[string]*docklinev1.CountLineState)
	highest := make(map[string]uint32)
	for _, fact := range force.Facts {
		for _, line := range fact.Event.GetCount().GetLines() {
			if key := countKey(fact.Event, line, m); key != "" {
				highest[key] = max(highest[key], fact.Event.GetCount().GetRecount())
			}
		}
	}
	for _, fact := range force.Facts {
		e, held := fact.Event, false
		for _, line := range e.GetCount().GetLines() {
			item, base, fault := quantity(m, e, line, line.GetQuantity())
			if fault != nil {
				force.found.add(fault)
				continue
			}
			key := countKey(e, line, m)
			if e.GetCount().GetRecount() < highest[key] {
				continue
			}
			held = true
			if lines[key] == nil {
				lines[key] = &docklinev1.CountLineState{Bin: line.GetBin(), Item: item, Lot: line.GetLot(), StockKey: key}
			}
			lines[key].Counted += base
		}
		if !held && len(e.GetCount().GetLines()) > 0 && superseded(e, highest, m) {
			fold.Former = append(fold.Former, e)
			continue
		}
		fold.Facts = append(fold.Facts, e)
		fold.State.AsOf, fold.State.AsOfMovement = e.GetOccurredAt(), max(fold.State.AsOfMovement, e.GetMovement())
	}
	for _, line := range lines {
		fold.State.Lines = append(fold.State.Lines, line)
	}
	slices.SortFunc(fold.State.Lines, func(a, b *docklinev1.CountLineState) int { return cmp.Compare(a.StockKey, b.StockKey) })
	fold.Findings = force.found.sorted()
	return fold
}

// superseded tells whether a recount has taken the place of every line of a count.
func superseded(e *docklinev1.Event, highest map[string]uint32, m Mapping) bool {
	return !slices.ContainsFunc(e.GetCount().GetLines(), func(line *docklinev1.Line) bool {
		return highest[countKey(e, line, m)] <= e.GetCount().GetRecount()
	})
}

func countKey(e *docklinev1.Event, line *docklinev1.Line, m Mapping) string {
	return event.StockKey(e.GetSite(), line.GetBin(), stockItem(m, e.GetSite(), line), line.GetLot(), line.GetStockStatus())
}
