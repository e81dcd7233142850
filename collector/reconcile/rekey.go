package reconcile

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// rekey moves facts of the stock ledger that lie under a code which the mapping did not know to the buckets where they belong, as far as
// it knows them now, and has both folded again.
func rekey(ctx context.Context, tx *db.Tx, tenant string, m state.Mapping) error {
	type place struct {
		key   string
		logID int64
	}
	rows, err := tx.Query(ctx, `SELECT fold_key, log_id FROM fact WHERE tenant = ? AND fold_key >= 'stock/' AND fold_key < 'stock0'
		AND fold_key LIKE 'stock/%/%/unmapped:%' ORDER BY fold_key, log_id`, tenant)
	if err != nil {
		return fmt.Errorf("unmapped stock: %w", err)
	}
	defer rows.Close()
	var found []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.key, &p.logID); err != nil {
			return err
		}
		if b, err := state.ParseBucket(p.key); err == nil && strings.HasPrefix(b.Item, state.UnmappedPrefix) {
			found = append(found, p)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, p := range found {
		if err := moveFact(ctx, tx, tenant, p.key, p.logID, m); err != nil {
			return fmt.Errorf("move %s: %w", p.key, err)
		}
	}
	return nil
}

// moveFact gives one event the stock keys that it has under a mapping. They are worked out from the whole event, since a bucket may get
// lines from several.
func moveFact(ctx context.Context, tx *db.Tx, tenant, from string, logID int64, m state.Mapping) error {
	var id string
	var ordinal, seq int64
	var body []byte
	err := tx.QueryRow(ctx, `SELECT id, epoch_ordinal, seq, body FROM event WHERE log_id = ?`, logID).Scan(&id, &ordinal, &seq, &body)
	if err != nil {
		return err
	}
	e := &docklinev1.Event{}
	if err := proto.Unmarshal(body, e); err != nil {
		return err
	}
	facts := db.Insert{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id", "event_id", "epoch_ordinal", "seq", "body"},
		Conflict: []string{"tenant", "fold_key", "log_id"}, Update: []string{"body"}}
	for _, touch := range state.Keys(e, m) {
		if touch.Key == from {
			return nil // still not known
		}
		if !strings.HasPrefix(touch.Key, state.KindStock+"/") {
			continue
		}
		part, err := proto.Marshal(touch.Event)
		if err != nil {
			return err
		}
		facts.Rows = append(facts.Rows, []any{tenant, touch.Key, logID, id, ordinal, seq, part})
	}
	if _, err := tx.Exec(ctx, `DELETE FROM fact WHERE tenant = ? AND fold_key = ? AND log_id = ?`, tenant, from, logID); err != nil {
		return err
	}
	if err := tx.Upsert(ctx, facts); err != nil {
		return err
	}
	marks := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key"}, Rows: [][]any{{tenant, from}}}
	for _, row := range facts.Rows {
		marks.Rows = append(marks.Rows, []any{tenant, row[1]})
	}
	return tx.InsertAll(ctx, marks)
}
