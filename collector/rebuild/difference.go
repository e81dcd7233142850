package rebuild

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Difference is one thing in which what is kept of a key differs from what its events say.
type Difference struct {
	Key
	// EventID is the event of a fact, "" for the state of the key.
	EventID string `json:"event_id,omitempty"`
	// What is missing_fact, extra_fact, other_fact or state.
	What string `json:"what"`
	Text string `json:"text"`
	// Settled is "" as long as it was not put right, then "put right", or "remains" where it differs still.
	Settled string `json:"settled,omitempty"`

	logID   int64
	settled int64
}

// How a difference stands.
const (
	open     = 0
	restored = 1 // put right, to be looked at again
	agrees   = 2
	remains  = 3
)

var settledNames = map[int64]string{restored: "being put right", agrees: "put right", remains: "remains"}

const (
	stateDiffers    = "state"
	stateUnreadable = "unreadable_state"
)

func (s State) difference() (Difference, bool) {
	if s.Pending || len(s.Differences) == 0 {
		return Difference{}, false
	}
	d := Difference{Key: s.Key, What: stateDiffers, Text: strings.Join(s.Differences, "; ")}
	if s.Unreadable {
		d.What = stateUnreadable
	}
	return d, true
}

// save writes down what was found and how far a run is, in one short transaction. A difference that is known is brought up to date.
func (b *Rebuild) save(ctx context.Context, r *Run, found []Difference) error {
	r.ChangedAt = b.now().UTC()
	return b.DB.Write(ctx, func(tx *db.Tx) error { return saveIn(ctx, tx, r, found) })
}

func saveIn(ctx context.Context, tx *db.Tx, r *Run, found []Difference) error {
	rows := make([][]any, 0, len(found))
	seen := make(map[Difference]bool)
	for _, d := range found {
		if at := (Difference{Key: d.Key, logID: d.logID}); !seen[at] { // of one event and key the first says enough
			seen[at] = true
			rows = append(rows, []any{r.Number, d.Tenant, d.Key.Key, d.logID, d.EventID, d.What, d.Text, d.settled})
		}
	}
	if err := tx.Upsert(ctx, db.Insert{Table: "rebuild_difference", Columns: []string{"number", "tenant", "fold_key", "log_id", "event_id", "what", "detail", "settled"},
		Conflict: []string{"number", "tenant", "fold_key", "log_id"}, Update: []string{"what", "detail", "settled"}, Rows: rows}); err != nil {
		return err
	}
	if len(found) > 0 {
		for n, where := range map[*int64]string{&r.Differing: ``, &r.Remaining: ` AND settled = 3`} {
			if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT DISTINCT tenant, fold_key FROM rebuild_difference WHERE number = ?`+where+`) k`, r.Number).Scan(n); err != nil {
				return err
			}
		}
	}
	_, err := tx.Exec(ctx, `UPDATE rebuild SET phase = ?, after_log = ?, after_tenant = ?, after_key = ?, events = ?, facts = ?, keys = ?, pending = ?, differing = ?, remaining = ?, changed_at = ?
		WHERE number = ?`, r.Phase, r.afterLog, r.after.Tenant, r.after.Key, r.Events, r.Facts, r.Keys, r.Pending, r.Differing, r.Remaining, r.ChangedAt.UnixMicro(), r.Number)
	return err
}

// Differences lists what a run found, in the order of the keys.
func (b *Rebuild) Differences(ctx context.Context, r *Run, limit int) (found []Difference, err error) {
	err = b.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = differences(ctx, tx, `number = ? ORDER BY tenant, fold_key, log_id LIMIT ?`, r.Number, limit)
		return err
	})
	return found, err
}

func differences(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Difference, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, fold_key, log_id, event_id, what, detail, settled FROM rebuild_difference WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("differences: %w", err)
	}
	defer rows.Close()
	found := []Difference{}
	for rows.Next() {
		var d Difference
		if err := rows.Scan(&d.Tenant, &d.Key.Key, &d.logID, &d.EventID, &d.What, &d.Text, &d.settled); err != nil {
			return nil, err
		}
		d.Settled = settledNames[d.settled]
		found = append(found, d)
	}
	return found, rows.Err()
}

func runs(ctx context.Context, tx *db.Tx, where string, args ...any) (found []*Run, err error) {
	rows, err := tx.Query(ctx, `SELECT number, kind, tenant, fold_key, phase, after_log, after_tenant, after_key, events, facts, keys, pending, differing, remaining, started_at, changed_at
		FROM rebuild WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r := &Run{}
		var started, changed int64
		if err := rows.Scan(&r.Number, &r.Kind, &r.Scope.Tenant, &r.Scope.Key, &r.Phase, &r.afterLog, &r.after.Tenant, &r.after.Key, &r.Events, &r.Facts, &r.Keys,
			&r.Pending, &r.Differing, &r.Remaining, &started, &changed); err != nil {
			return nil, err
		}
		r.StartedAt, r.ChangedAt = time.UnixMicro(started).UTC(), time.UnixMicro(changed).UTC()
		found = append(found, r)
	}
	return found, rows.Err()
}

// Last is the newest run of a kind over everything, nil where there is none.
func (b *Rebuild) Last(ctx context.Context, kind string) (last *Run, err error) {
	err = b.DB.Read(ctx, func(tx *db.Tx) error {
		last = nil
		found, err := runs(ctx, tx, `kind = ? AND tenant = '' AND fold_key = '' ORDER BY number DESC LIMIT 1`, kind)
		if len(found) > 0 {
			last = found[0]
		}
		return err
	})
	return last, err
}
