package posting

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Restored is called in the transaction that tells the database that it was put back to an older state: what the targets had refused may
// have been put right and sent since, so it goes again, which begins with looking. What is planned, ready or not yet derived needs no
// mark: nothing is sent before SettleTime has passed since (Sender), and a document is looked for before it is made.
func Restored(ctx context.Context, tx *db.Tx, now time.Time) error {
	micros := now.UnixMicro()
	rows, err := collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE state = 'rejected' AND wanted = 1 ORDER BY id`))
	if err != nil {
		return fmt.Errorf("postings of a restored database: %w", err)
	}
	for _, r := range rows {
		if err := r.plan(micros); err != nil {
			return err
		}
		if err := r.save(ctx, tx, micros); err != nil {
			return fmt.Errorf("postings of a restored database: %w", err)
		}
	}
	return nil
}
