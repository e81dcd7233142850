package posting

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/db"
)

// unmet is true for a posting p of which something that it needs is not confirmed. The state is compared outside, so that what
// is needed is looked up by its key and not by its state.
const unmet = `EXISTS (SELECT 1 FROM posting_dependency d
	WHERE d.tenant = p.tenant AND d.target = p.target AND d.kind = p.kind AND d.natural_key = p.natural_key
		AND COALESCE((SELECT n.state FROM posting n WHERE n.tenant = d.tenant AND n.target = d.needs_target
			AND n.kind = d.needs_kind AND n.natural_key = d.needs_key), '') <> 'confirmed')`

// heldBack is true for a posting p before which another of its serial key must be finished. One that itself needs p is no
// reason to wait.
const heldBack = `(p.serial_key <> '' AND EXISTS (SELECT 1 FROM posting e
	WHERE e.tenant = p.tenant AND e.target = p.target AND e.serial_key = p.serial_key AND e.id < p.id
		AND e.state IN ` + unfinished + `
		AND NOT EXISTS (SELECT 1 FROM posting_dependency b WHERE b.tenant = e.tenant AND b.target = e.target AND b.kind = e.kind
			AND b.natural_key = e.natural_key AND b.needs_target = p.target AND b.needs_kind = p.kind
			AND b.needs_key = p.natural_key)))`

// promote makes ready what waits no longer, among the postings that the condition on p names. It changes nothing but the state
// and the time, so that it needs no lock on the fold: whoever holds one writes over it and promotes again.
func promote(ctx context.Context, tx *db.Tx, now int64, condition string, args ...any) error {
	rows, err := tx.Query(ctx, `SELECT p.id, p.target, p.kind, p.natural_key FROM posting p WHERE `+condition+`
		AND p.state = 'planned' AND NOT `+unmet+` AND NOT `+heldBack+` ORDER BY p.id LIMIT 1000`, args...)
	if err != nil {
		return fmt.Errorf("posting: promote: %w", err)
	}
	type waiting struct {
		id  int64
		ref Ref
	}
	var found []waiting
	for rows.Next() {
		var w waiting
		if err := rows.Scan(&w.id, &w.ref.Target, &w.ref.Kind, &w.ref.Key); err != nil {
			rows.Close()
			return err
		}
		found = append(found, w)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	for _, w := range found {
		n, err := tx.Exec(ctx, `UPDATE posting SET state = 'ready', ready_at = ?, changed_at = ? WHERE id = ? AND state = 'planned'`,
			now, now, w.id)
		if err != nil {
			return fmt.Errorf("posting: promote: %w", err)
		}
		if n == 1 {
			moved(w.ref, Planned, Ready)
		}
	}
	return nil
}

// promoteAfter makes ready what waited for this posting: those that need it, and the next of its serial key.
func promoteAfter(ctx context.Context, tx *db.Tx, r *row, now int64) error {
	err := promote(ctx, tx, now, `p.id IN (SELECT q.id FROM posting_dependency w JOIN posting q ON q.tenant = w.tenant
		AND q.target = w.target AND q.kind = w.kind AND q.natural_key = w.natural_key
		WHERE w.tenant = ? AND w.needs_target = ? AND w.needs_kind = ? AND w.needs_key = ?)`, r.Tenant, r.Target, r.Kind, r.Key)
	if err != nil || r.SerialKey == "" {
		return err
	}
	return promote(ctx, tx, now, `p.tenant = ? AND p.target = ? AND p.serial_key = ?`, r.Tenant, r.Target, r.SerialKey)
}
