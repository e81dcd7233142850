package master

import (
	"context"
	"errors"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// errOvertaken says that another collector works, or has worked, where this one was halted: what it was about to write counts for nothing.
var errOvertaken = errors.New("another collector has taken over")

// turn is the right to be the only one of all collectors who does some work, by a lease.
type turn struct {
	db           *db.DB
	name, holder string
	ttl          time.Duration
	renewed      time.Time
}

// take takes or prolongs the lease, where that is due, and says whether it is held.
func (t *turn) take(ctx context.Context, now time.Time) (bool, error) {
	if now.Sub(t.renewed) <= leaseTime/3 {
		return true, nil
	}
	held, err := t.db.Lease(ctx, t.name, t.holder, t.ttl)
	if err != nil || !held {
		return false, err
	}
	t.renewed = now
	return true, nil
}

// write runs f in a transaction that is nothing where another one has taken the lease: this process was halted for longer than that lasts,
// and what it knows is old.
func (t *turn) write(ctx context.Context, f func(tx *db.Tx) error) error {
	return t.db.Write(ctx, func(tx *db.Tx) error {
		held, err := tx.Prolong(ctx, t.name, t.holder, t.ttl)
		if err != nil {
			return err
		}
		if !held {
			return errOvertaken
		}
		return f(tx)
	})
}

// yielded takes errOvertaken for what it is, no fault, and has the lease looked at before anything else is done.
func (t *turn) yielded(err error) error {
	if errors.Is(err, errOvertaken) {
		t.renewed = time.Time{}
		return nil
	}
	return err
}
