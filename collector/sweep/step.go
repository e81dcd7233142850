package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Sweep makes runs.
type Sweep struct {
	DB     *db.DB
	Centre Centre
	// Holder tells this process from others.
	Holder string
	// Back is how far back documents are looked at; default 30 days. PerMinute is how many requests a run makes in a minute; default 120.
	Back      time.Duration
	PerMinute int
	// MostPages is how many pages of one kind are read before its list counts as one without end; default 10,000. GiveUp is how long a run whose steps
	// fail is tried; default 24 h.
	MostPages int
	GiveUp    time.Duration
	Now       func() time.Time
	// Log may be nil.
	Log *slog.Logger
}

func (s *Sweep) now() time.Time {
	if s.Now == nil {
		return time.Now().UTC()
	}
	return s.Now().UTC()
}

func (s *Sweep) perMinute() int64 {
	if s.PerMinute > 0 {
		return int64(s.PerMinute)
	}
	return 120
}

func leaseName(t *Target) string { return "sweep/" + t.Tenant + "/" + t.Name }

// Begin takes up the run of a target that was not finished, or begins one, and holds the target for this process. One of another scope must have
// ended first.
func (s *Sweep) Begin(ctx context.Context, t *Target, site, why string) (*Run, error) {
	if err := s.hold(ctx, t); err != nil {
		return nil, err
	}
	var r *Run
	err := s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		r, err = s.BeginIn(ctx, tx, t, site, why)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// BeginIn takes up or begins a run within the caller's transaction, for somebody else to go on with: the schedule of a collector at work does.
func (s *Sweep) BeginIn(ctx context.Context, tx *db.Tx, t *Target, site, why string) (*Run, error) {
	if err := tx.Lock(ctx, leaseName(t)); err != nil {
		return nil, err
	}
	open, err := runs(ctx, tx, `tenant = ? AND target = ? AND phase <> 'done' ORDER BY number DESC LIMIT 1`, t.Tenant, t.Name)
	if err != nil {
		return nil, err
	}
	if len(open) > 0 {
		if r := open[0]; r.Site != site {
			return nil, fmt.Errorf("%w: run %d%s goes on by itself, or with `dockline-collector sweep --target %s%s`", ErrOpen, r.Number, inSite(r.Site), t.Name, atSite(r.Site))
		}
		return open[0], nil
	}
	born, err := s.Centre.Born(ctx, tx, t.Tenant, t.Name)
	if err != nil {
		return nil, err
	}
	now := s.now().Truncate(time.Microsecond)
	r := &Run{Tenant: t.Tenant, Target: t.Name, Site: site, Why: why, Phase: listing, StartedAt: now, Since: now.Add(-s.back()).UTC(), NotListed: []string{}}
	switch {
	case born.IsZero():
		r.Since = now
	case born.After(r.Since):
		r.Since = born.UTC()
	}
	return r, r.insert(ctx, tx)
}

func (s *Sweep) back() time.Duration {
	if s.Back > 0 {
		return s.Back
	}
	return 30 * 24 * time.Hour
}

func inSite(site string) string {
	if site == "" {
		return ""
	}
	return " of " + site
}

func atSite(site string) string {
	if site == "" {
		return ""
	}
	return " --site " + site
}

func (s *Sweep) hold(ctx context.Context, t *Target) error {
	held, err := s.DB.Lease(ctx, leaseName(t), s.Holder, max(leaseFor, t.stepTime()+30*time.Second))
	if err == nil && !held {
		err = ErrBusy
	}
	return err
}

// End gives the target back to whoever wants to sweep it next.
func (s *Sweep) End(ctx context.Context, t *Target) { s.DB.GiveBack(ctx, leaseName(t), s.Holder) }

// Step takes one step of a run and says how long it must rest before the next one, since its requests of the minute are used up.
func (s *Sweep) Step(ctx context.Context, t *Target, r *Run) (rest time.Duration, err error) {
	if err := s.hold(ctx, t); err != nil {
		return 0, err
	}
	now := s.now()
	if now.Sub(r.minuteAt) >= time.Minute || now.Before(r.minuteAt) {
		r.minuteAt, r.minuteCalls = now, 0
	}
	if asks := r.Phase == listing || r.Phase == asking || r.Phase == stocking; asks && r.minuteCalls >= s.perMinute() {
		return r.minuteAt.Add(time.Minute).Sub(now), nil
	}
	var calls atomic.Int64
	within, end := context.WithTimeout(connector.CountRequests(ctx, &calls), t.stepTime())
	defer end()
	before := *r
	err = s.step(within, t, r, func() { r.count(calls.Load()) })
	if err == nil {
		return 0, nil
	}
	*r = before
	if ctx.Err() != nil {
		return 0, err
	}
	r.count(calls.Load())
	r.Fault = strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "\ufffd") // it may quote the system
	return 0, errors.Join(err, s.DB.Write(ctx, func(tx *db.Tx) error {
		if now.Sub(r.StartedAt) >= s.giveUpAfter() {
			if err := s.giveUp(ctx, tx, t, r); err != nil {
				return err
			}
		}
		return r.save(ctx, tx, s.now())
	}))
}

func (r *Run) count(calls int64) {
	r.Calls += calls
	r.minuteCalls += calls
}

// step does what the phase wants; counted is called before the run is saved.
func (s *Sweep) step(ctx context.Context, t *Target, r *Run, counted func()) error {
	kinds := kindsOf(t)
	save := func(f func(tx *db.Tx) error) error {
		before := *r
		return s.DB.Write(ctx, func(tx *db.Tx) error {
			*r = before // the database may have it done twice
			if f != nil {
				if err := f(tx); err != nil {
					return err
				}
			}
			r.Fault = ""
			return r.save(ctx, tx, s.now())
		})
	}
	if (r.Phase == listing || r.Phase == comparing || r.Phase == asking) && int(r.place) >= len(kinds) {
		r.Phase, r.place = stocking, 0
		return save(nil)
	}
	switch r.Phase {
	case listing:
		return s.list(ctx, t, r, kinds[r.place], counted, save)
	case comparing:
		if kind := kinds[r.place]; isRecord(kind) {
			return save(func(tx *db.Tx) error { return s.compareRecords(ctx, tx, t, r, kind) })
		}
		return save(func(tx *db.Tx) error { return s.compare(ctx, tx, t, r, kinds[r.place]) })
	case asking:
		if isRecord(kinds[r.place]) {
			return s.askOrders(ctx, t, r, counted, save)
		}
		return s.ask(ctx, t, r, kinds[r.place], counted, save)
	case stocking:
		return s.stock(ctx, t, r, counted, save)
	case reporting:
		return save(func(tx *db.Tx) error { return s.report(ctx, tx, t, r) })
	}
	return nil
}

// kindsOf are the kinds of postings that a target takes, sorted, and then those of the records that it lists.
func kindsOf(t *Target) []connector.Kind {
	var kinds []connector.Kind
	for kind := range t.Connector.Kinds() {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return append(kinds, connector.Records(t.Connector)...)
}

// saving runs f and saves the run in the same transaction.
type saving func(f func(tx *db.Tx) error) error
