package master

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/db"
)

// Restored is called in the transaction that tells the database that it was put back to an older state, after it has got its new
// incarnation. Of the time that is lost others may know newer versions than any here, and would take no notice of what changes from now on: so
// all versions move above anything that they can know, in their order, and every system is told everything once more. Sites have forgotten
// what they hold by themselves.
func Restored(ctx context.Context, tx *db.Tx) error {
	least, err := tx.LeastVersion(ctx)
	if err != nil {
		return err
	}
	tenants, err := tx.Texts(ctx, `SELECT tenant FROM master_top ORDER BY tenant`)
	for _, tenant := range tenants {
		if err == nil {
			err = lift(ctx, tx, tenant, least)
		}
	}
	if err != nil {
		return fmt.Errorf("master data of a restored database: %w", err)
	}
	return nil
}

// lift moves the versions of a tenant to least or above, and above all that it has had.
func lift(ctx context.Context, tx *db.Tx, tenant string, least int64) error {
	if err := tx.Lock(ctx, "master/"+tenant); err != nil {
		return err
	}
	highest, _, err := top(ctx, tx, tenant)
	if err != nil {
		return err
	}
	var lowest int64
	if err := tx.QueryRow(ctx, `SELECT coalesce(min(version), 0) FROM master_record WHERE tenant = ?`, tenant).Scan(&lowest); err != nil {
		return err
	}
	if lowest == 0 {
		lowest = highest + 1
	}
	first := max(least, highest+1)
	by := first - lowest
	for _, move := range []struct {
		query string
		to    int64
	}{
		{`UPDATE master_record SET version = version + ? WHERE tenant = ?`, by},
		{`UPDATE master_top SET version = version + ? WHERE tenant = ?`, by},
		{`UPDATE master_top SET forgotten = forgotten + ? WHERE forgotten > 0 AND tenant = ?`, by},
		{`UPDATE master_site SET forgotten = forgotten + ? WHERE forgotten > 0 AND tenant = ?`, by},
		{`UPDATE master_target SET through = ? WHERE tenant = ?`, first - 1},
	} {
		if _, err := tx.Exec(ctx, move.query, move.to, tenant); err != nil {
			return err
		}
	}
	return nil
}
