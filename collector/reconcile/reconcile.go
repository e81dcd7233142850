// Package reconcile folds every key about which something new is known, asks policy what follows, and writes state, postings,
// exceptions, commands and reasons in one transaction. DESIGN.md says how.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Append takes facts of the centre into the event log within the caller's transaction. One whose id is there already is no error.
type Append func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error

// Styles says how a tenant's target takes a kind of posting; ok is false where it does not take it, or there is no such target.
type Styles func(tenant, target string, kind connector.Kind) (style connector.Style, ok bool)

// Worker folds dirty keys. Any number may run on one database.
type Worker struct {
	DB *db.DB
	// Policy is the version in force now. A key is folded under the version in force at its first fact.
	Policy *policy.Policy
	// InForce, where it is not nil, says which policy is in force in the place of Policy: it may become another while the worker runs.
	InForce func() *policy.Policy
	// Styles nil: every target takes every kind, each in its usual style.
	Styles Styles
	// Append takes order.released; nil: nothing is released to sites.
	Append Append
	// Batch is how many keys one transaction folds; default 200.
	Batch int
	// LargeFrom is the number of facts beyond which a key is folded apart, by RunLarge; default 5,000. Page is how many facts are read of such a
	// key at a time, default 1,000; Paged is called after each page with how many there are, when it is not nil, while no transaction is open.
	LargeFrom, Page int
	Paged           func(read int)
	// MostLines is beyond how many lines, over all that was told of it, an order or another key is not folded any more; default 100,000. It must be
	// the same for all workers on a database.
	MostLines int
	// DigestFrom is the number of facts beyond which an order has a digest, so that one more costs the same whatever there are; default 500,
	// below 0 none has.
	DigestFrom int
	// Mine says whether a key, by its name, is this worker's own while others work on the same database; nil: all are. What is left lying is taken
	// all the same after a while.
	Mine func(key string) bool
	// Wake tells of new marks made in this process; without it they are found after Idle (default 100 ms).
	Wake db.Signal
	Idle time.Duration
	// Done is called after a step that wrote something, when it is not nil: there may be postings to send.
	Done func()
	Now  func() time.Time
	Log  *slog.Logger

	wakeLarge db.Signal

	lying lying // belongs to the goroutine of Step

	mu       sync.Mutex
	stats    Stats
	policies map[string]*policy.Policy
}

// Stats counts since the start.
type Stats struct {
	// Folded are keys, Changed those of them whose state changed, Failed those that could not be folded.
	Folded, Changed, Failed int64
}

// Stats is safe to call beside Run.
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

func (w *Worker) count(s Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Folded += s.Folded
	w.stats.Changed += s.Changed
	w.stats.Failed += s.Failed
}

const (
	defaultBatch = 200
	defaultIdle  = 100 * time.Millisecond
	// retryFailed is when a key that could not be folded is tried again.
	retryFailed = time.Minute
)

func (w *Worker) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

func (w *Worker) style(tenant, target string, kind connector.Kind) (connector.Style, bool) {
	if w.Styles != nil {
		return w.Styles(tenant, target, kind)
	}
	style, ok := usualStyles[kind]
	return style, ok
}

var usualStyles = map[connector.Kind]connector.Style{
	connector.GoodsIssue:      connector.Advance,
	connector.InvoiceTrigger:  connector.Advance,
	connector.StockAdjustment: connector.CreateOnce,
	connector.OrderStatus:     connector.Level,
	connector.ServiceCase:     connector.Level,
	connector.OrderAmendment:  connector.CreateOnce,
	connector.OrderCreate:     connector.CreateOnce,
	connector.ReturnReceipt:   connector.CreateOnce,
	connector.CreditRequest:   connector.CreateOnce,
}

// Run folds until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	idle := w.Idle
	if idle == 0 {
		idle = defaultIdle
	}
	return db.Poll(ctx, &w.Wake, idle, w.Log, "reconcile", func(ctx context.Context) (bool, error) {
		n, err := w.Step(ctx)
		return n > 0, err
	})
}

// Step folds a batch of dirty keys and returns how many they were, 0 when nothing is due. A key that cannot be folded does not
// hold up the others: it becomes an exception and is tried again later.
func (w *Worker) Step(ctx context.Context) (int, error) {
	var keys, large []foldKey
	err := w.DB.Read(ctx, func(tx *db.Tx) error {
		due, err := w.due(ctx, tx)
		if err != nil || len(due) == 0 {
			keys, large = nil, nil
			return err
		}
		portions, apart, err := w.apart(ctx, tx, due, w.digests())
		if large = apart; err != nil || len(portions) == 0 {
			keys = nil
			return err
		}
		keys = portions[0] // the others are due still
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(large) > 0 {
		if err := w.park(ctx, large); err != nil {
			return 0, err
		}
	}
	if len(keys) == 0 {
		return len(large), nil
	}
	done, err := w.fold(ctx, keys)
	if err != nil {
		if ctx.Err() != nil {
			return 0, err
		}
		if done, err = w.oneByOne(ctx, keys); err != nil {
			return 0, err
		}
	}
	w.count(done)
	if done.Folded > 0 && w.Done != nil {
		w.Done()
	}
	return int(done.Folded+done.Failed) + len(large), nil
}

// fold folds keys in one transaction.
func (w *Worker) fold(ctx context.Context, keys []foldKey) (Stats, error) {
	var b *batch
	err := w.DB.Write(ctx, func(tx *db.Tx) error {
		b = &batch{worker: w, tx: tx, now: w.now()}
		return b.run(ctx, keys)
	})
	if err != nil {
		return Stats{}, err
	}
	if len(b.parked) > 0 {
		w.wakeLarge.Set()
	}
	return b.done, nil
}

// oneByOne folds each key in a transaction of its own, and sets aside those that fail.
func (w *Worker) oneByOne(ctx context.Context, keys []foldKey) (Stats, error) {
	var total Stats
	for _, key := range keys {
		done, err := w.fold(ctx, []foldKey{key})
		var bad *foldError
		switch {
		case err == nil:
			total.Folded += done.Folded
			total.Changed += done.Changed
		case ctx.Err() != nil || !errors.As(err, &bad):
			return total, err // the database, not the key
		default:
			if err := w.setAside(ctx, key, bad, noFact); err != nil {
				return total, err
			}
			total.Failed++
		}
	}
	return total, nil
}

// foldError is a fault that lies in the key, its facts or the policy.
type foldError struct {
	key foldKey
	err error
}

func (e *foldError) Error() string {
	return fmt.Sprintf("fold %s of %s: %v", e.key.key, e.key.tenant, e.err)
}
func (e *foldError) Unwrap() error { return e.err }

// foldKey is a fold key of a tenant.
type foldKey struct {
	tenant, key string
}

func (k foldKey) lock() string { return "fold/" + k.tenant + "/" + k.key }

// origin is what exceptions that follow from the facts of a key name as theirs.
func (k foldKey) origin() string { return "fold/" + k.key }

// failure is the origin of the exception that a key cannot be folded at all.
func (k foldKey) failure() string { return "reconcile/" + k.key }
