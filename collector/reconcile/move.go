package reconcile

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/db"
)

// Move has keys of a tenant folded under another version of the policy from now on, one that is or was in force. What follows otherwise is
// held against what is confirmed, as always. Keys without a state have no version of their own and come under the one in force. It returns how
// many keys it moved.
func Move(ctx context.Context, tx *db.Tx, tenant string, keys []string, version string) (int64, error) {
	var known int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM policy_version WHERE tenant = ? AND version = ?`, tenant, version).Scan(&known); err != nil {
		return 0, err
	}
	if known == 0 {
		return 0, fmt.Errorf("policy %s was never in force for %s; activate it first", version, tenant)
	}
	locks := make([]string, len(keys))
	update := db.Update{Table: "state", Key: byKey, Set: []string{"policy_version"}}
	marks := db.Insert{Table: "dirty", Columns: byKey}
	for i, key := range keys {
		locks[i] = foldKey{tenant, key}.lock()
		update.Rows = append(update.Rows, []any{tenant, key, version})
		marks.Rows = append(marks.Rows, []any{tenant, key})
	}
	if err := tx.LockAll(ctx, locks); err != nil {
		return 0, err
	}
	moved, err := tx.UpdateAll(ctx, update)
	if err != nil {
		return 0, fmt.Errorf("move keys to policy %s: %w", version, err)
	}
	return moved, tx.InsertAll(ctx, marks)
}
