package view

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

// Submission is an order that was handed in, what the system of record said of it, and how it is told.
type Submission struct {
	state.Submission
	Postings []posting.Entry
}

// Status is submitted, accepted or rejected.
func (s *Submission) Status() string {
	switch {
	case len(s.Orders) > 0:
		return state.Accepted
	case len(s.Refusals) > 0:
		return state.Rejected
	}
	return state.Submitted
}

// Answered tells whether the system of record has said what becomes of it, or has refused to take it.
func (s *Submission) Answered() bool {
	return s.Status() != state.Submitted || slices.ContainsFunc(s.Postings, func(p posting.Entry) bool { return p.State == posting.Rejected })
}

// Submissions are the orders that were handed in under a number, in the order of their events; none where there is none.
func Submissions(ctx context.Context, d *db.DB, tenant, number string) ([]Submission, error) {
	key := event.SubmissionKey(number)
	entries, err := (&eventlog.Log{DB: d}).OfKey(ctx, tenant, key)
	if err != nil {
		return nil, err
	}
	facts := make([]state.Fact, len(entries))
	for i, e := range entries {
		facts[i] = state.Fact{Event: e.Event, EpochOrdinal: e.EpochOrdinal, Seq: e.Seq}
	}
	folded, _ := state.FoldSubmission(facts)
	var postings []posting.Entry
	feeds := make(map[string][]string) // by key of the posting
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		if postings, err = posting.Of(ctx, tx, tenant, key); err != nil {
			return err
		}
		for _, p := range postings {
			if feeds[p.String()], err = posting.EventIDs(ctx, tx, tenant, p.Ref); err != nil {
				return err
			}
		}
		return nil
	})
	list := make([]Submission, len(folded))
	for i, s := range folded {
		list[i].Submission = s
		for _, p := range postings {
			if slices.Contains(feeds[p.String()], s.Event.GetId()) {
				list[i].Postings = append(list[i].Postings, p)
			}
		}
	}
	return list, err
}
