package posting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// The states of a job.
const (
	JobRunning   = "running"
	JobDone      = "done"
	JobCancelled = "cancelled"
)

// Again says which postings of one target are to be tried again. An empty field is not a limit, except for Target.
type Again struct {
	Target string         `json:"target"`
	Kind   connector.Kind `json:"kind,omitempty"`
	Code   string         `json:"code,omitempty"`
	Site   string         `json:"site,omitempty"`
	// States are those of which something can be tried again: rejected, blocked, diverged, unknown, ready; empty is rejected and blocked.
	States []State `json:"states,omitempty"`
	// Since and Until are when it came to stand as it does.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Job is a person's word to try many postings again: the sender of the target takes them up in portions, at the pace that the target's rate
// allows, and goes on where it was after a crash.
type Job struct {
	ID     int64  `json:"id"`
	Tenant string `json:"tenant"`
	Again  Again  `json:"again"`
	State  string `json:"state"`
	// Total is how many there were when it began, LookedAt how many of them were taken up, and Tried how many of these could be tried again.
	Total    int64 `json:"total"`
	LookedAt int64 `json:"looked_at"`
	Tried    int64 `json:"tried"`
	// Came is how those that were tried stand now, by state.
	Came map[State]int64 `json:"came,omitempty"`
	// Waits is why nothing goes on although not all has come to something: its target is paused.
	Waits     string    `json:"waits,omitempty"`
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// where is the condition of what is to be tried again.
func (a Again) where(tenant string) (string, []any) {
	states := a.States
	if len(states) == 0 {
		states = []State{Rejected, Blocked}
	}
	text, args := "tenant = ? AND target = ? AND state IN "+db.List(len(states)), []any{tenant, a.Target}
	for _, s := range states {
		args = append(args, s)
	}
	for _, c := range []struct{ column, value string }{{"kind", string(a.Kind)}, {"fault_code", a.Code}, {"site", a.Site}} {
		if c.value != "" {
			text, args = text+" AND "+c.column+" = ?", append(args, c.value)
		}
	}
	if !a.Since.IsZero() {
		text, args = text+" AND changed_at >= ?", append(args, a.Since.UnixMicro())
	}
	if !a.Until.IsZero() {
		text, args = text+" AND changed_at < ?", append(args, a.Until.UnixMicro())
	}
	return text, args
}

// Start makes a job of trying many postings again.
func Start(ctx context.Context, tx *db.Tx, p Say, a Again, now time.Time) (*Job, error) {
	if err := p.may(ctx, tx); err != nil {
		return nil, err
	}
	if a.Target == "" {
		return nil, errors.New("name the target whose postings are to be tried again")
	}
	if a.Until.IsZero() {
		a.Until = now.Add(time.Microsecond) // what fails again while the job runs is not its own again
	}
	for _, s := range a.States {
		if !strings.Contains(" rejected blocked diverged unknown ready ", " "+string(s)+" ") {
			return nil, fmt.Errorf("%s: only what is rejected, blocked, diverged, unknown or ready can be tried again", s)
		}
	}
	j := &Job{Tenant: p.Tenant, Again: a, State: JobRunning, By: p.By, Reason: p.Reason, CreatedAt: now.UTC(), ChangedAt: now.UTC()}
	where, args := a.where(p.Tenant)
	var last int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(MAX(id), 0) FROM posting WHERE `+where, args...).Scan(&j.Total, &last); err != nil {
		return nil, fmt.Errorf("posting: what is to be tried again: %w", err)
	}
	if j.Total == 0 {
		return nil, errors.New("there is none of which that is true; `posting list` shows how they stand")
	}
	filter, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	ids, err := tx.NextIDs(ctx, "posting_job", "id", 1)
	if err != nil {
		return nil, err
	}
	j.ID = ids[0]
	if err := tx.InsertAll(ctx, db.Insert{Table: "posting_job", Columns: []string{"id", "tenant", "target", "state", "filter", "total", "up_to", "asked_by", "reason", "created_at", "changed_at"},
		Rows: [][]any{{j.ID, j.Tenant, a.Target, j.State, string(filter), j.Total, last, j.By, j.Reason, now.UnixMicro(), now.UnixMicro()}}}); err != nil {
		return nil, fmt.Errorf("posting: new job: %w", err)
	}
	return j, p.record(ctx, tx, "posting.retry", fmt.Sprintf("posting-job/%d", j.ID), j, now)
}

// Cancel ends a job: what it has not taken up stays as it is.
func Cancel(ctx context.Context, tx *db.Tx, p Say, id int64, now time.Time) (*Job, error) {
	if err := p.may(ctx, tx); err != nil {
		return nil, err
	}
	n, err := tx.Exec(ctx, `UPDATE posting_job SET state = ?, changed_at = ? WHERE id = ? AND tenant = ? AND state = ?`, JobCancelled, now.UnixMicro(), id, p.Tenant, JobRunning)
	if err != nil {
		return nil, fmt.Errorf("posting: cancel job %d: %w", id, err)
	}
	j, err := JobOf(ctx, tx, p.Tenant, id)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, fmt.Errorf("job %d is %s already", id, j.State)
	}
	return j, p.record(ctx, tx, "posting.cancel", fmt.Sprintf("posting-job/%d", id), j, now)
}

// Jobs lists a tenant's jobs, the newest first.
func Jobs(ctx context.Context, tx *db.Tx, tenant string, limit int) ([]*Job, error) {
	return jobs(ctx, tx, `tenant = ? ORDER BY id DESC LIMIT ?`, tenant, limit)
}

// JobOf is one job, with how what it tried stands now.
func JobOf(ctx context.Context, tx *db.Tx, tenant string, id int64) (*Job, error) {
	found, err := jobs(ctx, tx, `tenant = ? AND id = ?`, tenant, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no job %d of tenant %s: %w", id, tenant, ErrAbsent)
	}
	return found[0], nil
}

func jobs(ctx context.Context, tx *db.Tx, where string, args ...any) (out []*Job, err error) {
	rows, err := tx.Query(ctx, `SELECT id, tenant, state, filter, total, looked_at, again, asked_by, reason, created_at, changed_at FROM posting_job WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("posting: jobs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		j := &Job{Came: map[State]int64{}}
		var filter string
		var created, changed int64
		if err := rows.Scan(&j.ID, &j.Tenant, &j.State, &filter, &j.Total, &j.LookedAt, &j.Tried, &j.By, &j.Reason, &created, &changed); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(filter), &j.Again); err != nil {
			return nil, fmt.Errorf("posting: job %d: %w", j.ID, err)
		}
		j.CreatedAt, j.ChangedAt = at(created), at(changed)
		out = append(out, j)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, j := range out {
		if err := j.count(ctx, tx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// count says how what a job tried stands now.
func (j *Job) count(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.Query(ctx, `SELECT state, COUNT(*) FROM posting WHERE job = ? AND job <> 0 GROUP BY state`, j.ID)
	if err != nil {
		return fmt.Errorf("posting: job %d: %w", j.ID, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s State
		var n int64
		if err := rows.Scan(&s, &n); err != nil {
			return err
		}
		j.Came[s] = n
	}
	if err := rows.Err(); err != nil || j.State != JobRunning && !j.open() {
		return err
	}
	p, err := PauseOf(ctx, tx, j.Again.Target)
	if p != nil {
		j.Waits = p.String()
	}
	return err
}

// open says whether something that it tried is under way.
func (j *Job) open() bool {
	return j.Came[Planned]+j.Came[Ready]+j.Came[Sending]+j.Came[Unknown] > 0
}

// Ended says whether everything was taken up and nothing that it tried is under way.
func (j *Job) Ended() bool { return j.State != JobRunning && !j.open() }

// jobPortion is how many postings one step takes up for a job.
const jobPortion = 100

// workJob takes up a portion of the oldest job of the target. Portion and place in the job are one transaction.
func (s *Sender) workJob(ctx context.Context, now time.Time) (n int, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		n = 0
		var id, after, upTo int64
		var tenant, filter string
		rows, err := tx.Query(ctx, `SELECT id, tenant, filter, after_id, up_to FROM posting_job WHERE target = ? AND state = ? ORDER BY id LIMIT 1`, s.Target, JobRunning)
		if err != nil {
			return err
		}
		found := rows.Next()
		if found {
			err = rows.Scan(&id, &tenant, &filter, &after, &upTo)
		}
		rows.Close()
		if err != nil || !found {
			return err
		}
		var a Again
		if err := json.Unmarshal([]byte(filter), &a); err != nil {
			return fmt.Errorf("job %d: %w", id, err)
		}
		where, args := a.where(tenant)
		list, err := collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE `+where+` AND id > ? AND id <= ? ORDER BY id LIMIT ?`, append(args, after, upTo, jobPortion)...))
		if err != nil {
			return err
		}
		tried := int64(0)
		for _, r := range list {
			after = r.id
			if r.leaseUntil > now.UnixMicro() {
				continue // it is being tried
			}
			if err := r.again(now.UnixMicro()); err != nil {
				return err
			}
			r.Job = id
			r.touch()
			tried++
		}
		if err := saveAll(ctx, tx, list, now.UnixMicro()); err != nil {
			return err
		}
		state := JobRunning
		if n = len(list); n < jobPortion {
			state = JobDone
		}
		if _, err := tx.Exec(ctx, `UPDATE posting_job SET state = ?, looked_at = looked_at + ?, again = again + ?, after_id = ?, changed_at = ? WHERE id = ? AND state = ?`,
			state, n, tried, after, now.UnixMicro(), id, JobRunning); err != nil {
			return err
		}
		return promote(ctx, tx, now.UnixMicro(), `t.job = ?`, id)
	})
	if err != nil {
		return 0, fmt.Errorf("posting %s: bulk retry: %w", s.Target, err)
	}
	return n, nil
}

// again has a posting tried at once: what was refused is sent anew, what waits goes now, what is in dispute is read back.
func (r *row) again(now int64) error {
	r.notBefore = 0
	switch r.State {
	case Rejected:
		return r.plan(now)
	case Ready, Unknown, Blocked, Diverged:
		if r.leaseUntil <= now {
			r.readyAt = now
			r.touch()
		}
	case Planned:
		r.touch()
	case Superseded:
		if !r.Waived {
			return fmt.Errorf("%s is %s: %w", r.Ref, r.State, ErrNotRetryable)
		}
		r.waivedHash = ""
		return r.plan(now)
	default:
		return fmt.Errorf("%s is %s: %w", r.Ref, r.State, ErrNotRetryable)
	}
	return nil
}

// Waive is a person's word that a posting need not be told as it is wanted now: one that was refused is not sent until its document changes,
// and what stands in the target in place of one that diverged is taken for right.
func Waive(ctx context.Context, tx *db.Tx, p Say, ref Ref, now time.Time) error {
	if err := p.may(ctx, tx); err != nil {
		return err
	}
	if err := SetAside(ctx, tx, p.Tenant, ref, now); err != nil {
		return err
	}
	return p.record(ctx, tx, "posting.waive", "posting/"+ref.String(), nil, now)
}

// SetAside is Waive for a caller that asks for rights and keeps the record itself.
func SetAside(ctx context.Context, tx *db.Tx, tenant string, ref Ref, now time.Time) error {
	r, err := hold(ctx, tx, tenant, ref)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("%s: %w", ref, ErrAbsent)
	}
	if of := reverses(r.Kind); of != "" {
		return fmt.Errorf("%s takes back what is no longer wanted so: waive %s, and the reversal goes with it", ref, Ref{Target: r.Target, Kind: of, Key: r.chainKey})
	}
	switch r.State {
	case Rejected:
		r.waivedHash = r.hash
		err = r.move(Superseded)
	case Diverged:
		if r.Wanted {
			r.confirmedHash, r.confirmedBody, r.Booked = r.hash, r.body, r.Document
		}
		err = r.move(Confirmed)
	default:
		return fmt.Errorf("%s is %s: only what was refused, or differs in the target, can be waived", ref, r.State)
	}
	if err != nil {
		return err
	}
	r.say(Fault{})
	r.caseDue = true
	if err := r.save(ctx, tx, now.UnixMicro()); err != nil {
		return err
	}
	return promote(ctx, tx, now.UnixMicro(), `t.tenant = ? AND t.fold_key = ?`, tenant, r.FoldKey)
}
