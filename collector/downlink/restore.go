package downlink

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Restored is called in the transaction that tells the database that it was put back to an older state, after it has got its new
// incarnation. A site may have been told newer versions of what is open here, and would take no notice of it: so all that is open gets
// a version that no site can know, and is sent once more. An order that a site has taken already it only answers for (agent/downlink).
func Restored(ctx context.Context, tx *db.Tx) error {
	least, err := tx.LeastVersion(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE command SET version = ?, position = NULL WHERE outcome = 0 AND version < ?`, least, least); err != nil {
		return fmt.Errorf("commands of a restored database: %w", err)
	}
	return nil
}

// AfterLosses has sites asked once more, under the next version, for what they hold and have not answered since before events of theirs were
// lost: the answer may have been among these, and no source tells it again. Orders a site only answers for; other work it does again.
func AfterLosses(ctx context.Context, d *db.DB, now time.Time) error {
	const unanswered = ` outcome = 0 AND position <= (SELECT p.commands_through FROM presence p WHERE p.tenant = command.tenant AND p.site = command.site)
		AND EXISTS (SELECT 1 FROM gap g WHERE g.tenant = command.tenant AND g.site = command.site AND g.cause = 'lost' AND g.closed_at > command.created_at)`
	var n int64
	err := d.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM command WHERE`+unanswered).Scan(&n)
	})
	if err == nil && n > 0 {
		err = d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE command SET version = version + 1, position = NULL, created_at = ? WHERE`+unanswered, now.UnixMicro())
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("commands after a loss: %w", err)
	}
	return nil
}
