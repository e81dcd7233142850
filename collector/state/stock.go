package state

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Standings of a count's variance. The fold itself says only recount or waiting; final is for who knows how far the site's
// streams are complete.
const (
	StandingWaiting = "waiting"
	StandingFinal   = "final"
	StandingRecount = "recount"
	// StandingRejected is of a count that its approver did not accept.
	StandingRejected = "rejected"
)

// Decisions about a count.
const (
	DecisionApprove = "approve"
	DecisionReject  = "reject"
	DecisionRecount = "recount"
)

// StockFold is one bucket folded from all its facts.
type StockFold struct {
	State *docklinev1.StockState
	// Asserted has one entry for each variance of State, in its order.
	Asserted []Asserted
	Findings []Finding
	Facts    []*docklinev1.Event
}

// Asserted is what a count said of this bucket.
type Asserted struct {
	// Count is its number; Use.Name is what it is known by.
	Use
	EventIDs []string
	// Last is the event that gives the count its moment.
	Last *docklinev1.Event
	// Tied are the movements that may have been before or after it, by event id.
	Tied []string
}

// Book is what movements have brought into a bucket, less what they took away.
type Book interface {
	// Moved is all of it, Through what of it had happened by a moment, that included.
	Moved() int64
	Through(Moment) int64
	// Near are the events that may have been before or after a moment, since the clocks do not say.
	Near(Moment) []string
}

// Surroundings are what the fold of a bucket depends on beside its own facts.
type Surroundings struct {
	Book Book
	// OpenedBy is the event id of the snapshot that opened the site's stock, "" where that is not known: a bucket of which that snapshot has
	// no line was empty.
	OpenedBy string
	// Decided is what was decided about counts.
	Decided map[Use]string
}

// FoldBucket folds the facts of a bucket on top of its book: openings, counts, and what the site itself booked for these.
//
// The opening holds whatever the time of a movement: the book learns of movements through us only, so at its opening it had none.
func FoldBucket(b Bucket, facts []Fact, m Mapping, around Surroundings) StockFold {
	force := inForce(facts)
	s := &stockFold{mapping: m, found: force.found, around: around, key: b.Key(), sittings: make(map[string]*sittings)}
	s.state = &docklinev1.StockState{Site: b.Site, Bin: b.Bin, Item: b.Item, Lot: b.Lot, StockStatus: b.Status, Owner: b.Owner,
		OpenedBy: around.OpenedBy, Opened: around.OpenedBy != "", Moved: around.Book.Moved()}
	for _, fact := range force.Facts {
		if c := fact.Event.GetCount(); c != nil {
			if s.sittings[c.GetNumber()] == nil {
				s.sittings[c.GetNumber()] = &sittings{}
			}
			s.sittings[c.GetNumber()].add(fact.Event)
		}
	}
	for _, fact := range force.Facts {
		s.facts = append(s.facts, fact.Event)
		s.take(fact.Event)
	}
	asserted := s.compare()
	s.balance()
	if s.state.Opened && s.state.OnHand < 0 && b.Bin != "" && !b.Unmapped() {
		s.found.add(negativeStock(b, s.state.OnHand))
	}
	return StockFold{State: s.state, Asserted: asserted, Findings: s.found.sorted(), Facts: s.facts}
}

type stockFold struct {
	key     string
	mapping Mapping
	around  Surroundings
	state   *docklinev1.StockState
	found   findings
	facts   []*docklinev1.Event
	opening *docklinev1.Event
	counts  []*assertion
	// sittings are the uses of each count number.
	sittings map[string]*sittings
	// booked are what the site itself booked for counts.
	booked []booking
}

// booking is what the site booked for a count, below zero where it took away.
type booking struct {
	event *docklinev1.Event
	count string
	delta int64
}

// assertion is what one count, in its highest recount, saw.
type assertion struct {
	number  string
	sitting *sitting
	counted int64
	events  []*docklinev1.Event
	// at is the event that gives the moment: the last one.
	at       *docklinev1.Event
	variance int64
	stands   bool
}

func (s *stockFold) take(e *docklinev1.Event) {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Count:
		s.assert(e, s.sum(e, p.Count.GetLines()))
	case *docklinev1.Event_Adjustment:
		s.booked = append(s.booked, booking{e, p.Adjustment.GetCount(), s.sum(e, p.Adjustment.GetLines())})
	case *docklinev1.Event_StockSnapshot:
		if s.state.OpenedBy == "" || s.state.OpenedBy == e.GetId() { // later ones are for comparing
			s.state.OpenedBy, s.state.Opened = e.GetId(), true
			s.opening, s.state.Opening = e, s.sum(e, p.StockSnapshot.GetLines())
		}
	}
}

// sum is what the lines come to. An item that the mapping does not know is counted in its own unit, under its own key.
func (s *stockFold) sum(e *docklinev1.Event, lines []*docklinev1.Line) int64 {
	var total int64
	for _, line := range lines {
		item, base, fault := quantity(s.mapping, e, line, line.GetQuantity())
		switch {
		case fault == nil:
			total += base
		case item == "":
			raw, _ := event.ParseQuantity(line.GetQuantity().GetValue())
			total += raw
		case e.GetCount() == nil:
			s.found.add(fault) // that of a count is found where the count is folded
		}
	}
	return total
}

func (s *stockFold) assert(e *docklinev1.Event, counted int64) {
	c := e.GetCount()
	sitting := s.sittings[c.GetNumber()].of(e)
	if c.GetRecount() < sitting.recount {
		return
	}
	i := slices.IndexFunc(s.counts, func(a *assertion) bool { return a.sitting == sitting })
	if i < 0 {
		s.counts = append(s.counts, &assertion{number: c.GetNumber(), sitting: sitting})
		i = len(s.counts) - 1
	}
	a := s.counts[i]
	a.counted += counted
	a.events = append(a.events, e)
	a.at = e
}

// compare works out what each count should have found. A count that stands is what lay there at its moment; movements after it go on
// from there.
func (s *stockFold) compare() []Asserted {
	slices.SortFunc(s.counts, func(a, b *assertion) int {
		return cmp.Or(MomentOf(a.at).Compare(MomentOf(b.at)), cmp.Compare(a.number, b.number), cmp.Compare(a.sitting.number, b.sitting.number))
	})
	base := s.state.Opening // beside what movements brought
	var asserted []Asserted
	for _, a := range s.counts {
		at := MomentOf(a.at)
		expected := base + s.around.Book.Through(at)
		a.variance = a.counted - expected
		use := UseOf(a.number, a.sitting.again())
		v := &docklinev1.CountVariance{Count: a.number, Again: a.sitting.again(), Counted: a.counted, Expected: expected, Variance: a.variance, Decision: s.around.Decided[use],
			AsOf: timestamppb.New(occurred(a.at)), AsOfMovement: a.at.GetMovement(), EventId: a.at.GetId()}
		told := Asserted{Use: use, Tied: sortedSet(s.around.Book.Near(at)), Last: a.at}
		for _, e := range a.events {
			told.EventIDs = append(told.EventIDs, e.GetId())
		}
		told.EventIDs = sortedSet(told.EventIDs)
		v.Standing = standing(v.Decision, told.Tied)
		if a.stands = v.Standing == StandingWaiting; a.stands {
			base += a.variance
			v.Adjusted = s.used(a)
		}
		s.state.Variances = append(s.state.Variances, v)
		asserted = append(asserted, told)
	}
	return asserted
}

func standing(decision string, tied []string) string {
	switch {
	case decision == DecisionReject:
		return StandingRejected
	case decision == DecisionRecount, len(tied) > 0 && decision != DecisionApprove:
		return StandingRecount
	}
	return StandingWaiting
}

// used is what the site booked for a count that stands: it is part of the variance.
func (s *stockFold) used(a *assertion) (sum int64) {
	for _, b := range s.booked {
		if s.bookedFor(b) == a.sitting {
			sum += b.delta
		}
	}
	return sum
}

// bookedFor is the count for which the site booked something, nil where none is known.
func (s *stockFold) bookedFor(b booking) *sitting {
	of := s.sittings[b.count]
	if of == nil || b.count == "" {
		return nil
	}
	var began []time.Time
	for _, sitting := range of.list {
		began = append(began, sitting.began)
	}
	return of.list[useAt(began, occurred(b.event))]
}

// balance adds up what lies in the bucket now, and makes the rows of the ledger that follow here. What the site booked for a count that is
// not known, or does not stand, is a movement like any other.
func (s *stockFold) balance() {
	s.state.OnHand = s.state.Opening + s.state.Moved
	s.row(s.opening, "", s.state.Opening)
	stands := make(map[*sitting]bool)
	for _, a := range s.counts {
		if a.stands {
			stands[a.sitting] = true
			s.state.OnHand += a.variance
			s.row(a.at, a.number, a.variance)
		}
	}
	for _, b := range s.booked {
		if !stands[s.bookedFor(b)] {
			s.state.OnHand += b.delta
			s.row(b.event, b.count, b.delta)
		}
	}
	sortRows(s.state.Rows)
}

func (s *stockFold) row(e *docklinev1.Event, count string, quantity int64) {
	if quantity == 0 {
		return
	}
	for _, row := range add(nil, e, s.state.Item, quantity, AccountKey(AccountAdjustment, s.state.Site, s.state.Item), s.key) {
		row.Count = count
		s.state.Rows = append(s.state.Rows, row)
	}
}

func negativeStock(b Bucket, onHand int64) *Finding {
	return &Finding{Class: data, Code: CodeNegativeStock, Subject: b.Key(), Title: "Stock below zero", Site: b.Site,
		Text: fmt.Sprintf("By what was opened, picked and counted, bin %s of %s holds %s of item %s (lot %q). Something was not told, or told of another bin: count the bin.",
			b.Bin, b.Site, event.FormatQuantity(onHand), b.Item, b.Lot)}
}
