package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
)

// CodeFailed is the code of the exception that archiving at its hour has failed.
const CodeFailed = "retention_failed"

// againAfter is how long after a failure it is tried again in the same night.
const againAfter = 15 * time.Minute

// Exception is a case for a person.
type Exception struct {
	Code, Subject, Title, Text string
}

// Night archives once a day by itself what the policy has terms for. Several may run on one database: for each tenant one of them works.
type Night struct {
	*Retention
	// At is the time of day from which on it is due, in the zone of this machine, and For how long from then on something is begun. What is left
	// when that is over goes on from there in the next night.
	At, For time.Duration
	// Tenants lists those that there are.
	Tenants func(ctx context.Context) ([]string, error)
	// Report makes the open case of a tenant be the one found; nil closes it.
	Report func(ctx context.Context, tx *db.Tx, tenant string, found *Exception) error
	// Log may be nil.
	Log *slog.Logger

	wake  db.Signal
	began time.Time
}

// Run archives at its hour until ctx ends.
func (n *Night) Run(ctx context.Context) error {
	return db.Poll(ctx, &n.wake, time.Minute, n.Log, "archive", func(ctx context.Context) (bool, error) { return false, n.Step(ctx) })
}

// Step archives what is due. A failure of a tenant's is on record and a case, and does not hold up the others.
func (n *Night) Step(ctx context.Context) error {
	now := n.clock()
	if n.began.IsZero() {
		n.began = now
	}
	since := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()).Add(n.At)
	if since.After(now) {
		since = since.AddDate(0, 0, -1)
	}
	until := since.Add(n.For)
	if !now.Before(until) {
		return nil
	}
	tenants, err := n.Tenants(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, tenant := range tenants {
		if err := sound(func() error { return n.tenant(ctx, tenant, since, until) }); err != nil {
			n.where(err)
			errs = append(errs, fmt.Errorf("tenant %s: %w", tenant, err))
		}
	}
	return errors.Join(errs...)
}

// clock is the time in the zone of the machine: people give the hour in it.
func (n *Night) clock() time.Time {
	if n.Now == nil {
		return time.Now()
	}
	return n.Now()
}

// tenant archives that of one tenant, if it is due in the night that began at since.
func (n *Night) tenant(ctx context.Context, tenant string, since, until time.Time) error {
	if n.shortest(tenant) <= 0 {
		return nil
	}
	due, err := n.due(ctx, tenant, since)
	if err != nil || !due {
		return err
	}
	run, done, err := n.run(ctx, tenant, Who{By: policy.Self, Reason: "its hour (archive.at)", scheduled: true}, until)
	switch {
	case errors.Is(err, ErrBusy), ctx.Err() != nil:
		return nil // another one does it; or the next start does
	case run == nil:
		return err // the database is away, and takes no record of that either
	}
	var found *Exception
	if err != nil {
		found = &Exception{Code: CodeFailed, Subject: tenant, Title: "Archiving has failed",
			Text: fmt.Sprintf("What is old enough stays in the database, which grows; nothing is lost. %v. It is tried again in %s, and in the next night. `dockline-collector retention run --tenant %s --reason WHY` tries at once",
				err, againAfter, tenant)}
	} else if run.aside != nil {
		found = &Exception{Code: CodeFailed, Subject: tenant, Title: "An archive cannot be read",
			Text: fmt.Sprintf("Everything else was archived. %v. `dockline-collector retention verify --tenant %s` says how the others stand", run.aside, tenant)}
	}
	if n.Log != nil {
		if err != nil {
			n.Log.Error("archiving failed", "tenant", tenant, "err", err)
			n.where(err)
		} else {
			if run.aside != nil {
				n.Log.Error("an archive cannot be read", "tenant", tenant, "err", run.aside)
			}
			n.Log.Info("archived", "tenant", tenant, "archives", len(done), "groups", run.Groups, "events", run.Events, "state", string(run.State))
		}
	}
	if n.Report == nil {
		return nil
	}
	return n.DB.Write(ctx, func(tx *db.Tx) error { return n.Report(ctx, tx, tenant, found) })
}

// where logs at which place of the program a fault of it was.
func (n *Night) where(err error) {
	if f, ok := errors.AsType[*fault](err); ok && n.Log != nil {
		n.Log.Error("a fault of the program", "err", f, "stack", string(f.stack))
	}
}

// due: there was no run by itself since the hour, or it failed a while ago, or its process is gone. A run of a process that is at it is seen by
// the lease. A collector that has never made one begins with the first night that it is there for.
func (n *Night) due(ctx context.Context, tenant string, since time.Time) (due bool, err error) {
	err = n.DB.Read(ctx, func(tx *db.Tx) error {
		last, err := records(ctx, tx, `tenant = ? AND person = ? ORDER BY number DESC LIMIT 1`, tenant, policy.Self)
		switch {
		case err != nil:
			return err
		case len(last) == 0:
			due = n.began.Before(since)
		case last[0].StartedAt.Before(since), last[0].StartedAt.After(n.clock()), last[0].State == Running, last[0].State == Abandoned:
			due = true
		case last[0].State == Failed:
			due = !n.clock().Before(last[0].EndedAt.Add(againAfter))
		}
		return nil
	})
	return due, err
}

// HalfTheTime is a Rest that takes as long as the work took, so that archiving has at most half of the database's time.
func HalfTheTime(ctx context.Context, worked time.Duration) error {
	timer := time.NewTimer(min(worked, lease/3))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
