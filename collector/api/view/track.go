package view

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Track is all that is known of one order: from what was said of it to the documents that it became.
type Track struct {
	Order Order
	// Events are those that touch the order, in the order in which the centre took them.
	Events []eventlog.Entry
	// Receipts are what the sites were told of those events, by event id.
	Receipts map[string]*docklinev1.EventReceipt
	// Postings are in the order in which they were first wanted; Feeds has, in the same places, the ids of the events behind each.
	Postings []posting.Entry
	Feeds    [][]string
	// Exceptions are the open and the resolved ones, the last changed first.
	Exceptions []exception.Exception
	// Milestones are the clocks of the order and of its shipments and returns, by key and name.
	Milestones []milestone.Entry
	// Goods are its shipments and returns.
	Goods []Goods
}

// exceptionLimit is more exceptions than one order ever has.
const exceptionLimit = 1000

// OneTrack returns the track of an order, or ErrNoOrder.
func OneTrack(ctx context.Context, d *db.DB, tenant, number string) (*Track, error) {
	t := &Track{}
	var err error
	key := event.OrderKey(number)
	// The events are read first: what they have led to by then is younger than they are.
	if t.Events, err = (&eventlog.Log{DB: d}).OfKey(ctx, tenant, key); err != nil {
		return nil, err
	}
	linked, err := (&eventlog.Log{DB: d}).OfLinked(ctx, tenant, key)
	if err != nil {
		return nil, err
	}
	t.addLinked(key, linked)
	ids := make([]string, len(t.Events))
	for i, e := range t.Events {
		ids[i] = e.Event.GetId()
	}
	err = d.Read(ctx, func(tx *db.Tx) error {
		order, err := OneOrder(ctx, tx, tenant, number)
		if err != nil {
			return err
		}
		t.Order = *order
		if t.Goods, err = goodsOf(ctx, tx, tenant, number); err != nil {
			return err
		}
		if t.Receipts, err = ReceiptsOf(ctx, tx, tenant, ids); err != nil {
			return err
		}
		if t.Postings, err = posting.Of(ctx, tx, tenant, key); err != nil {
			return err
		}
		if err := posting.Explain(ctx, tx, t.Postings, time.Now()); err != nil {
			return err
		}
		t.Feeds = make([][]string, len(t.Postings))
		for i, p := range t.Postings {
			if t.Feeds[i], err = posting.EventIDs(ctx, tx, tenant, p.Ref); err != nil {
				return err
			}
		}
		if t.Milestones, err = milestone.List(ctx, tx, tenant, milestone.Filter{Order: number, All: true}); err != nil {
			return err
		}
		t.Exceptions, err = exception.List(ctx, tx, tenant, exception.Filter{Order: number, Limit: exceptionLimit})
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// addLinked adds the events that say something to the order through a link, as its fold sees them.
func (t *Track) addLinked(key string, linked []eventlog.Entry) {
	for _, e := range linked {
		have := slices.ContainsFunc(t.Events, func(own eventlog.Entry) bool { return own.Event.GetId() == e.Event.GetId() })
		if _, concerns := state.Concerning(key, e.Event); !have && concerns && state.Follows(e.Event.GetKind()) {
			t.Events = append(t.Events, e)
		}
	}
	slices.SortStableFunc(t.Events, func(a, b eventlog.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
}

// Step is one thing of a track with its time; exactly one of Event, Posting and Exception is set.
type Step struct {
	At        time.Time
	Event     *eventlog.Entry
	Receipt   *docklinev1.EventReceipt
	Posting   *posting.Entry
	Feeds     []string
	Exception *exception.Exception
	// Ends: this is the confirmation of the posting, or the end of the exception, and not its beginning.
	Ends bool
}

// Steps puts everything of the track into the order of time: an event at its occurrence, a posting where it was planned and again
// where it was confirmed, an exception where it was opened and again where it was resolved.
func (t *Track) Steps() []Step {
	var steps []Step
	for i := range t.Events {
		e := &t.Events[i]
		at := e.RecordedAt
		if e.Event.GetOccurredAt() != nil {
			at = e.Event.GetOccurredAt().AsTime()
		}
		steps = append(steps, Step{At: at, Event: e, Receipt: t.Receipts[e.Event.GetId()]})
	}
	for i := range t.Postings {
		p := &t.Postings[i]
		steps = append(steps, Step{At: p.CreatedAt, Posting: p, Feeds: t.Feeds[i]})
		if !p.ConfirmedAt.IsZero() {
			steps = append(steps, Step{At: p.ConfirmedAt, Posting: p, Feeds: t.Feeds[i], Ends: true})
		}
	}
	for i := range t.Exceptions {
		e := &t.Exceptions[i]
		steps = append(steps, Step{At: e.OpenedAt, Exception: e})
		if !e.ResolvedAt.IsZero() {
			steps = append(steps, Step{At: e.ResolvedAt, Exception: e, Ends: true})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return steps
}
