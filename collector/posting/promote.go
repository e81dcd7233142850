package posting

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/db"
)

// unmet is true for a posting t of which something that it needs is not confirmed. The state is compared outside, so that what
// is needed is looked up by its key and not by its state.
const unmet = `EXISTS (SELECT 1 FROM posting_dependency d
	WHERE d.tenant = t.tenant AND d.target = t.target AND d.kind = t.kind AND d.natural_key = t.natural_key
		AND COALESCE((SELECT n.state FROM posting n WHERE n.tenant = d.tenant AND n.target = d.needs_target
			AND n.kind = d.needs_kind AND n.natural_key = d.needs_key), '') <> 'confirmed')`

// heldBack is true for a posting t before which another of its serial key must be finished. One that itself needs t is no
// reason to wait. A reversal waits for what it needs and for nothing else: what comes after the reversed document may be waiting for it.
const heldBack = `(t.serial_key <> '' AND t.kind NOT IN ('goods_issue_reversal', 'invoice_reversal', 'return_receipt_reversal', 'credit_reversal') AND EXISTS (SELECT 1 FROM posting e
	WHERE e.tenant = t.tenant AND e.target = t.target AND e.serial_key = t.serial_key AND e.id < t.id
		AND e.state IN ` + unfinished + `
		AND NOT EXISTS (SELECT 1 FROM posting_dependency b WHERE b.tenant = e.tenant AND b.target = e.target AND b.kind = e.kind
			AND b.natural_key = e.natural_key AND b.needs_target = t.target AND b.needs_kind = t.kind
			AND b.needs_key = t.natural_key)))`

// promote makes ready what waits no longer, among the postings that the condition on t names. It changes nothing but the state
// and the time, so that it needs no lock on the fold: whoever holds one writes over it and promotes again.
func promote(ctx context.Context, tx *db.Tx, now int64, condition string, args ...any) error {
	rows, err := tx.Query(ctx, `SELECT t.id, t.target, t.kind, t.natural_key, t.not_before, t.timing FROM posting t WHERE `+condition+`
		AND t.state = 'planned' AND NOT `+unmet+` AND NOT `+heldBack+` ORDER BY t.id LIMIT 1000`, args...)
	if err != nil {
		return fmt.Errorf("posting: promote: %w", err)
	}
	var found []*row
	for rows.Next() {
		r := &row{}
		if err := rows.Scan(&r.id, &r.Target, &r.Kind, &r.Key, &r.notBefore, &r.Timing); err != nil {
			rows.Close()
			return err
		}
		found = append(found, r)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	return makeReady(ctx, tx, now, found)
}

// promoteRows is promote for rows that are known and held.
func promoteRows(ctx context.Context, tx *db.Tx, now int64, waiting []*row) error {
	lookup := db.Lookup{Table: "posting", Columns: []string{"id"}, Key: []string{"id"}, Where: `t.state = 'planned' AND NOT ` + unmet + ` AND NOT ` + heldBack}
	byID := make(map[int64]*row, len(waiting))
	for _, r := range waiting {
		if byID[r.id] == nil {
			byID[r.id] = r
			lookup.Rows = append(lookup.Rows, []any{r.id})
		}
	}
	found, err := tx.Lookup(ctx, lookup)
	if err != nil {
		return fmt.Errorf("posting: promote: %w", err)
	}
	ready := make([]*row, len(found))
	for i, v := range found {
		ready[i] = byID[v[0].(int64)]
	}
	slices.SortFunc(ready, func(x, y *row) int { return cmp.Compare(x.id, y.id) })
	return makeReady(ctx, tx, now, ready)
}

// makeReady moves those that are still planned.
func makeReady(ctx context.Context, tx *db.Tx, now int64, found []*row) error {
	u := db.Update{Table: "posting", Key: []string{"id", "state"}, Set: []string{"state", "ready_at", "changed_at"}}
	for _, r := range found {
		u.Rows = append(u.Rows, []any{r.id, Planned, Ready, r.turn(now), now})
	}
	n, err := tx.UpdateAll(ctx, u)
	if err != nil {
		return fmt.Errorf("posting: promote: %w", err)
	}
	if n == int64(len(found)) {
		for _, r := range found {
			moved(r.Ref, Planned, Ready)
		}
	}
	return nil
}

// promoteAfter makes ready what waited for this posting: those that need it, and the next of its serial key.
func promoteAfter(ctx context.Context, tx *db.Tx, r *row, now int64) error {
	err := promote(ctx, tx, now, `t.id IN (SELECT q.id FROM posting_dependency w JOIN posting q ON q.tenant = w.tenant
		AND q.target = w.target AND q.kind = w.kind AND q.natural_key = w.natural_key
		WHERE w.tenant = ? AND w.needs_target = ? AND w.needs_kind = ? AND w.needs_key = ?)`, r.Tenant, r.Target, r.Kind, r.Key)
	if err != nil || r.SerialKey == "" {
		return err
	}
	return promote(ctx, tx, now, `t.tenant = ? AND t.target = ? AND t.serial_key = ?`, r.Tenant, r.Target, r.SerialKey)
}
