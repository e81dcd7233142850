package posting

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/db"
)

const needsColumns = `d.target, d.kind, d.natural_key, d.needs_target, d.needs_kind, d.needs_key`

func collectNeeds(rows *sql.Rows, err error) (map[Ref][]Ref, error) {
	if err != nil {
		return nil, fmt.Errorf("posting: dependencies: %w", err)
	}
	defer rows.Close()
	out := map[Ref][]Ref{}
	for rows.Next() {
		var r, need Ref
		if err := rows.Scan(&r.Target, &r.Kind, &r.Key, &need.Target, &need.Kind, &need.Key); err != nil {
			return nil, err
		}
		out[r] = append(out[r], need)
	}
	return out, rows.Err()
}

func needsOfFold(ctx context.Context, tx *db.Tx, tenant, foldKey string) (map[Ref][]Ref, error) {
	return collectNeeds(tx.Query(ctx, `SELECT `+needsColumns+` FROM posting p JOIN posting_dependency d ON d.tenant = p.tenant
		AND d.target = p.target AND d.kind = p.kind AND d.natural_key = p.natural_key
		WHERE p.tenant = ? AND p.fold_key = ?`, tenant, foldKey))
}

func needsOf(ctx context.Context, tx *db.Tx, tenant string, ref Ref) ([]Ref, error) {
	all, err := collectNeeds(tx.Query(ctx, `SELECT `+needsColumns+` FROM posting_dependency d WHERE d.tenant = ? AND d.target = ?
		AND d.kind = ? AND d.natural_key = ? ORDER BY d.needs_target, d.needs_kind, d.needs_key`,
		tenant, ref.Target, ref.Kind, ref.Key))
	return all[ref], err
}

// setNeeds makes the dependencies of ref those wanted and says whether that changed any.
func setNeeds(ctx context.Context, tx *db.Tx, tenant string, ref Ref, have, want []Ref) (bool, error) {
	changed := false
	for _, n := range have {
		if slices.Contains(want, n) {
			continue
		}
		changed = true
		_, err := tx.Exec(ctx, `DELETE FROM posting_dependency WHERE tenant = ? AND target = ? AND kind = ? AND natural_key = ?
			AND needs_target = ? AND needs_kind = ? AND needs_key = ?`,
			tenant, ref.Target, ref.Kind, ref.Key, n.Target, n.Kind, n.Key)
		if err != nil {
			return false, fmt.Errorf("drop dependency: %w", err)
		}
	}
	add := db.Insert{Table: "posting_dependency",
		Columns:  []string{"tenant", "target", "kind", "natural_key", "needs_target", "needs_kind", "needs_key"},
		Conflict: []string{"tenant", "target", "kind", "natural_key", "needs_target", "needs_kind", "needs_key"}}
	for _, n := range want {
		if !slices.Contains(have, n) {
			add.Rows = append(add.Rows, []any{tenant, ref.Target, string(ref.Kind), ref.Key, n.Target, string(n.Kind), n.Key})
		}
	}
	if len(add.Rows) == 0 {
		return changed, nil
	}
	_, err := tx.InsertAbsent(ctx, add)
	return true, err
}

func collectEvents(rows *sql.Rows, err error) (map[Ref][]string, error) {
	if err != nil {
		return nil, fmt.Errorf("posting: events: %w", err)
	}
	defer rows.Close()
	out := map[Ref][]string{}
	for rows.Next() {
		var r Ref
		var id string
		if err := rows.Scan(&r.Target, &r.Kind, &r.Key, &id); err != nil {
			return nil, err
		}
		out[r] = append(out[r], id)
	}
	return out, rows.Err()
}

func eventsOfFold(ctx context.Context, tx *db.Tx, tenant, foldKey string) (map[Ref][]string, error) {
	// CROSS JOIN has SQLite begin with the fold's postings; else it begins with all events of the tenant.
	return collectEvents(tx.Query(ctx, `SELECT e.target, e.kind, e.natural_key, e.event_id FROM posting p CROSS JOIN posting_event e
		WHERE p.tenant = ? AND p.fold_key = ? AND e.tenant = p.tenant AND e.target = p.target AND e.kind = p.kind
			AND e.natural_key = p.natural_key`, tenant, foldKey))
}

func eventsOf(ctx context.Context, tx *db.Tx, tenant string, ref Ref) ([]string, error) {
	all, err := collectEvents(tx.Query(ctx, `SELECT target, kind, natural_key, event_id FROM posting_event WHERE tenant = ?
		AND target = ? AND kind = ? AND natural_key = ? ORDER BY event_id`, tenant, ref.Target, ref.Kind, ref.Key))
	return all[ref], err
}

// setEvents makes the events that feed ref those wanted.
func setEvents(ctx context.Context, tx *db.Tx, tenant string, ref Ref, have, want []string) error {
	held := make(map[string]bool, len(have))
	for _, id := range have {
		held[id] = true
	}
	add := db.Insert{Table: "posting_event", Columns: []string{"tenant", "event_id", "target", "kind", "natural_key"},
		Conflict: []string{"tenant", "event_id", "target", "kind", "natural_key"}}
	for _, id := range want {
		if !held[id] {
			add.Rows = append(add.Rows, []any{tenant, id, ref.Target, string(ref.Kind), ref.Key})
		}
		delete(held, id)
	}
	for id := range held {
		_, err := tx.Exec(ctx, `DELETE FROM posting_event WHERE tenant = ? AND event_id = ? AND target = ? AND kind = ?
			AND natural_key = ?`, tenant, id, ref.Target, ref.Kind, ref.Key)
		if err != nil {
			return fmt.Errorf("drop event: %w", err)
		}
	}
	if len(add.Rows) == 0 {
		return nil
	}
	_, err := tx.InsertAbsent(ctx, add)
	return err
}
