package collector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/collector/submission"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// newIntake takes in orders that are handed in at the centre; wake is called then, and may be nil.
func (m *Collector) newIntake(log *eventlog.Log, wake func()) *submission.Intake {
	return NewIntake(log, m.now, wake)
}

// NewIntake takes orders into an event log.
func NewIntake(log *eventlog.Log, now func() time.Time, wake func()) *submission.Intake {
	return &submission.Intake{Now: now, Wake: wake,
		Bring: func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (int, error) {
			b, err := log.Bring(ctx, tx, events)
			return b.Taken, err
		},
		InForce: func(ctx context.Context, tx *db.Tx, tenant, id string) (*docklinev1.Event, error) {
			e, err := log.InForce(ctx, tx, tenant, id)
			if errors.Is(err, eventlog.ErrNoEvent) {
				return nil, nil
			}
			return e, err
		}, Refused: refusedOrder}
}

// refusedOrder says whether the system of record has refused an order that was handed in, or its connector did on its behalf; and which refusals an order that
// corrects it answers.
func refusedOrder(ctx context.Context, tx *db.Tx, e *docklinev1.Event) (refused bool, answers []string, err error) {
	key := event.SubmissionKey(e.GetOrder().GetNumber())
	facts, err := eventlog.FactsOf(ctx, tx, e.GetTenant(), key)
	if err != nil {
		return false, nil, err
	}
	told := make([]state.Fact, len(facts))
	for i, f := range facts {
		told[i] = state.Fact{Event: f.Event, EpochOrdinal: f.EpochOrdinal, Seq: f.Seq}
	}
	submissions, _ := state.FoldSubmission(told)
	at := slices.IndexFunc(submissions, func(s state.Submission) bool { return s.Event.GetId() == e.GetId() })
	switch {
	case at < 0 || len(submissions[at].Orders) > 0:
		return false, nil, nil
	case len(submissions[at].Refusals) > 0:
		return true, append(slices.Clone(e.GetOrder().GetAnswers()), submissions[at].RefusedBy...), nil
	}
	list, err := posting.Of(ctx, tx, e.GetTenant(), key)
	if err != nil {
		return false, nil, err
	}
	of := 0
	for _, p := range list {
		ids, err := posting.EventIDs(ctx, tx, e.GetTenant(), p.Ref)
		switch {
		case err != nil:
			return false, nil, err
		case !slices.Contains(ids, e.GetId()):
		case p.State != posting.Rejected:
			return false, nil, nil
		default:
			of++
		}
	}
	return of > 0, e.GetOrder().GetAnswers(), nil
}

// Submit takes an order in by command, beside a collector at work or without one.
func (c *Centre) Submit(ctx context.Context, tenant string, o *submission.Order) (taken submission.Taken, err error) {
	err = c.DB.Write(ctx, func(tx *db.Tx) (err error) {
		taken, err = c.m.newIntake(c.Log, nil).Take(ctx, tx, tenant, o)
		return err
	})
	return taken, err
}
