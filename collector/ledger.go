package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
)

// ledgerMade is the row of meta that says how far the stock ledger was made from an event log that is older than it: a number of the log, or
// ledgerDone.
const (
	ledgerMade = "stock ledger"
	ledgerDone = "made"
	ledgerPage = 1000
)

// makeLedger brings a database from before the stock ledger up to date: facts of movements move from the buckets to keys of their own, and every
// bucket is folded again, with the orders that still take from stock. It must be over before anything is folded. One that was interrupted goes on where it was.
func makeLedger(ctx context.Context, d *db.DB, log *eventlog.Log, say func(msg string, args ...any)) error {
	after, made, err := ledgerSoFar(ctx, d)
	for err == nil && !made {
		var page eventlog.Compared
		if page, err = log.CompareFacts(ctx, after, ledgerPage); err != nil {
			break
		}
		var ids []int64
		for _, difference := range page.Differences {
			if len(ids) == 0 || ids[len(ids)-1] != difference.LogID {
				ids = append(ids, difference.LogID)
			}
		}
		after, made = page.Through, page.Done
		err = d.Write(ctx, func(tx *db.Tx) error {
			if _, err := log.RestoreFacts(ctx, tx, ids); err != nil {
				return err
			}
			value := strconv.FormatInt(after, 10)
			if made {
				value = ledgerDone
				if _, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM state WHERE fold_key >= 'stock/' AND fold_key < 'stock0'
					OR fold_key >= 'order/' AND fold_key < 'order0' AND status NOT IN ('closed', 'cancelled', 'rejected')`); err != nil {
					return err
				}
			}
			return tx.Upsert(ctx, db.Insert{Table: "meta", Columns: []string{"name", "value"}, Rows: [][]any{{ledgerMade, value}}, Conflict: []string{"name"}, Update: []string{"value"}})
		})
		if page.Events > 0 {
			say("the stock ledger is being made from the event log", "events", page.Events, "moved", len(ids), "over", made)
		}
	}
	if err != nil {
		return fmt.Errorf("make the stock ledger: %w", err)
	}
	return nil
}

func ledgerSoFar(ctx context.Context, d *db.DB) (after int64, made bool, err error) {
	var value string
	err = d.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT value FROM meta WHERE name = ?`, ledgerMade).Scan(&value)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, false, nil
	case err != nil || value == ledgerDone:
		return 0, err == nil, err
	}
	after, err = strconv.ParseInt(value, 10, 64)
	return after, false, err
}
