package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
)

// Desk is where a person works on exceptions: with the policy in force, beside a collector at work or without one.
type Desk struct {
	DB      *db.DB
	Policy  *policy.Policy
	Actions exception.Actions

	collector *Collector
}

// OpenDesk opens the configured database and reads the policy in force.
func OpenDesk(ctx context.Context, c *Config) (*Desk, error) {
	m, err := openForCommand(ctx, c, false)
	if err != nil {
		return nil, err
	}
	return &Desk{DB: m.db, Policy: m.policy(), Actions: Actions(m.policy()), collector: m}, nil
}

// Close closes the database.
func (d *Desk) Close() error { return d.collector.Close() }

// Act does an action about one exception, and returns its own sentence.
func (d *Desk) Act(ctx context.Context, tenant string, number uint64, action string, a exception.Acting) (said string, err error) {
	err = d.DB.Write(ctx, func(tx *db.Tx) (err error) {
		said, err = d.Actions.Act(ctx, tx, tenant, number, action, a)
		return err
	})
	return said, err
}

// ActOn does an action about one exception within the caller's transaction, and returns its own sentence.
func (d *Desk) ActOn(ctx context.Context, tx *db.Tx, tenant string, number uint64, action string, a exception.Acting) (string, error) {
	return d.Actions.Act(ctx, tx, tenant, number, action, a)
}

// desk is where people work on exceptions and orders beside this collector, through its API.
func (m *Collector) desk() *Desk {
	return &Desk{DB: m.db, Policy: m.policy(), Actions: Actions(m.policy())}
}

// Bulk is what became of an action about many.
type Bulk struct {
	Done    int64 `json:"done"`
	Refused int64 `json:"refused"`
	// Reasons are why, with one of the numbers for each.
	Reasons []BulkReason `json:"reasons,omitempty"`
}

// BulkReason is why an action was not done about some.
type BulkReason struct {
	Text  string `json:"text"`
	N     int64  `json:"n"`
	First uint64 `json:"first"`
}

// ActOnAll does an action about every exception that f allows, each in a transaction of its own and recorded by itself. What cannot be done
// about one does not keep it from the others; who may not do it at all is told at once.
func (d *Desk) ActOnAll(ctx context.Context, tenant string, f exception.Filter, action string, a exception.Acting) (Bulk, error) {
	var b Bulk
	if known := d.Actions.Names(); !slices.Contains(known, action) {
		return b, fmt.Errorf("%q: %w; there are %s", action, exception.ErrNoAction, strings.Join(known, ", "))
	}
	after := uint64(0)
	f.Limit = 200
	for {
		f.After = &after
		var found []exception.Exception
		err := d.DB.Read(ctx, func(tx *db.Tx) (err error) {
			found, err = exception.List(ctx, tx, tenant, f)
			return err
		})
		if err != nil || len(found) == 0 {
			return b, err
		}
		for _, e := range found {
			after = e.Number
			a.Now = time.Now()
			_, err := d.Act(ctx, tenant, e.Number, action, a)
			switch {
			case err == nil:
				b.Done++
			case exception.IsRefusal(err):
				b.refuse(e.Number, exception.Why(err))
			default:
				return b, err
			}
		}
	}
}

func (b *Bulk) refuse(number uint64, why string) {
	b.Refused++
	for i := range b.Reasons {
		if b.Reasons[i].Text == why {
			b.Reasons[i].N++
			return
		}
	}
	b.Reasons = append(b.Reasons, BulkReason{why, 1, number})
}
