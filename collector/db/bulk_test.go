package db_test

import (
	"fmt"
	"testing"

	"github.com/dockline/dockline/collector/db"
)

func TestLookupAndUpdateAll(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		keys := db.Lookup{Table: "event_identity", Columns: []string{"id", "log_id"}, Key: []string{"tenant", "id"}, Where: "log_id >= 0", Hold: true}
		set := db.Update{Table: "event_identity", Key: []string{"tenant", "id"}, Set: []string{"log_id", "body_hash"}}
		for i := range 1300 {
			id := fmt.Sprintf("%06d", i)
			keys.Rows = append(keys.Rows, []any{"t", id})
			set.Rows = append(set.Rows, []any{"t", id, i - 10, []byte{9}})
		}
		var changed int64
		var found [][]any
		err := d.Write(ctx, func(tx *db.Tx) (err error) {
			if err := tx.LockAll(ctx, []string{"b", "a", "b"}); err != nil {
				return err
			}
			if err := tx.InsertAll(ctx, noReturn(identities(0, 1200, 1))); err != nil {
				return err
			}
			if changed, err = tx.UpdateAll(ctx, set); err != nil {
				return err
			}
			found, err = tx.Lookup(ctx, keys)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if changed != 1200 || len(found) != 1190 {
			t.Errorf("%d changed, %d found; want 1200, 1190", changed, len(found))
		}
		for _, row := range found {
			if row[0].(string) != fmt.Sprintf("%06d", row[1].(int64)+10) {
				t.Fatalf("row %v is wrong", row)
			}
		}
	})
}

func TestDeleteAll(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		err := d.Write(ctx, func(tx *db.Tx) error {
			if err := tx.InsertAll(ctx, noReturn(identities(0, 900, 1))); err != nil {
				return err
			}
			var keys [][]any
			for i := range 800 {
				keys = append(keys, []any{"t", fmt.Sprintf("%06d", i), i})
			}
			return tx.DeleteAll(ctx, "event_identity", []string{"tenant", "id", "log_id"}, keys)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, d, `SELECT count(*) FROM event_identity WHERE log_id >= 800`); n != 100 || count(t, d, `SELECT count(*) FROM event_identity`) != 100 {
			t.Errorf("%d of the right rows are left, want 100", n)
		}
	})
}
