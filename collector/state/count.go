package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// CountFold is one count folded from its facts.
type CountFold struct {
	State *docklinev1.CountState
	// Facts are the events that count; Former those that a revision of their record, or a recount, has replaced.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
	// Decided are what an approver said of it, the last one holding.
	Decided []*docklinev1.Event
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
		if e.GetCountApproval() != nil {
			fold.decide(e)
			continue
		}
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
		fold.State.Decision, fold.State.Approver, fold.State.DecidedBy = "", "", "" // it was about what was counted before
		fold.State.AsOf, fold.State.AsOfMovement = e.GetOccurredAt(), max(fold.State.AsOfMovement, e.GetMovement())
	}
	for _, line := range lines {
		fold.State.Lines = append(fold.State.Lines, line)
	}
	slices.SortFunc(fold.State.Lines, func(a, b *docklinev1.CountLineState) int { return cmp.Compare(a.StockKey, b.StockKey) })
	fold.Findings = force.found.sorted()
	return fold
}

// decide notes what an approver said. It holds for what was counted until then.
func (f *CountFold) decide(e *docklinev1.Event) {
	f.Decided = append(f.Decided, e)
	f.State.Decision, f.State.Approver, f.State.DecidedBy = e.GetCountApproval().GetDecision(), e.GetCountApproval().GetApprover(), e.GetId()
}

// superseded tells whether a recount has taken the place of every line of a count.
func superseded(e *docklinev1.Event, highest map[string]uint32, m Mapping) bool {
	return !slices.ContainsFunc(e.GetCount().GetLines(), func(line *docklinev1.Line) bool {
		return highest[countKey(e, line, m)] <= e.GetCount().GetRecount()
	})
}

func countKey(e *docklinev1.Event, line *docklinev1.Line, m Mapping) string {
	return bucketOf(e, e.GetSite(), line, m).Key()
}
