package state

import (
	"cmp"
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// CountFold is one count folded from its facts.
type CountFold struct {
	State *docklinev1.CountState
	// Facts are the events that count; Former those that a revision of their record, or a recount, has replaced.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
	// Decided are what an approver said of it, the last one holding; Rejected those of Facts of which he accepted nothing.
	Decided  []*docklinev1.Event
	Rejected []*docklinev1.Event
}

// FoldCount folds the facts of one count. Of the lines of one bucket those of the highest recount hold; several lines of one
// recount are parts of what lay there. Where the number was used again (sittings), each use has lines of its own.
func FoldCount(site, number string, facts []Fact, m Mapping) CountFold {
	force := inForce(facts)
	fold := CountFold{State: &docklinev1.CountState{Number: number, Site: site}, Former: force.former()}
	c := &countFold{out: &fold, mapping: m, found: force.found, lines: make(map[sittingKey]*countLine)}
	c.divide(force.Facts)
	for _, fact := range force.Facts {
		if fact.Event.GetCountApproval() != nil {
			c.decide(fact.Event)
		} else {
			c.observe(fact.Event)
		}
	}
	c.finish()
	fold.Findings = force.found.sorted()
	return fold
}

// countFold is the work of one FoldCount.
type countFold struct {
	out     *CountFold
	mapping Mapping
	found   findings
	lines   map[sittingKey]*countLine
	// sittings are those of each bucket; runs, ascending, begin where the number as a whole is used again.
	sittings map[string]*sittings
	runs     []time.Time
}

// sittingKey is one bucket in one use of the number.
type sittingKey struct {
	bucket string
	began  int64 // Unix microseconds
}

type countLine struct {
	*docklinev1.CountLineState
	last time.Time // when a part of it was counted last
}

// divide finds how often each bucket was counted under the number, and where the number as a whole was used again: where a bucket of a block was
// counted before, or a week lies between them. A block is what was counted without a pause.
func (c *countFold) divide(facts []Fact) {
	c.sittings = make(map[string]*sittings)
	var block, last time.Time
	again := false
	for _, fact := range facts {
		e := fact.Event
		if e.GetCountApproval() != nil || len(e.GetCount().GetLines()) == 0 {
			continue
		}
		if at := occurred(e); block.IsZero() || at.Sub(last) > pause {
			again = block.IsZero() || at.Sub(last) > longPause
			if block, last = at, at; again {
				c.runs = append(c.runs, block)
			}
		}
		last = occurred(e)
		for _, line := range e.GetCount().GetLines() {
			key := countKey(e, line, c.mapping)
			if c.sittings[key] == nil {
				c.sittings[key] = &sittings{}
			}
			if c.sittings[key].add(e) && !again {
				again = true
				c.runs = append(c.runs, block)
			}
		}
	}
}

func (c *countFold) observe(e *docklinev1.Event) {
	fold, held, superseded := c.out, false, len(e.GetCount().GetLines()) > 0
	for _, line := range e.GetCount().GetLines() {
		key := countKey(e, line, c.mapping)
		sitting := c.sittings[key].of(e)
		superseded = superseded && e.GetCount().GetRecount() < sitting.recount
		item, base, fault := quantity(c.mapping, e, line, line.GetQuantity())
		if fault != nil {
			c.found.add(fault)
			continue
		}
		if e.GetCount().GetRecount() < sitting.recount {
			continue
		}
		held = true
		at := sittingKey{key, sitting.began.UnixMicro()}
		if c.lines[at] == nil {
			c.lines[at] = &countLine{CountLineState: &docklinev1.CountLineState{Bin: line.GetBin(), Item: item, Lot: line.GetLot(), StockKey: key, Again: sitting.again()}}
		}
		c.lines[at].Counted += base
		c.lines[at].Decision, c.lines[at].last = "", occurred(e)
	}
	if !held && superseded {
		fold.Former = append(fold.Former, e)
		return
	}
	fold.Facts = append(fold.Facts, e)
	fold.State.Decision, fold.State.Approver, fold.State.DecidedBy = "", "", "" // it was about what was counted before
	fold.State.AsOf, fold.State.AsOfMovement = e.GetOccurredAt(), max(fold.State.AsOfMovement, e.GetMovement())
}

// decide notes what an approver said. It holds for what was counted until then in the same use of the number.
func (c *countFold) decide(e *docklinev1.Event) {
	f, approval := c.out, e.GetCountApproval()
	f.Decided = append(f.Decided, e)
	f.State.Decision, f.State.Approver, f.State.DecidedBy = approval.GetDecision(), approval.GetApprover(), e.GetId()
	var run time.Time
	for _, began := range c.runs {
		if !began.After(occurred(e)) {
			run = began
		}
	}
	for _, line := range c.lines {
		if !line.last.Before(run) {
			line.Decision = approval.GetDecision()
		}
	}
}

// finish lists the lines. A decision is told with a line where it is not that of the count.
func (c *countFold) finish() {
	f := c.out
	for _, e := range f.Facts {
		lines := e.GetCount().GetLines()
		if len(lines) > 0 && !slices.ContainsFunc(lines, func(line *docklinev1.Line) bool { return c.decisionOn(e, line) != DecisionReject }) {
			f.Rejected = append(f.Rejected, e)
		}
	}
	for _, line := range c.lines {
		switch line.Decision {
		case f.State.Decision:
			line.Decision = ""
		case "":
			line.Decision = undecided
		}
		f.State.Lines = append(f.State.Lines, line.CountLineState)
	}
	slices.SortFunc(f.State.Lines, func(a, b *docklinev1.CountLineState) int {
		return cmp.Or(cmp.Compare(a.StockKey, b.StockKey), a.Again.AsTime().Compare(b.Again.AsTime()))
	})
}

func (c *countFold) decisionOn(e *docklinev1.Event, line *docklinev1.Line) string {
	key := countKey(e, line, c.mapping)
	if l := c.lines[sittingKey{key, c.sittings[key].of(e).began.UnixMicro()}]; l != nil {
		return l.Decision
	}
	return ""
}

// undecided is of a line about which nothing was decided, of a count about which something was.
const undecided = "none"

// DecisionOf is what was decided about a line of a count, "" for nothing.
func DecisionOf(s *docklinev1.CountState, line *docklinev1.CountLineState) string {
	if line.GetDecision() == undecided {
		return ""
	}
	return cmp.Or(line.GetDecision(), s.GetDecision())
}

func countKey(e *docklinev1.Event, line *docklinev1.Line, m Mapping) string {
	return bucketOf(e, e.GetSite(), line, m).Key()
}
