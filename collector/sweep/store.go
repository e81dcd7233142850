package sweep

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

var runColumns = []string{"tenant", "target", "site", "why", "phase", "place", "page", "after_place", "since_at", "read_at", "minute_at", "minute_calls", "calls", "matched",
	"foreign_documents", "healed", "before_number", "not_listed", "fault", "started_at", "changed_at", "ended_at",
	"pages", "idle", "endless", "not_compared"}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func at(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func (r *Run) values() []any {
	return []any{r.Tenant, r.Target, r.Site, r.Why, r.Phase, r.place, r.page, r.afterPlace, micros(r.Since), micros(r.readAt), micros(r.minuteAt), r.minuteCalls, r.Calls, r.Matched,
		r.Foreign, r.Healed, r.Before, strings.Join(r.NotListed, ","), r.Fault, micros(r.StartedAt), micros(r.changedAt), micros(r.EndedAt), r.pages, r.idle, strings.Join(r.Endless, "\n"), strings.Join(r.NotCompared, "\n")}
}

func (r *Run) insert(ctx context.Context, tx *db.Tx) error {
	r.changedAt = r.StartedAt
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(runColumns)), ", ")
	if err := tx.QueryRow(ctx, `INSERT INTO sweep_run (`+strings.Join(runColumns, ", ")+`) VALUES (`+marks+`) RETURNING number`, r.values()...).Scan(&r.Number); err != nil {
		return fmt.Errorf("begin a sweep: %w", err)
	}
	return nil
}

func (r *Run) save(ctx context.Context, tx *db.Tx, now time.Time) error {
	r.changedAt = now
	if _, err := tx.Exec(ctx, `UPDATE sweep_run SET `+strings.Join(runColumns, " = ?, ")+` = ? WHERE number = ?`, append(r.values(), r.Number)...); err != nil {
		return fmt.Errorf("sweep %d: save: %w", r.Number, err)
	}
	return nil
}

func runs(ctx context.Context, tx *db.Tx, where string, args ...any) ([]*Run, error) {
	rows, err := tx.Query(ctx, `SELECT number, `+strings.Join(runColumns, ", ")+` FROM sweep_run WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("sweeps: %w", err)
	}
	defer rows.Close()
	var out []*Run
	for rows.Next() {
		r := &Run{NotListed: []string{}}
		var since, read, minute, started, changed, ended int64
		var notListed, endless, notCompared string
		if err := rows.Scan(&r.Number, &r.Tenant, &r.Target, &r.Site, &r.Why, &r.Phase, &r.place, &r.page, &r.afterPlace, &since, &read, &minute, &r.minuteCalls, &r.Calls, &r.Matched,
			&r.Foreign, &r.Healed, &r.Before, &notListed, &r.Fault, &started, &changed, &ended, &r.pages, &r.idle, &endless, &notCompared); err != nil {
			return nil, err
		}
		r.Since, r.readAt, r.minuteAt, r.StartedAt, r.changedAt, r.EndedAt = at(since), at(read), at(minute), at(started), at(changed), at(ended)
		if notListed != "" {
			r.NotListed = strings.Split(notListed, ",")
		}
		if endless != "" {
			r.Endless = strings.Split(endless, "\n")
		}
		if notCompared != "" {
			r.NotCompared = strings.Split(notCompared, "\n")
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// List returns a tenant's runs, the newest first; an empty target is all.
func List(ctx context.Context, tx *db.Tx, tenant, target string, limit int) ([]*Run, error) {
	if target == "" {
		return runs(ctx, tx, `tenant = ? ORDER BY number DESC LIMIT ?`, tenant, limit)
	}
	return runs(ctx, tx, `tenant = ? AND target = ? ORDER BY number DESC LIMIT ?`, tenant, target, limit)
}

// Read returns one run of a tenant.
func Read(ctx context.Context, tx *db.Tx, tenant string, number int64) (*Run, error) {
	found, err := runs(ctx, tx, `tenant = ? AND number = ?`, tenant, number)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("run %d: %w", number, ErrAbsent)
	}
	return found[0], nil
}

// keep adds a page of what the system listed, and says how many of its documents were not listed before.
func (r *Run) keep(ctx context.Context, tx *db.Tx, page []connector.Listed) (fresh int, err error) {
	known := db.Lookup{Table: "sweep_document", Columns: []string{"name"}, Key: []string{"run", "name"}}
	for _, d := range page {
		known.Rows = append(known.Rows, []any{r.Number, nameOf(d)})
	}
	found, err := tx.Lookup(ctx, known)
	if err != nil {
		return 0, err
	}
	had := make(map[string]bool)
	for _, row := range found {
		had[row[0].(string)] = true
	}
	var from int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM sweep_document WHERE run = ?`, r.Number).Scan(&from); err != nil {
		return 0, err
	}
	insert := db.Insert{Table: "sweep_document", Columns: []string{"run", "place", "name", "body"}}
	for i, d := range page {
		body, err := json.Marshal(d)
		if err != nil {
			return 0, err
		}
		name := nameOf(d)
		if !had[name] {
			had[name], fresh = true, fresh+1
		}
		insert.Rows = append(insert.Rows, []any{r.Number, from + int64(i), name, string(body)})
	}
	return fresh, tx.InsertAll(ctx, insert)
}

// nameOf tells a listed document from others of its kind.
func nameOf(d connector.Listed) string { return d.Number + "\n" + d.Reference }

func (r *Run) documents(ctx context.Context, tx *db.Tx) ([]connector.Listed, error) {
	texts, err := tx.Texts(ctx, `SELECT body FROM sweep_document WHERE run = ? ORDER BY place`, r.Number)
	if err != nil {
		return nil, err
	}
	return decoded[connector.Listed](texts)
}

func (r *Run) forgetDocumentsIn(ctx context.Context) func(*db.Tx) error {
	return func(tx *db.Tx) error { return r.forgetDocuments(ctx, tx) }
}

func (r *Run) forgetDocuments(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM sweep_document WHERE run = ?`, r.Number)
	return err
}

func encoded(v any) (string, error) {
	body, err := json.Marshal(v)
	return string(body), err
}

func decoded[T any](texts []string) ([]T, error) {
	out := make([]T, len(texts))
	var errs []error
	for i, text := range texts {
		errs = append(errs, json.Unmarshal([]byte(text), &out[i]))
	}
	return out, errors.Join(errs...)
}

// add keeps findings; toAsk says of which the system is asked once more, nil for none.
func (r *Run) add(ctx context.Context, tx *db.Tx, found []Finding, toAsk func(*Finding) bool) error {
	insert := db.Insert{Table: "sweep_finding", Columns: []string{"run", "subject", "result", "cause", "site", "to_ask", "body"}, Conflict: []string{"run", "subject", "result"},
		Update: []string{"cause", "site", "to_ask", "body"}}
	for i := range found {
		f := &found[i]
		body, err := json.Marshal(f)
		if err != nil {
			return err
		}
		var ask int64
		if toAsk != nil && toAsk(f) {
			ask = 1
		}
		insert.Rows = append(insert.Rows, []any{r.Number, f.Subject, string(f.Result), string(f.Cause), f.Site, ask, string(body)})
	}
	if len(insert.Rows) == 0 {
		return nil
	}
	return tx.Upsert(ctx, insert)
}

func (r *Run) toAsk(ctx context.Context, tx *db.Tx, limit int) ([]Finding, error) {
	texts, err := tx.Texts(ctx, `SELECT body FROM sweep_finding WHERE run = ? AND to_ask = 1 ORDER BY subject LIMIT ?`, r.Number, limit)
	if err != nil {
		return nil, err
	}
	return decoded[Finding](texts)
}

// answered drops findings of which the system was asked once more: what it said takes their place.
func (r *Run) answered(ctx context.Context, tx *db.Tx, asked []Finding) error {
	keys := make([][]any, len(asked))
	for i, f := range asked {
		keys[i] = []any{r.Number, f.Subject, string(f.Result)}
	}
	return tx.DeleteAll(ctx, "sweep_finding", []string{"run", "subject", "result"}, keys)
}

// Findings are what a run found, by subject; unexplained leaves out what is explained.
func Findings(ctx context.Context, tx *db.Tx, run int64, unexplained bool) ([]Finding, error) {
	where := `run = ?`
	if unexplained {
		where += ` AND cause = ''`
	}
	texts, err := tx.Texts(ctx, `SELECT body FROM sweep_finding WHERE `+where+` ORDER BY subject, result`, run)
	if err != nil {
		return nil, err
	}
	return decoded[Finding](texts)
}

// prune drops the oldest runs of a target beyond those that are kept.
func (r *Run) prune(ctx context.Context, tx *db.Tx) error {
	old, err := runs(ctx, tx, `tenant = ? AND target = ? AND phase = 'done' ORDER BY number DESC LIMIT 50 OFFSET ?`, r.Tenant, r.Target, kept)
	if err != nil {
		return err
	}
	for _, each := range old {
		for _, query := range []string{`DELETE FROM sweep_finding WHERE run = ?`, `DELETE FROM sweep_document WHERE run = ?`, `DELETE FROM sweep_run WHERE number = ?`} {
			if _, err := tx.Exec(ctx, query, each.Number); err != nil {
				return err
			}
		}
	}
	return nil
}
