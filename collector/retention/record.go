package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

// RunState is how a run stands.
type RunState string

const (
	// Running: a process is at it, or was killed at it.
	Running RunState = "running"
	// Done: all that is old enough was looked at.
	Done RunState = "done"
	// Stopped: its time was over before it had looked at all. The next one goes on from there.
	Stopped RunState = "stopped"
	// Failed: Text says why.
	Failed RunState = "failed"
	// Abandoned: its process ended in the middle of it, and another run was begun since.
	Abandoned RunState = "left"
)

// Record is a run as the database keeps it.
type Record struct {
	Number int64    `json:"number"`
	Tenant string   `json:"tenant"`
	State  RunState `json:"state"`
	// By is who ran it, the collector's own name where it was its hour.
	By string `json:"by"`
	// Archives were written or ended, with so many groups and events deleted from the database.
	Archives  int64     `json:"archives"`
	Groups    int64     `json:"groups"`
	Events    int64     `json:"events"`
	Text      string    `json:"text,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	// after is the last event that was looked at: behind it this run began, and where it was stopped the next one begins.
	after int64
	// aside is what is wrong with archives of former runs that it had to set aside.
	aside error
}

// Runs are those of a tenant, the newest first.
func Runs(ctx context.Context, tx *db.Tx, tenant string, limit int) ([]*Record, error) {
	return records(ctx, tx, `tenant = ? ORDER BY number DESC LIMIT ?`, tenant, limit)
}

// LastRuns are the newest run of each tenant, and the newest that did not fail.
func LastRuns(ctx context.Context, tx *db.Tx) (last, well map[string]*Record, err error) {
	last, well = make(map[string]*Record), make(map[string]*Record)
	for where, into := range map[string]map[string]*Record{`number IN (SELECT MAX(number) FROM archive_run GROUP BY tenant)`: last,
		`number IN (SELECT MAX(number) FROM archive_run WHERE state IN ('done', 'stopped') GROUP BY tenant)`: well} {
		found, err := records(ctx, tx, where)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range found {
			into[r.Tenant] = r
		}
	}
	return last, well, nil
}

func records(ctx context.Context, tx *db.Tx, where string, args ...any) (found []*Record, err error) {
	rows, err := tx.Query(ctx, `SELECT number, tenant, state, person, after_log, archives, groups, events, text, started_at, ended_at FROM archive_run WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("runs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		r := &Record{}
		var state string
		var started, ended int64
		if err := rows.Scan(&r.Number, &r.Tenant, &state, &r.By, &r.after, &r.Archives, &r.Groups, &r.Events, &r.Text, &started, &ended); err != nil {
			return nil, err
		}
		r.State, r.StartedAt = RunState(state), time.UnixMicro(started).UTC()
		if ended > 0 {
			r.EndedAt = time.UnixMicro(ended).UTC()
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// beginRun writes down that a run begins. What a killed process had begun is said to be left.
func (r *Retention) beginRun(ctx context.Context, tenant string, who Who) (run *Record, err error) {
	err = r.DB.Write(ctx, func(tx *db.Tx) error {
		ids, err := tx.NextIDs(ctx, "archive_run", "number", 1)
		if err != nil {
			return err
		}
		run = &Record{Number: ids[0], Tenant: tenant, State: Running, By: who.By, StartedAt: r.now()}
		if who.scheduled {
			former, err := records(ctx, tx, `tenant = ? AND person = ? ORDER BY number DESC LIMIT 1`, tenant, who.By)
			if err != nil {
				return err
			}
			if len(former) > 0 {
				run.after = former[0].after
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE archive_run SET state = 'left', ended_at = ? WHERE tenant = ? AND state = 'running'`, r.now().UnixMicro(), tenant); err != nil {
			return err
		}
		return tx.InsertAll(ctx, db.Insert{Table: "archive_run", Columns: []string{"number", "tenant", "state", "person", "after_log", "started_at"},
			Rows: [][]any{{run.Number, tenant, string(Running), run.By, run.after, run.StartedAt.UnixMicro()}}})
	})
	return run, err
}

// endRun writes down how it ended, also where the run was interrupted.
func (r *Retention) endRun(ctx context.Context, run *Record, done []*Archive, err error) error {
	ended := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch {
	case ended, errors.Is(err, errLost):
		run.State = Abandoned
	case err != nil:
		run.State, run.Text = Failed, err.Error()
	case run.State == Running:
		run.State, run.after = Done, 0
	}
	if err == nil && run.aside != nil {
		run.Text = run.aside.Error()
	}
	run.EndedAt = r.now()
	for _, a := range done {
		run.Archives++
		run.Groups += a.Pruned
		run.Events += a.Events
	}
	return r.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE archive_run SET state = ?, after_log = ?, archives = ?, groups = ?, events = ?, text = ?, ended_at = ? WHERE number = ?`,
			string(run.State), run.after, run.Archives, run.Groups, run.Events, run.Text, run.EndedAt.UnixMicro(), run.Number)
		return err
	})
}

// act records what was done: a person needs the scope for it, the collector at its hour the policy alone.
func (r *Retention) act(ctx context.Context, tx *db.Tx, who Who, a audit.Act, now time.Time) error {
	if who.scheduled {
		return audit.Record(ctx, tx, a, now)
	}
	return people.Act(ctx, tx, people.Retention, a, now)
}
