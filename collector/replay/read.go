package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

var columns = []string{"number", "tenant", "selection", "phase", "token", "after_key", "keys", "unchanged", "changed", "pending", "faulty", "postings_new", "postings_changed",
	"postings_gone", "opened", "closed", "replayed", "stale", "remaining", "person", "reason", "started_at", "changed_at"}

func (j *Job) row() ([]any, error) {
	selection, err := json.Marshal(j.Selection)
	return []any{j.Number, j.Selection.Tenant, string(selection), j.Phase, j.Token, j.after, j.Keys, j.Unchanged, j.Changed, j.Pending, j.Faulty, j.New, j.Differ, j.Gone, j.Opened, j.Closed,
		j.Replayed, j.Stale, j.Remaining, j.By, j.Reason, j.StartedAt.UnixMicro(), j.ChangedAt.UnixMicro()}, err
}

func (j *Job) insert(ctx context.Context, tx *db.Tx) error {
	row, err := j.row()
	if err != nil {
		return err
	}
	return tx.InsertAll(ctx, db.Insert{Table: "replay", Columns: columns, Rows: [][]any{row}})
}

func (j *Job) save(ctx context.Context, tx *db.Tx, now time.Time) error {
	j.ChangedAt = now.UTC().Truncate(time.Microsecond)
	row, err := j.row()
	if err != nil {
		return err
	}
	_, err = tx.UpdateAll(ctx, db.Update{Table: "replay", Key: columns[:1], Set: columns[1:], Rows: [][]any{row}})
	return err
}

func jobs(ctx context.Context, tx *db.Tx, where string, args ...any) ([]*Job, error) {
	rows, err := tx.Query(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM replay WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("replays: %w", err)
	}
	defer rows.Close()
	var found []*Job
	for rows.Next() {
		j := &Job{}
		var tenant, selection string
		var started, changed int64
		if err := rows.Scan(&j.Number, &tenant, &selection, &j.Phase, &j.Token, &j.after, &j.Keys, &j.Unchanged, &j.Changed, &j.Pending, &j.Faulty, &j.New, &j.Differ, &j.Gone, &j.Opened, &j.Closed,
			&j.Replayed, &j.Stale, &j.Remaining, &j.By, &j.Reason, &started, &changed); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(selection), &j.Selection); err != nil {
			return nil, fmt.Errorf("replay %d: %w", j.Number, err)
		}
		j.StartedAt, j.ChangedAt = time.UnixMicro(started).UTC(), time.UnixMicro(changed).UTC()
		found = append(found, j)
	}
	return found, rows.Err()
}

func one(ctx context.Context, tx *db.Tx, tenant string, number int64) (*Job, error) {
	found, err := jobs(ctx, tx, `tenant = ? AND number = ?`, tenant, number)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("replay %d of %s: %w", number, tenant, ErrAbsent)
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// Get returns a job, or ErrAbsent.
func Get(ctx context.Context, tx *db.Tx, tenant string, number int64) (*Job, error) {
	return one(ctx, tx, tenant, number)
}

// List returns the jobs of a tenant, the newest first.
func List(ctx context.Context, tx *db.Tx, tenant string, limit int) ([]*Job, error) {
	return jobs(ctx, tx, `tenant = ? ORDER BY number DESC LIMIT ?`, tenant, limit)
}

// Difference is how a key would be, or was found, otherwise.
type Difference struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

// Differences are the first keys of a job that differ.
func Differences(ctx context.Context, tx *db.Tx, j *Job, limit int) ([]Difference, error) {
	rows, err := tx.Query(ctx, `SELECT fold_key, differs FROM replay_key WHERE number = ? AND differs <> '' ORDER BY fold_key LIMIT ?`, j.Number, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Difference
	for rows.Next() {
		var d Difference
		if err := rows.Scan(&d.Key, &d.Text); err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, rows.Err()
}

// Replayed is how many keys of each tenant were folded again by replays, for metrics.
func Replayed(ctx context.Context, tx *db.Tx) (map[string]int64, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, SUM(replayed) FROM replay GROUP BY tenant`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]int64)
	for rows.Next() {
		var tenant string
		var n int64
		if err := rows.Scan(&tenant, &n); err != nil {
			return nil, err
		}
		found[tenant] = n
	}
	return found, rows.Err()
}

type jobKey struct{ key, digest string }

// keysIn is a page of a job's keys in a state.
func (r *Replay) keysIn(ctx context.Context, j *Job, state int) (found []jobKey, err error) {
	err = r.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `SELECT fold_key, digest FROM replay_key WHERE number = ? AND state = ? ORDER BY fold_key LIMIT ?`, j.Number, state, r.page())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k jobKey
			if err := rows.Scan(&k.key, &k.digest); err != nil {
				return err
			}
			found = append(found, k)
		}
		return rows.Err()
	})
	return found, err
}
