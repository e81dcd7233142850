package posting

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// restatedFor is for how long a database may go on before it is known to have been put back: sites that are online tell within seconds.
const restatedFor = 24 * time.Hour

// Restored is called in the transaction that tells the database that it was put back to an older state: what the targets had refused may
// have been put right and sent since, so it goes again, which begins with looking. What is planned, ready or not yet derived needs no
// mark: nothing is sent before SettleTime has passed since (Sender), and a document is looked for before it is made.
//
// Of the time that is lost a target may show a status that is never told here again: what was confirmed within restatedFor is stated once
// more, above anything a target can know.
func Restored(ctx context.Context, tx *db.Tx, now time.Time) error {
	micros := now.UnixMicro()
	least, err := tx.LeastVersion(ctx)
	if err != nil {
		return err
	}
	rows, err := collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE wanted = 1 AND (state = 'rejected' OR state = 'confirmed' AND style = ? AND confirmed_at > ?) ORDER BY id`,
		connector.Level, now.Add(-restatedFor).UnixMicro()))
	if err != nil {
		return fmt.Errorf("postings of a restored database: %w", err)
	}
	for _, r := range rows {
		if r.State == Confirmed {
			r.SourceVersion = max(r.SourceVersion+1, least)
		}
		if err := r.plan(micros); err != nil {
			return err
		}
		if err := r.save(ctx, tx, micros); err != nil {
			return fmt.Errorf("postings of a restored database: %w", err)
		}
	}
	return nil
}
