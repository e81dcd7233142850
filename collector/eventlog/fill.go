package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Filler moves envelopes from the inbox into the log. Several may run on one database.
type Filler struct {
	Log *Log
	// MaxEvents is about how many events one transaction takes; one envelope is always taken whole. 0 is 2000 to 8000, so that
	// it lasts a tenth of a second or a few.
	MaxEvents int
	// MaxBytes bounds what the events of one transaction unfold to; one envelope is always taken whole. 0 is 4 MiB, a hundred thousand lines, so that
	// events of very many lines hold up nobody else for long either. As much again is held
	// of the next.
	MaxBytes int
	// Mine says whether a site, by its name, is this filler's own while others work on the same database; nil: all are. Where none of its own
	// has anything to fill, it takes what others have.
	Mine func(site string) bool
	// NoAhead opens no envelopes of the next step beside this one, so that a step is over when it returns and asks the database in one order.
	NoAhead bool
	// OnFilled is called after a commit that put events into the log. May be nil.
	OnFilled func()
	// Poll is how often the inbox is looked at when nobody calls Wake, as when another collector has received. 0 is 250 ms.
	Poll time.Duration
	// Slog may be nil.
	Slog *slog.Logger

	wake  db.Signal
	turns turns
	ahead ahead
	pace  pace
	stats [4]atomic.Int64
	// trouble is why the last round failed.
	trouble atomic.Pointer[error]
}

const defaultFillBytes = 4 << 20

// FillerStats counts since the start of the process.
type FillerStats struct {
	Logged, Duplicates, Conflicts int64
	// Unreadable envelopes are kept in the inbox.
	Unreadable int64
}

// Stats may be called at any time.
func (f *Filler) Stats() FillerStats {
	return FillerStats{f.stats[0].Load(), f.stats[1].Load(), f.stats[2].Load(), f.stats[3].Load()}
}

// Wake makes Run look at the inbox at once. It never blocks.
func (f *Filler) Wake() { f.wake.Set() }

// Run fills until ctx ends. It begins by trying again what an older version could not read.
func (f *Filler) Run(ctx context.Context) error {
	if err := f.Retry(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return db.Poll(ctx, &f.wake, cmp.Or(f.Poll, 250*time.Millisecond), f.Slog, "fill the event log", f.Round)
}

// Round is what Run does again and again: a Step, and where it fails the envelopes one by one, so that one of them does not stop the
// others. It says whether there may be more.
func (f *Filler) Round(ctx context.Context) (more bool, err error) {
	filled, err := f.Step(ctx)
	if err == nil || ctx.Err() != nil {
		f.trouble.Store(nil)
		return filled.Envelopes > 0, err
	}
	more, err = f.isolate(ctx, err)
	f.trouble.Store(&err)
	return more, err
}

// Trouble is why the log cannot be filled now; nil while it can.
func (f *Filler) Trouble() error {
	if err := f.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Retry lets the next steps try the envelopes again that could not be read.
func (f *Filler) Retry(ctx context.Context) error {
	return f.Log.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE inbox SET state = ? WHERE state = ?`, stateWaiting, stateDead)
		return err
	})
}

// RetryEnvelopes lets the next steps try envelopes of a tenant again that could not be read, of one site or, where that is "", of all, and says how
// many.
func (l *Log) RetryEnvelopes(ctx context.Context, tx *db.Tx, tenant, site string) (int64, error) {
	return tx.Exec(ctx, `UPDATE inbox SET state = ? WHERE state = ? AND tenant = ? AND (site = ? OR ? = '')`, stateWaiting, stateDead, tenant, site, site)
}

// Filled is what one Step did.
type Filled struct {
	AppendResult
	// Envelopes were taken from the inbox, of which Unreadable went back as dead.
	Envelopes  int
	Unreadable int
}

// States of an inbox row.
const (
	stateWaiting = 0
	stateDead    = 1
)

// Step moves one batch of envelopes in one transaction: their events, facts, marks and receipts, how far each stream of their
// sites has told everything, and the rows that leave the inbox. While a site sends its backlog, what is live goes on at once, and
// the rest gives way.
func (f *Filler) Step(ctx context.Context) (Filled, error) {
	d, most := f.Log.DB, f.maxEvents()
	f.turns.mine, f.ahead.mine = f.Mine, f.Mine
	if d.Bursting() {
		var fresh []int64
		err := d.Read(ctx, func(tx *db.Tx) (err error) { fresh, err = f.turns.fresh(ctx, tx, most); return err })
		if err != nil {
			return Filled{}, fmt.Errorf("fill: %w", err)
		}
		if len(fresh) > 0 {
			return f.step(ctx, d.WriteFirst, func(*db.Tx) ([]int64, error) { return fresh, nil })
		}
	}
	return f.step(ctx, d.Write, func(tx *db.Tx) ([]int64, error) { return f.turns.choose(ctx, tx, most) })
}

func (f *Filler) maxEvents() int { return cmp.Or(f.MaxEvents, f.pace.size()) }

// isolate goes on after a step that failed: the envelopes one by one, so that one which the database does not take is set aside
// and does not stop the others. Where even that fails, the database is the fault, and the step's error is returned.
func (f *Filler) isolate(ctx context.Context, cause error) (more bool, err error) {
	var chosen []candidate
	if err := f.Log.DB.Read(ctx, func(tx *db.Tx) (err error) { chosen, err = due(ctx, tx, 1000, maxEnvelopes, "", f.Mine); return err }); err != nil {
		return false, cause
	}
	ids := idsOf(chosen)
	for _, id := range ids {
		one := func(*db.Tx) ([]int64, error) { return []int64{id}, nil }
		if _, err = f.step(ctx, f.Log.DB.Write, one); err != nil {
			_, err = f.step(ctx, f.Log.DB.Write, one)
		}
		if err == nil {
			continue
		}
		if db.Away(err) { // what the database does not do for anybody says nothing about this envelope
			return false, cause
		}
		fault := err
		err := f.Log.DB.Write(ctx, func(tx *db.Tx) error {
			envelopes, err := claim(ctx, tx, []int64{id})
			if err != nil || len(envelopes) == 0 {
				return err
			}
			return f.Log.setAside(ctx, tx, envelopes[0], fault)
		})
		if err != nil {
			return false, cause
		}
		f.stats[3].Add(1)
	}
	return len(ids) > 0, nil
}

// step fills the envelopes that choose names, in one transaction.
func (f *Filler) step(ctx context.Context, write func(context.Context, func(*db.Tx) error) error, choose func(tx *db.Tx) ([]int64, error)) (Filled, error) {
	var filled Filled
	var began time.Time
	defer f.ahead.wait()
	err := write(ctx, func(tx *db.Tx) error {
		filled, began = Filled{}, time.Now()
		ids, err := choose(tx)
		if err != nil {
			return err
		}
		filled, err = f.fill(ctx, tx, ids)
		return err
	})
	if err != nil {
		return Filled{}, fmt.Errorf("fill: %w", err)
	}
	f.pace.took(filled.Logged+filled.Duplicates+filled.Conflicts, time.Since(began))
	for i, n := range []int{filled.Logged, filled.Duplicates, filled.Conflicts, filled.Unreadable} {
		f.stats[i].Add(int64(n))
	}
	if filled.Envelopes > 0 && f.OnFilled != nil {
		f.OnFilled()
	}
	return filled, nil
}

func (f *Filler) fill(ctx context.Context, tx *db.Tx, ids []int64) (Filled, error) {
	var filled Filled
	envelopes, err := claim(ctx, tx, ids)
	if err != nil || len(envelopes) == 0 {
		return filled, err
	}
	f.ahead.take(envelopes)
	// Who is most due is open first; what is new is numbered in the order in which it arrived.
	envelopes = openAll(envelopes, cmp.Or(f.MaxBytes, defaultFillBytes))
	slices.SortFunc(envelopes, func(a, b *waiting) int { return cmp.Compare(a.id, b.id) })
	filled.Envelopes = len(envelopes)
	if !f.NoAhead && countOf(envelopes) >= f.maxEvents()/2 {
		f.ahead.look(ctx, f.Log.DB, ids, f.maxEvents(), cmp.Or(f.MaxBytes, defaultFillBytes))
	}
	var recorded []Recorded
	var done []int64
	var read []*waiting
	for _, w := range envelopes {
		if w.fault != nil {
			filled.Unreadable++
			if err := f.Log.setAside(ctx, tx, w, w.fault); err != nil {
				return filled, err
			}
			continue
		}
		recorded = append(recorded, w.events...)
		done = append(done, w.id)
		read = append(read, w)
	}
	bySite, days, err := f.Log.append(ctx, tx, recorded)
	if err != nil {
		return filled, err
	}
	filled.AppendResult = sum(bySite)
	if _, err := tx.Delete(ctx, "inbox", "id", done); err != nil {
		return filled, err
	}
	if err := f.Log.declared(ctx, tx, recorded); err != nil {
		return filled, err
	}
	if err := f.Log.reopened(ctx, tx, read); err != nil {
		return filled, err
	}
	if err := f.Log.advance(ctx, tx, sitesOf(read), read); err != nil {
		return filled, err
	}
	if err := addTotals(ctx, tx, bySite); err != nil {
		return filled, err
	}
	return filled, days.add(ctx, tx)
}

func countOf(envelopes []*waiting) (events int) {
	for _, w := range envelopes {
		events += int(w.envelope.GetCount())
	}
	return events
}

// addTotals counts for each site what the log has taken from it, for ever.
func addTotals(ctx context.Context, tx *db.Tx, bySite map[SiteKey]AppendResult) error {
	for _, site := range slices.SortedFunc(maps.Keys(bySite), compareSites) {
		r := bySite[site]
		if site.Site == "" {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO site_total (tenant, site, logged, duplicates, conflicts) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (tenant, site) DO UPDATE SET logged = site_total.logged + excluded.logged,
			duplicates = site_total.duplicates + excluded.duplicates, conflicts = site_total.conflicts + excluded.conflicts`,
			site.Tenant, site.Site, r.Logged, r.Duplicates, r.Conflicts); err != nil {
			return err
		}
	}
	return nil
}
