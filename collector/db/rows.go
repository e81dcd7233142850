package db

import (
	"context"
	"fmt"
)

// Columns names the columns of a table, in their order.
func (tx *Tx) Columns(ctx context.Context, table string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT * FROM `+table+` LIMIT 0`)
	if err != nil {
		return nil, fmt.Errorf("columns of %s: %w", table, err)
	}
	defer rows.Close()
	return rows.Columns()
}

// NumberFrom has the next numbers of a {{serial}} column be greater than last: rows were put back with the numbers that they had.
func (tx *Tx) NumberFrom(ctx context.Context, table, column string, last int64) error {
	if tx.d.postgres {
		_, err := tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence(?, ?), GREATEST(?, (SELECT last_value FROM pg_sequences
			WHERE schemaname || '.' || sequencename = pg_get_serial_sequence(?, ?)), 1))`, table, column, last, table, column)
		if err != nil {
			return fmt.Errorf("numbers of %s: %w", table, err)
		}
		return nil
	}
	before, err := tx.advanceSequence(ctx, table, 0)
	if err == nil && before < last {
		_, err = tx.advanceSequence(ctx, table, int(last-before))
	}
	if err != nil {
		return fmt.Errorf("numbers of %s: %w", table, err)
	}
	return nil
}
