package reconcile

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// readDigests reads the digests that keys have, without what is in them.
func readDigests(ctx context.Context, tx *db.Tx, keys []foldKey) (map[foldKey]*digest, error) {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "digest", Columns: []string{"tenant", "fold_key", "id", "ready", "through", "folded"}, Key: byKey, Rows: rowsOf(ofKinds(keys, digested))})
	if err != nil {
		return nil, err
	}
	found := make(map[foldKey]*digest, len(rows))
	for _, row := range rows {
		found[keyOf(row)] = &digest{foldKey: keyOf(row), id: row[2].(int64), ready: row[3].(int64) == 1, through: row[4].(int64), folded: row[5].(int64)}
	}
	return found, nil
}

// load reads the groups of a digest, and the facts apart, but for more than most of them, or what is heavy: ok is false where there are more.
func (d *digest) load(ctx context.Context, tx *db.Tx, most int) (ok bool, err error) {
	if err := d.loadGroups(ctx, tx); err != nil {
		return false, err
	}
	keys, err := d.apartKeys(ctx, tx, most+1)
	if err != nil || len(keys) > most {
		return false, err
	}
	var bytes int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(LENGTH(f.body)), 0) FROM digest_fact m JOIN fact f ON f.tenant = ? AND f.fold_key = ? AND f.log_id = m.log_id WHERE m.digest = ? AND m.part = 0`,
		d.tenant, d.key, d.id).Scan(&bytes); err != nil || bytes > heavyBytes {
		return false, err
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: factColumns, Key: []string{"tenant", "fold_key", "log_id"}, Rows: keys})
	if err != nil {
		return false, fmt.Errorf("facts apart: %w", err)
	}
	for _, found := range rows {
		row, e := factRowOf(found), &docklinev1.Event{}
		if err := proto.Unmarshal(row.body, e); err != nil {
			return false, &foldError{d.foldKey, fmt.Errorf("a fact cannot be read: %w", err)}
		}
		d.setApart(row, e)
	}
	d.short = d.short || len(rows) < len(keys) // one is gone
	return true, nil
}

// apartKeys are the keys of up to most facts apart.
func (d *digest) apartKeys(ctx context.Context, tx *db.Tx, most int) (keys [][]any, err error) {
	rows, err := tx.Query(ctx, `SELECT log_id FROM digest_fact WHERE digest = ? AND part = 0 ORDER BY log_id LIMIT ?`, d.id, most)
	if err != nil {
		return nil, fmt.Errorf("facts apart: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		keys = append(keys, []any{d.tenant, d.key, id})
	}
	return keys, rows.Err()
}

func (d *digest) loadGroups(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.Query(ctx, `SELECT part, alike, tally FROM digest_group WHERE digest = ? ORDER BY part`, d.id)
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		g := &digestGroup{}
		var counts []byte
		if err := rows.Scan(&g.part, &g.alike, &counts); err != nil {
			return err
		}
		if err := json.Unmarshal(counts, &g.tally); err != nil {
			return fmt.Errorf("group %d of %s: %w", g.part, d.key, err)
		}
		if err := d.addGroup(g); err != nil {
			return fmt.Errorf("group %d of %s: %w", g.part, d.key, err)
		}
		d.short = d.short || !g.tally.known() || g.part != int64(len(d.groups))
	}
	return rows.Err()
}

// create gives a digest its number and its row.
func (d *digest) create(ctx context.Context, tx *db.Tx) error {
	ids, err := tx.NextIDs(ctx, "digest", "id", 1)
	if err != nil {
		return err
	}
	d.id = ids[0]
	return tx.InsertAll(ctx, db.Insert{Table: "digest", Columns: []string{"id", "tenant", "fold_key", "ready", "through", "folded"},
		Rows: [][]any{{d.id, d.tenant, d.key, boolInt(d.ready), d.through, d.folded}}})
}

// save writes what has changed.
func (d *digest) save(ctx context.Context, tx *db.Tx) error {
	put := db.Insert{Table: "digest_group", Columns: []string{"digest", "part", "alike", "tally"}, Conflict: []string{"digest", "part"}, Update: []string{"tally"}}
	for _, g := range d.groups {
		if !g.changed {
			continue
		}
		counts, err := json.Marshal(g.tally)
		if err != nil {
			return err
		}
		put.Rows = append(put.Rows, []any{d.id, g.part, g.alike, counts})
	}
	if err := tx.Upsert(ctx, put); err != nil {
		return err
	}
	if err := tx.InsertAll(ctx, db.Insert{Table: "digest_fact", Columns: []string{"digest", "log_id", "part"}, Rows: d.members}); err != nil {
		return err
	}
	out := db.Update{Table: "digest_fact", Key: []string{"digest", "log_id"}, Set: []string{"part"}}
	for _, id := range d.left {
		out.Rows = append(out.Rows, []any{d.id, id, int64(0)})
	}
	_, err := tx.UpdateAll(ctx, out)
	return err
}

// saveHead writes how far a digest is.
func (d *digest) saveHead(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE digest SET ready = ?, through = ?, folded = ? WHERE id = ?`, boolInt(d.ready), d.through, d.folded, d.id)
	return err
}

// dropRows is how many rows of a digest are deleted at a time.
const dropRows = 5000

// drop deletes up to dropRows of what is in a digest, and the digest when nothing is in it any more; gone says whether that is so.
func (d *digest) drop(ctx context.Context, tx *db.Tx) (gone bool, err error) {
	n, err := tx.Exec(ctx, `DELETE FROM digest_fact WHERE digest = ? AND log_id IN (SELECT log_id FROM digest_fact WHERE digest = ? ORDER BY log_id LIMIT ?)`, d.id, d.id, dropRows)
	if err != nil || n == dropRows {
		return false, err
	}
	for _, query := range []string{`DELETE FROM digest_group WHERE digest = ?`, `DELETE FROM digest WHERE id = ?`} {
		if _, err := tx.Exec(ctx, query, d.id); err != nil {
			return false, err
		}
	}
	return true, nil
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
