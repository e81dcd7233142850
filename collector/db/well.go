package db

import (
	"context"
	"fmt"
)

// Well says whether the database takes writes now: it makes a small change durable. The change is a real one, since SQLite writes
// nothing at all for a row that is set to what it holds, and so would call a database on a full disk well.
func (d *DB) Well(ctx context.Context) error {
	err := d.WriteFirst(ctx, func(tx *Tx) error {
		now, err := d.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO lease (name, holder, expires_at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET expires_at = CASE WHEN lease.expires_at = excluded.expires_at THEN excluded.expires_at + 1 ELSE excluded.expires_at END`,
			"well", "", now)
		return err
	})
	if err != nil {
		return fmt.Errorf("database takes no writes: %w", err)
	}
	return nil
}
