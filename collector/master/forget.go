package master

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// keepRemovals is how long a removal is kept for those who were away; who was away for longer gets everything anew.
const keepRemovals = 30 * 24 * time.Hour

// Forget drops removals older than a time in small transactions, as far as every system has been told of them, and returns how many.
func Forget(ctx context.Context, d *db.DB, before time.Time) (forgotten int64, err error) {
	return forgetAll(ctx, d, d.Write, before)
}

func forgetAll(ctx context.Context, d *db.DB, write func(context.Context, func(*db.Tx) error) error, before time.Time) (forgotten int64, err error) {
	var tenants []string
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		tenants, err = tx.Texts(ctx, `SELECT tenant FROM master_top ORDER BY tenant`)
		return err
	})
	for _, tenant := range tenants {
		for {
			var n int64
			if err := write(ctx, func(tx *db.Tx) (err error) { n, err = forget(ctx, tx, tenant, before); return err }); err != nil {
				return forgotten, err
			}
			if forgotten += n; n < removals {
				break
			}
		}
	}
	return forgotten, err
}

func forget(ctx context.Context, tx *db.Tx, tenant string, before time.Time) (n int64, err error) {
	if err := tx.Lock(ctx, "master/"+tenant); err != nil {
		return 0, err
	}
	var to int64
	err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM (SELECT version FROM master_record WHERE tenant = ? AND removed = 1 AND changed_at < ?
		AND NOT EXISTS (SELECT 1 FROM master_target t WHERE t.tenant = master_record.tenant AND t.through < master_record.version) ORDER BY version LIMIT ?) AS first_of`,
		tenant, before.UnixMicro(), removals).Scan(&to)
	if err != nil || to == 0 {
		return 0, err
	}
	if _, err = tx.Exec(ctx, `UPDATE master_top SET forgotten = ? WHERE tenant = ? AND forgotten < ?`, to, tenant, to); err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM master_record WHERE tenant = ? AND removed = 1 AND version <= ?`, tenant, to)
}
