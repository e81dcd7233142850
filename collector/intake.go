package collector

import (
	"context"
	"errors"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/submission"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
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
		}}
}

// Submit takes an order in by command, beside a collector at work or without one.
func (c *Centre) Submit(ctx context.Context, tenant string, o *submission.Order) (taken submission.Taken, err error) {
	err = c.DB.Write(ctx, func(tx *db.Tx) (err error) {
		taken, err = c.m.newIntake(c.Log, nil).Take(ctx, tx, tenant, o)
		return err
	})
	return taken, err
}
