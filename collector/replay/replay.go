// Package replay folds keys again: by site, time, order, kind and target, under their own version of the policy or another one. It tries first, which
// only reads, and writes down what it saw of each key; what runs is what was seen. State is always folded anew. Systems of record are told nothing
// again by it: what is wanted of them is held against what they confirmed, as after any fold, and only what differs becomes a difference.
//
// It works page by page, each in a short transaction, so that it takes the same memory for ten keys and for a million, and goes on where it was after
// a crash.
package replay

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

// Selection says which keys; an empty field is no limit.
type Selection struct {
	Tenant string `json:"tenant"`
	// Key is one fold key, Order an order with its shipments and returns.
	Key   string `json:"key,omitempty"`
	Order string `json:"order,omitempty"`
	// Site, Kind, From and To are of events: keys with an event of the site, of the kind, that happened in this time.
	Site string    `json:"site,omitempty"`
	Kind string    `json:"kind,omitempty"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Target and Posting are of postings: keys that want one of this target, of this kind.
	Target  string `json:"target,omitempty"`
	Posting string `json:"posting,omitempty"`
	// Policy is the version that keys move to, "" for the one of each.
	Policy string `json:"policy,omitempty"`
}

// Tried is what would follow from a key, beside what there is.
type Tried struct {
	Key string
	// Pending: something that was told is not folded yet, so nothing can be said. Fault is why it cannot be folded.
	Pending bool
	Fault   string
	// Differs says how it would be otherwise, one line each; none where it would not.
	Differs []string
	// New, Changed and Gone are postings, Opened and Closed exceptions.
	New, Changed, Gone, Opened, Closed int64
	// Version names the state and the facts that were seen.
	Version string
}

// digest names what was seen of a key.
func (t *Tried) digest() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{t.Version, t.Fault}, t.Differs...), "\x00")))
	return hex.EncodeToString(sum[:12])
}

// Phases of a job, in their order.
const (
	Trying    = "trying"
	Ready     = "tried"
	Running   = "running"
	Folding   = "folding"
	Done      = "done"
	Cancelled = "cancelled"
)

// What became of a key.
const (
	seen = iota
	marked
	folded
	stale
	remains
)

// Replay is one database with what folds can do on it; the parent fills it in.
type Replay struct {
	DB *db.DB
	// Keys names up to most keys of a selection behind one, in their order.
	Keys func(ctx context.Context, s Selection, after string, most int) ([]string, error)
	// Try folds keys aside under a version of the policy, "" for the one of each, and only reads.
	Try func(ctx context.Context, tenant string, keys []string, version string) ([]Tried, error)
	// Mark has keys folded again for good, under a version where it is not "".
	Mark func(ctx context.Context, tx *db.Tx, tenant string, keys []string, version string) error
	// Fold folds what is due and says whether there was anything. Nil: others do it.
	Fold func(ctx context.Context) (bool, error)
	// Holder tells this process from others: one at a time works on a job.
	Holder string
	// Page is how many keys a step looks at, default 100.
	Page int
	Now  func() time.Time
}

// Job is how far one has come.
type Job struct {
	Number    int64     `json:"number"`
	Selection Selection `json:"selection"`
	Phase     string    `json:"phase"`
	// Token names what was tried: who runs it gives it.
	Token string `json:"token,omitempty"`
	// Keys were tried: Unchanged and Changed by it, Pending ones of which nothing can be said, Faulty ones that cannot be folded.
	Keys      int64 `json:"keys"`
	Unchanged int64 `json:"unchanged"`
	Changed   int64 `json:"changed"`
	Pending   int64 `json:"pending"`
	Faulty    int64 `json:"faulty"`
	// What would become of postings and exceptions.
	New    int64 `json:"postings_new"`
	Differ int64 `json:"postings_changed"`
	Gone   int64 `json:"postings_gone"`
	Opened int64 `json:"exceptions_opened"`
	Closed int64 `json:"exceptions_closed"`
	// Replayed keys were folded again. Stale ones were left alone, since they are otherwise than when they were tried; Remaining ones still differ.
	Replayed  int64     `json:"replayed"`
	Stale     int64     `json:"stale"`
	Remaining int64     `json:"remaining"`
	By        string    `json:"by,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	StartedAt time.Time `json:"started_at"`
	ChangedAt time.Time `json:"changed_at"`

	after string
}

// Ended says whether nothing is left to do without a person.
func (j *Job) Ended() bool { return j.Phase == Ready || j.Phase == Done || j.Phase == Cancelled }

// Errors of jobs.
var (
	ErrBusy   = errors.New("another process is at it; wait until it has ended, or 30 s if it was killed")
	ErrAbsent = errors.New("no such replay")
)

const lease = 30 * time.Second

func (r *Replay) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Replay) hold(ctx context.Context, j *Job) error {
	held, err := r.DB.Lease(ctx, fmt.Sprintf("replay/%d", j.Number), r.Holder, lease)
	if err == nil && !held {
		err = fmt.Errorf("replay %d: %w", j.Number, ErrBusy)
	}
	return err
}

// Release lets another process go on with a job at once.
func (r *Replay) Release(ctx context.Context, j *Job) error {
	return r.DB.Release(ctx, fmt.Sprintf("replay/%d", j.Number), r.Holder)
}

// Begin begins to try a selection.
func (r *Replay) Begin(ctx context.Context, s Selection) (*Job, error) {
	if s.Tenant == "" {
		return nil, errors.New("replay: name the tenant")
	}
	now := r.now().UTC().Truncate(time.Microsecond)
	j := &Job{Selection: s, Phase: Trying, StartedAt: now, ChangedAt: now}
	err := r.DB.Write(ctx, func(tx *db.Tx) error {
		ids, err := tx.NextIDs(ctx, "replay", "number", 1)
		if err != nil {
			return err
		}
		j.Number = ids[0]
		return j.insert(ctx, tx)
	})
	return j, err
}

// Start has what was tried run, in the name of a person; one that was begun already goes on.
func (r *Replay) Start(ctx context.Context, tenant, token, by, reason string) (*Job, error) {
	if strings.TrimSpace(reason) == "" {
		return nil, errors.New("say why, for those who ask later")
	}
	var j *Job
	err := r.DB.Write(ctx, func(tx *db.Tx) error {
		if err := people.Allow(ctx, tx, tenant, by, people.Replay); err != nil {
			return err
		}
		found, err := jobs(ctx, tx, `tenant = ? AND token = ?`, tenant, token)
		if err != nil {
			return err
		}
		if token == "" || len(found) == 0 {
			return fmt.Errorf("nothing was tried under the token %q of %s: a dry run prints one: %w", token, tenant, ErrAbsent)
		}
		if err := tx.Lock(ctx, fmt.Sprintf("replay/%d", found[0].Number)); err != nil {
			return err
		}
		if j, err = one(ctx, tx, tenant, found[0].Number); err != nil { // as whoever held it left it
			return err
		}
		switch j.Phase {
		case Ready:
		case Cancelled:
			return fmt.Errorf("replay %d was cancelled; try again for another token", j.Number)
		default:
			return nil
		}
		j.Phase, j.By, j.Reason, j.after = Running, by, reason, ""
		if err := j.save(ctx, tx, r.now()); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: by, Action: "replay.run", Object: fmt.Sprintf("replay/%d", j.Number), Reason: reason, Detail: j}, r.now())
	})
	return j, err
}

// Cancel ends a job; what was replayed stays so.
func (r *Replay) Cancel(ctx context.Context, tenant string, number int64, by, reason string) (*Job, error) {
	var j *Job
	err := r.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if err := people.Allow(ctx, tx, tenant, by, people.Replay); err != nil {
			return err
		}
		if err := tx.Lock(ctx, fmt.Sprintf("replay/%d", number)); err != nil {
			return err
		}
		if j, err = one(ctx, tx, tenant, number); err != nil {
			return err
		}
		if j.Phase == Done || j.Phase == Cancelled {
			return fmt.Errorf("replay %d is %s already", number, j.Phase)
		}
		j.Phase = Cancelled
		if err := j.save(ctx, tx, r.now()); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: tenant, By: by, Action: "replay.cancel", Object: fmt.Sprintf("replay/%d", number), Reason: reason, Detail: j}, r.now())
	})
	return j, err
}

// Step does one page of a job and writes down how far it is. A job that somebody has cancelled meanwhile ends.
func (r *Replay) Step(ctx context.Context, j *Job) error {
	if err := r.hold(ctx, j); err != nil {
		return err
	}
	next := *j
	var err error
	switch j.Phase {
	case Trying:
		err = r.try(ctx, &next)
	case Running:
		err = r.run(ctx, &next)
	case Folding:
		err = r.verify(ctx, &next)
	}
	if err != nil {
		return fmt.Errorf("replay %d, %s: %w", j.Number, j.Phase, err)
	}
	*j = next
	return nil
}

func (r *Replay) page() int { return cmp.Or(r.Page, 100) }
