package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
)

// Bucket names one stock key: what lies in a bin of a site, by item, lot and status.
type Bucket struct {
	Site, Bin, Item, Lot, Status string
}

// Key is the bucket's fold key.
func (b Bucket) Key() string { return event.StockKey(b.Site, b.Bin, b.Item, b.Lot, b.Status) }

// ParseBucket reads a fold key of the kind stock.
func ParseBucket(key string) (Bucket, error) {
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		return Bucket{}, err
	}
	if kind != KindStock {
		return Bucket{}, fmt.Errorf("key %q: not of a stock bucket", key)
	}
	return Bucket{parts[0], parts[1], parts[2], parts[3], parts[4]}, nil
}

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
	Count    string
	EventIDs []string
	// Last is the event that gives the count its moment.
	Last *docklinev1.Event
	// Tied are the movements that may have been before or after it, by event id.
	Tied []string
}

// FoldStock folds the facts of one bucket. openedBy is the event id of the snapshot that opened the site's stock, "" where that is
// not known: a bucket of which that snapshot has no line was empty. Movements within uncertainty of a count, where movement numbers
// do not tell, make it a case for a recount.
//
// The opening holds whatever the time of a movement: the book learns of movements through us only, so at its opening it had none.
func FoldStock(b Bucket, facts []Fact, m Mapping, openedBy string, uncertainty time.Duration) StockFold {
	force := inForce(facts)
	s := &stockFold{mapping: m, found: force.found, uncertainty: uncertainty}
	s.state = &docklinev1.StockState{Site: b.Site, Bin: b.Bin, Item: b.Item, Lot: b.Lot, StockStatus: b.Status, OpenedBy: openedBy, Opened: openedBy != ""}
	for _, fact := range force.Facts {
		s.facts = append(s.facts, fact.Event)
		s.take(fact.Event)
	}
	asserted := s.compare()
	if s.state.Opened && s.state.OnHand < 0 && !strings.HasPrefix(b.Item, UnmappedPrefix) {
		s.found.add(negativeStock(b, s.state.OnHand))
	}
	return StockFold{State: s.state, Asserted: asserted, Findings: s.found.sorted(), Facts: s.facts}
}

type stockFold struct {
	mapping     Mapping
	state       *docklinev1.StockState
	found       findings
	facts       []*docklinev1.Event
	uncertainty time.Duration
	opening     int64
	moves       []move
	counts      []*assertion
}

// move is what one event brought into the bucket, below zero where it took away.
type move struct {
	event *docklinev1.Event
	delta int64
}

// assertion is what one count, in its highest recount, saw.
type assertion struct {
	number  string
	recount uint32
	counted int64
	events  []*docklinev1.Event
	// at is the event that gives the moment: the last one.
	at   *docklinev1.Event
	tied []string
}

func (s *stockFold) take(e *docklinev1.Event) {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		if sum := s.sum(e, p.Pick.GetLines()); sum != 0 {
			s.moves = append(s.moves, move{e, -sum})
		}
	case *docklinev1.Event_Count:
		s.assert(e, s.sum(e, p.Count.GetLines()))
	case *docklinev1.Event_StockSnapshot:
		if s.state.OpenedBy == "" || s.state.OpenedBy == e.GetId() { // later ones are for comparing
			s.state.OpenedBy, s.state.Opened = e.GetId(), true
			s.opening = s.sum(e, p.StockSnapshot.GetLines())
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
		case e.GetStockSnapshot() != nil:
			s.found.add(fault) // that of a pick or a count is found where its order or the count is folded
		}
	}
	return total
}

func (s *stockFold) assert(e *docklinev1.Event, counted int64) {
	c := e.GetCount()
	i := slices.IndexFunc(s.counts, func(a *assertion) bool { return a.number == c.GetNumber() })
	if i < 0 {
		s.counts = append(s.counts, &assertion{number: c.GetNumber()})
		i = len(s.counts) - 1
	}
	a := s.counts[i]
	switch {
	case c.GetRecount() < a.recount:
		return
	case c.GetRecount() > a.recount:
		*a = assertion{number: a.number, recount: c.GetRecount()}
	}
	a.counted += counted
	a.events = append(a.events, e)
	a.at = e
}

// compare works out what each count should have found, and what lies in the bucket now. A count that stands is what lay there
// at its moment; movements after it go on from there.
func (s *stockFold) compare() []Asserted {
	for _, a := range s.counts {
		for _, m := range s.moves {
			if s.tied(m.event, a.at) {
				a.tied = append(a.tied, m.event.GetId())
			}
		}
	}
	slices.SortFunc(s.counts, func(a, b *assertion) int {
		return cmp.Or(s.order(a.at, b.at), cmp.Compare(a.number, b.number))
	})
	base, since := s.opening, (*assertion)(nil)
	var asserted []Asserted
	for _, a := range s.counts {
		expected := base + s.moved(since, a)
		v := &docklinev1.CountVariance{Count: a.number, Counted: a.counted, Expected: expected, Variance: a.counted - expected,
			AsOf: timestamppb.New(occurred(a.at)), AsOfMovement: a.at.GetMovement(), Standing: StandingWaiting, EventId: a.at.GetId()}
		told := Asserted{Count: a.number, Tied: sortedSet(a.tied), Last: a.at}
		for _, e := range a.events {
			told.EventIDs = append(told.EventIDs, e.GetId())
		}
		told.EventIDs = sortedSet(told.EventIDs)
		if len(a.tied) > 0 {
			v.Standing = StandingRecount
		} else {
			base, since = a.counted, a
		}
		s.state.Variances = append(s.state.Variances, v)
		asserted = append(asserted, told)
	}
	s.state.OnHand = base + s.moved(since, nil)
	return asserted
}

// moved is what came in after one count and up to another; nil is the beginning, or the end, of time.
func (s *stockFold) moved(from, to *assertion) int64 {
	var sum int64
	for _, m := range s.moves {
		if (from == nil || s.order(m.event, from.at) > 0) && (to == nil || s.order(m.event, to.at) <= 0) {
			sum += m.delta
		}
	}
	return sum
}

// order says which of two happened first: by the site's own movement numbers where both have one, else by time.
func (s *stockFold) order(a, b *docklinev1.Event) int {
	if a.GetMovement() > 0 && b.GetMovement() > 0 {
		return cmp.Compare(a.GetMovement(), b.GetMovement())
	}
	return occurred(a).Compare(occurred(b))
}

// tied tells whether the clocks cannot say which of two happened first.
func (s *stockFold) tied(a, b *docklinev1.Event) bool {
	if a.GetMovement() > 0 && b.GetMovement() > 0 {
		return false
	}
	return occurred(a).Sub(occurred(b)).Abs() <= s.uncertainty
}

func negativeStock(b Bucket, onHand int64) *Finding {
	return &Finding{Class: data, Code: CodeNegativeStock, Subject: b.Key(), Title: "Stock below zero", Site: b.Site,
		Text: fmt.Sprintf("By what was opened, picked and counted, bin %s of %s holds %s of item %s (lot %q). Something was not told, or told of another bin: count the bin.",
			b.Bin, b.Site, event.FormatQuantity(onHand), b.Item, b.Lot)}
}
