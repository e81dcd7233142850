package sweep

import (
	"context"
	"errors"
	"time"

	"github.com/dockline/dockline/collector/db"
)

const (
	// again is how long a run waits after a step that failed.
	again = time.Minute
	// lookEvery is how often the schedule looks what is due.
	lookEvery = 5 * time.Second
)

// Schedule has every target swept once a day, and after it was away. Several may run on one database: each target is swept by one of them.
type Schedule struct {
	*Sweep
	Targets []*Target
	// Daily: At is the time of day from which on a sweep is due, in the zone of this machine.
	Daily bool
	At    time.Duration
	// Away says whether a target does not answer; after it was away for at least AwayFor it is swept. AwayFor 0 is never.
	Away    func(t *Target) bool
	AwayFor time.Duration

	wake    db.Signal
	began   time.Time
	working []*work
}

// work is where one target stands with this process.
type work struct {
	target    *Target
	run       *Run
	restUntil time.Time
	awaySince time.Time
	returned  bool
}

// Run sweeps until ctx ends.
func (l *Schedule) Run(ctx context.Context) error {
	defer func() {
		for _, w := range l.working {
			l.End(ctx, w.target)
		}
	}()
	return db.Poll(ctx, &l.wake, lookEvery, l.Log, "sweep", l.Step)
}

// Wake has it look at once what is due, as when somebody has begun a run.
func (l *Schedule) Wake() { l.wake.Set() }

// Step takes one step for every target that has something to do, and says whether any has more.
func (l *Schedule) Step(ctx context.Context) (more bool, err error) {
	if l.began.IsZero() {
		l.began = l.now()
		for _, t := range l.Targets {
			l.working = append(l.working, &work{target: t})
		}
	}
	var errs []error
	for _, w := range l.working {
		did, err := l.turn(ctx, w)
		errs = append(errs, err)
		more = more || did && err == nil
	}
	return more, errors.Join(errs...)
}

func (l *Schedule) turn(ctx context.Context, w *work) (bool, error) {
	now := l.now()
	l.watch(w, now)
	if now.Before(w.restUntil) {
		return false, nil
	}
	if w.run == nil {
		site, why, err := l.due(ctx, w, now)
		if err != nil || why == "" {
			return false, err
		}
		if w.run, err = l.Begin(ctx, w.target, site, why); err != nil {
			return false, busyIsFine(err)
		}
		w.returned = false
	}
	rest, err := l.Sweep.Step(ctx, w.target, w.run)
	switch {
	case errors.Is(err, ErrBusy):
		w.run = nil
		return false, nil
	case err != nil:
		if w.restUntil = now.Add(again); w.run.Done() {
			w.run = nil // given up
			l.End(ctx, w.target)
		}
		return false, err
	case rest > 0:
		w.restUntil = now.Add(rest)
		return false, nil
	}
	if w.run.Done() {
		l.tell(w.run)
		w.run = nil
		l.End(ctx, w.target)
	}
	return true, nil
}

func (l *Schedule) tell(r *Run) {
	if l.Log != nil {
		l.Log.Info("swept", "target", r.Target, "run", r.Number, "why", r.Why, "matched", r.Matched, "calls", r.Calls)
	}
}

// watch notes when a target went and came back.
func (l *Schedule) watch(w *work, now time.Time) {
	if l.Away == nil || l.AwayFor == 0 {
		return
	}
	switch away := l.Away(w.target); {
	case away && w.awaySince.IsZero():
		w.awaySince = now
	case !away && !w.awaySince.IsZero():
		w.returned = w.returned || now.Sub(w.awaySince) >= l.AwayFor
		w.awaySince = time.Time{}
	}
}

// due says why a target is to be swept now, and of which site, "" for all; no reason is not now. A run that was begun is taken up; else the target must have come back, or its time of day must have come since the last run. A collector
// that has never swept begins with the next one.
func (l *Schedule) due(ctx context.Context, w *work, now time.Time) (site, why string, err error) {
	var open, last []*Run
	err = l.DB.Read(ctx, func(tx *db.Tx) (err error) {
		t := w.target
		if open, err = runs(ctx, tx, `tenant = ? AND target = ? AND phase <> 'done' LIMIT 1`, t.Tenant, t.Name); err != nil {
			return err
		}
		last, err = runs(ctx, tx, `tenant = ? AND target = ? AND why = ? ORDER BY number DESC LIMIT 1`, t.Tenant, t.Name, Scheduled)
		return err
	})
	switch {
	case err != nil:
		return "", "", err
	case len(open) > 0:
		return open[0].Site, open[0].Why, nil
	case w.returned:
		return "", Returned, nil
	case !l.Daily:
		return "", "", nil
	}
	since := l.began
	if len(last) > 0 && !last[0].StartedAt.After(now) { // the clock was set back since else
		since = last[0].StartedAt
	}
	local := now.Local()
	at := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location()).Add(l.At)
	if at.After(local) {
		at = at.AddDate(0, 0, -1)
	}
	if !since.Before(at) {
		return "", "", nil
	}
	return "", Scheduled, nil
}

func busyIsFine(err error) error {
	if errors.Is(err, ErrBusy) {
		return nil
	}
	return err
}

// Through makes a run of a target from beginning to end; where another process works on one, it waits.
func (s *Sweep) Through(ctx context.Context, t *Target, site, why string) (*Run, error) {
	r, err := s.Begin(ctx, t, site, why)
	for ; errors.Is(err, ErrBusy); r, err = s.Begin(ctx, t, site, why) {
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	defer s.End(ctx, t)
	for !r.Done() {
		rest, err := s.Step(ctx, t, r)
		if err != nil {
			return r, err
		}
		if rest > 0 {
			if err := pause(ctx, min(rest, leaseFor/4)); err != nil { // its lease is to go on meanwhile
				return r, err
			}
		}
	}
	return r, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
