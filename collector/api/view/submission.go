package view

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// Refused is the status of an order that a system did not take: it could not be made there, and stands in no system of record.
const Refused = "refused"

// Status is submitted, accepted, rejected (the system of record has it and says no) or refused.
func (s *Submission) Status() string {
	switch {
	case len(s.Orders) > 0:
		return state.Accepted
	case len(s.Refusals) > 0:
		return state.Rejected
	case slices.ContainsFunc(s.Postings, refused):
		return Refused
	}
	return state.Submitted
}

func refused(p posting.Entry) bool { return p.State == posting.Rejected }

// Reasons are why it is no order: what the system of record said, and while it is refused, what the system that did not take it said, with what to do.
func (s *Submission) Reasons() []string {
	reasons := slices.Clone(s.Refusals)
	if s.Status() != Refused {
		return reasons
	}
	for _, p := range s.Postings {
		if refused(p) {
			reasons = append(reasons, strings.TrimSpace(fmt.Sprintf("%s did not take it: %s. %s", p.Target, strings.TrimSuffix(p.Fault.Text, "."), p.Fault.Remedy)))
		}
	}
	return reasons
}

// Answered tells whether the system of record has said what becomes of it, or has refused to take it.
func (s *Submission) Answered() bool { return s.Status() != state.Submitted }

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
