package downlink

import (
	"context"
	"fmt"

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
