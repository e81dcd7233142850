// Package rebuild holds what was derived from the event log against what would be derived from it now: the facts of every event against their
// rows, and the state, postings and reasons of every key against a fold made anew. What differs is written down first; on demand it is then put
// right, key by key, while everything goes on.
//
// It works page by page, each in a short transaction that only reads, so that it takes the same memory for a thousand events and for a
// million, and nobody who writes waits for it.
package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Key is a fold key of a tenant.
type Key struct {
	Tenant string `json:"tenant"`
	Key    string `json:"key"`
}

// Fact is a fact row that is not what the events say. Body is nil where there should be none.
type Fact struct {
	Key
	LogID, Ordinal, Seq int64
	EventID             string
	// What is "missing", "extra" or "other", or "link" for a link that is missing.
	What string
	Body []byte
}

// Page is what the facts of some events came to.
type Page struct {
	Events, Facts, Through int64
	Done                   bool
	Differences            []Fact
}

// State is what folding one key anew came to.
type State struct {
	Key
	// Pending: something is not folded yet, so nothing can be said. Unreadable: its state must go before it can be folded.
	Pending, Unreadable bool
	Differences         []string
}

// Kinds of runs.
const (
	Check   = "check"   // asked for by a person; changes nothing
	Nightly = "nightly" // made every night; what differs becomes an exception
	Switch  = "switch"  // puts right what differs
)

// Phases of a run, in their order.
const (
	comparingFacts  = "facts"
	comparingStates = "states"
	switching       = "switch"
	verifying       = "verify"
	reporting       = "report"
	done            = "done"
)

// Rebuild is one database with what event log and folds can do on it; the parent fills it in.
type Rebuild struct {
	DB *db.DB
	// CompareFacts looks at up to most events behind a place of the log; RestoreFacts makes the facts of events what they should be.
	CompareFacts func(ctx context.Context, after int64, most int) (Page, error)
	RestoreFacts func(ctx context.Context, tx *db.Tx, logIDs []int64) error
	// Keys names the keys behind one, CompareStates folds keys anew, some with corrected facts, and Mark has keys folded again for good.
	Keys          func(ctx context.Context, after Key, most int) ([]Key, error)
	CompareStates func(ctx context.Context, keys []Key, corrections map[Key][]Fact) ([]State, error)
	Mark          func(ctx context.Context, tx *db.Tx, keys, unreadable []Key) error
	// Fold folds what is due and says whether there was anything. Nil: others do it.
	Fold func(ctx context.Context) (bool, error)
	// Report makes the exceptions about one key be exactly these; nil: nobody is told.
	Report func(ctx context.Context, tx *db.Tx, key Key, found []Exception) error
	// Holder tells this process from others; one at a time works on a kind of run.
	Holder string
	// EventPage and KeyPage are how much one step looks at; default 500 and 100.
	EventPage, KeyPage int
	Now                func() time.Time
}

// Run is how far one has come.
type Run struct {
	Number int64 `json:"number"`
	// Kind is Check, Nightly or Switch. Scope limits it, "" for all.
	Kind  string `json:"kind"`
	Scope Key    `json:"scope"`
	Phase string `json:"phase"`
	// Events, Facts and Keys were looked at; of Pending keys nothing can be said yet; Differing keys differ.
	Events    int64 `json:"events"`
	Facts     int64 `json:"facts"`
	Keys      int64 `json:"keys"`
	Pending   int64 `json:"pending"`
	Differing int64 `json:"differing"`
	// Remaining keys differ although they were put right.
	Remaining int64     `json:"remaining"`
	StartedAt time.Time `json:"started_at"`
	ChangedAt time.Time `json:"changed_at"`

	afterLog int64
	after    Key
}

// Done says whether nothing is left to do.
func (r *Run) Done() bool { return r.Phase == done }

// ErrBusy is returned where another process works on a run of the kind.
var ErrBusy = errors.New("another process is at it; wait until it has ended, or 30 s if it was killed")

// lease is how long a run stays with a process that is not heard of.
const lease = 30 * time.Second

func (b *Rebuild) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// Begin takes up the run of a kind and scope that is not finished, or begins one.
func (b *Rebuild) Begin(ctx context.Context, kind string, scope Key) (*Run, error) {
	if err := b.hold(ctx, kind); err != nil {
		return nil, err
	}
	now := b.now()
	var r *Run
	err := b.DB.Write(ctx, func(tx *db.Tx) error {
		found, err := runs(ctx, tx, `kind = ? AND tenant = ? AND fold_key = ? AND phase <> ? ORDER BY number DESC LIMIT 1`, kind, scope.Tenant, scope.Key, done)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			r = found[0]
			return nil
		}
		ids, err := tx.NextIDs(ctx, "rebuild", "number", 1)
		if err != nil {
			return err
		}
		r = &Run{Number: ids[0], Kind: kind, Scope: scope, Phase: comparingFacts, StartedAt: now.UTC(), ChangedAt: now.UTC()}
		return tx.InsertAll(ctx, db.Insert{Table: "rebuild", Columns: []string{"number", "kind", "tenant", "fold_key", "phase", "started_at", "changed_at"},
			Rows: [][]any{{r.Number, kind, scope.Tenant, scope.Key, r.Phase, now.UnixMicro(), now.UnixMicro()}}})
	})
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", kind, err)
	}
	return r, nil
}

func (b *Rebuild) hold(ctx context.Context, kind string) error {
	held, err := b.DB.Lease(ctx, "rebuild/"+kind, b.Holder, lease)
	if err != nil {
		return err
	}
	if !held {
		return fmt.Errorf("%s: %w", kind, ErrBusy)
	}
	return nil
}

// End lets another process begin at once.
func (b *Rebuild) End(ctx context.Context, r *Run) error {
	return b.DB.Release(ctx, "rebuild/"+r.Kind, b.Holder)
}

// Step does one page of a run and writes down what it found and how far it is.
func (b *Rebuild) Step(ctx context.Context, r *Run) error {
	if err := b.hold(ctx, r.Kind); err != nil {
		return err
	}
	next := *r
	var err error
	switch r.Phase {
	case comparingFacts:
		err = b.stepFacts(ctx, &next)
	case comparingStates:
		err = b.stepStates(ctx, &next)
	case switching:
		err = b.stepSwitch(ctx, &next)
	case verifying:
		err = b.stepVerify(ctx, &next)
	case reporting:
		err = b.stepReport(ctx, &next)
	}
	if err != nil {
		return fmt.Errorf("%s, %s: %w", r.Kind, r.Phase, err)
	}
	*r = next
	return nil
}

// stepFacts compares the facts of one page of events.
func (b *Rebuild) stepFacts(ctx context.Context, r *Run) error {
	page, err := b.CompareFacts(ctx, r.afterLog, cmp.Or(b.EventPage, 500))
	if err != nil {
		return err
	}
	r.Events, r.Facts, r.afterLog = r.Events+page.Events, r.Facts+page.Facts, page.Through
	if page.Done {
		r.Phase = comparingStates
	}
	var found []Difference
	for _, f := range page.Differences {
		if r.covers(f.Key) {
			found = append(found, Difference{Key: f.Key, logID: f.LogID, EventID: f.EventID, What: f.What + "_fact", Text: factTexts[f.What]})
		}
	}
	return b.save(ctx, r, found)
}

var factTexts = map[string]string{
	"missing": "the event says something of the key, and its fact is not there",
	"extra":   "there is a fact that no event says",
	"other":   "the fact says something else than its event",
	"link":    "the event says that something is part of it, and the link is not there",
}

func (r *Run) covers(key Key) bool {
	return (r.Scope.Tenant == "" || r.Scope.Tenant == key.Tenant) && (r.Scope.Key == "" || r.Scope.Key == key.Key)
}

// stepStates folds one page of keys anew.
func (b *Rebuild) stepStates(ctx context.Context, r *Run) error {
	most := cmp.Or(b.KeyPage, 100)
	keys, last := []Key{r.Scope}, true
	if r.Scope.Key == "" {
		var err error
		if keys, err = b.Keys(ctx, r.after, most); err != nil {
			return err
		}
		last = len(keys) < most
		if !last {
			r.after = keys[len(keys)-1]
		}
	}
	var asked []Key
	for _, key := range keys {
		if r.covers(key) {
			asked = append(asked, key)
		}
	}
	corrections, err := b.corrections(ctx, r, asked)
	if err != nil {
		return err
	}
	if r.Scope.Key != "" && corrections[r.Scope] == nil {
		known, err := b.known(ctx, r.Scope)
		if err != nil {
			return err
		}
		if !known { // a fold of nothing would make something of it
			asked = nil
		}
	}
	states, err := b.CompareStates(ctx, asked, corrections)
	if err != nil {
		return err
	}
	var found []Difference
	for _, s := range states {
		r.Keys++
		if s.Pending {
			r.Pending++
		}
		if d, differs := s.difference(); differs {
			found = append(found, d)
		}
	}
	if last {
		r.after = Key{}
		r.Phase = reporting
		if r.Kind == Switch {
			r.Phase = switching
		}
	}
	return b.save(ctx, r, found)
}

// known tells whether anything is kept of a key.
func (b *Rebuild) known(ctx context.Context, key Key) (known bool, err error) {
	err = b.DB.Read(ctx, func(tx *db.Tx) error {
		var n int64
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT fold_key FROM fact WHERE tenant = ? AND fold_key = ? UNION SELECT fold_key FROM state WHERE tenant = ? AND fold_key = ?) AS k`,
			key.Tenant, key.Key, key.Tenant, key.Key).Scan(&n)
		known = n > 0
		return err
	})
	return known, err
}

// corrections are the facts as they should be, of those keys that have others.
func (b *Rebuild) corrections(ctx context.Context, r *Run, keys []Key) (map[Key][]Fact, error) {
	asked := make([][]any, len(keys))
	wanted := make(map[Key]bool)
	for i, key := range keys {
		asked[i], wanted[key] = []any{r.Number, key.Tenant, key.Key}, true
	}
	var rows [][]any
	err := b.DB.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = tx.Lookup(ctx, db.Lookup{Table: "rebuild_difference", Columns: []string{"log_id"}, Key: []string{"number", "tenant", "fold_key"}, Rows: asked, Where: "t.log_id > 0"})
		return err
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	out, seen := make(map[Key][]Fact), make(map[int64]bool)
	for _, row := range rows {
		id := row[0].(int64)
		if seen[id] {
			continue
		}
		seen[id] = true
		page, err := b.CompareFacts(ctx, id-1, 1)
		if err != nil {
			return nil, err
		}
		for _, f := range page.Differences {
			if wanted[f.Key] && f.LogID == id {
				out[f.Key] = append(out[f.Key], f)
			}
		}
	}
	return out, nil
}
