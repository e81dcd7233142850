package retention

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dockline/dockline/collector/db"
)

// prune deletes what stands in an archive, by what is read back from its file. A group that is no longer word for word what was written stays.
// It may be called again whenever it ended.
func (r *Retention) prune(ctx context.Context, a *Archive) error {
	m, sum, err := ReadManifest(r.path(a.Tenant, a.Manifest))
	if err != nil {
		return err
	}
	if sum != a.SHA256 {
		return fmt.Errorf("%w: the manifest %s is not the one that was written", ErrDamaged, a.Manifest)
	}
	a.Pruned, a.Skipped = 0, 0
	var parts []*part
	flush := func() error {
		if len(parts) == 0 {
			return nil
		}
		held, err := r.DB.Lease(ctx, "archive/"+a.Tenant, r.Holder, lease)
		if err == nil && !held {
			err = fmt.Errorf("%w of tenant %s", ErrBusy, a.Tenant)
		}
		if err != nil {
			return err
		}
		var pruned, skipped int64
		err = r.DB.Write(ctx, func(tx *db.Tx) (err error) {
			pruned, skipped, err = r.pruneParts(ctx, tx, a, parts)
			return err
		})
		parts = nil
		if err != nil {
			return err
		}
		a.Pruned, a.Skipped = a.Pruned+pruned, a.Skipped+skipped
		return r.fault("pruning")
	}
	err = read(filepath.Join(filepath.Dir(r.path(a.Tenant, a.Manifest)), m.File), m.SHA256, func(p *part) error {
		if parts = append(parts, p); len(parts) < r.together() {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("archive %d: %w", a.Number, err)
	}
	a.State, a.ChangedAt = Pruned, r.now()
	return r.DB.Write(ctx, func(tx *db.Tx) error { return a.save(ctx, tx) })
}

func (r *Retention) pruneParts(ctx context.Context, tx *db.Tx, a *Archive, parts []*part) (pruned, skipped int64, err error) {
	var locks []string
	for _, p := range parts {
		for _, key := range p.Keys {
			locks = append(locks, "fold/"+a.Tenant+"/"+key) // as who folds it
		}
	}
	if err := tx.LockAll(ctx, locks); err != nil {
		return 0, 0, err
	}
	for _, p := range parts {
		gone, err := r.prunePart(ctx, tx, a, p)
		if err != nil {
			return 0, 0, fmt.Errorf("group %d: %w", p.Part, err)
		}
		if gone {
			pruned++
		} else {
			skipped++
		}
	}
	return pruned, skipped, nil
}

// prunePart deletes a group and says whether it is gone, now or before.
func (r *Retention) prunePart(ctx context.Context, tx *db.Tx, a *Archive, p *part) (bool, error) {
	first := p.events()[0]
	var in int64
	if err := tx.QueryRow(ctx, `SELECT archive FROM event_identity WHERE tenant = ? AND id = ?`, a.Tenant, first.values["id"]).Scan(&in); err != nil {
		return false, err
	}
	if in == a.Number {
		return true, nil
	}
	if in != 0 {
		return false, nil
	}
	found, err := r.groups(ctx, tx, a.Tenant, []int64{first.values["log_id"].(int64)})
	if err != nil || len(found) != 1 || found[0].why != "" || !slices.Equal(found[0].keys, p.Keys) {
		return false, err
	}
	g := found[0]
	rows, err := newReader(tx).rows(ctx, g)
	if err != nil || digest(rows) != p.Digest {
		return false, err
	}
	if err := remove(ctx, tx, g, rows); err != nil {
		return false, err
	}
	return true, r.note(ctx, tx, a, p, g)
}

// events are the rows of the events in force.
func (p *part) events() (list []row) {
	for _, one := range p.rows {
		if one.table.name == "event" && one.values["variant"].(int64) != 1 {
			list = append(list, one)
		}
	}
	return list
}

// remove deletes the rows of a group that do not stay, and what was derived of its keys beside them.
func remove(ctx context.Context, tx *db.Tx, g *group, rows []row) error {
	byTable := make(map[string][][]any)
	for _, one := range rows {
		if one.table.stays {
			continue
		}
		key := make([]any, len(one.table.key))
		for i, column := range one.table.key {
			key[i] = one.values[column]
		}
		byTable[one.table.name] = append(byTable[one.table.name], key)
	}
	for i := range slices.Backward(tables) {
		t := &tables[i]
		if err := tx.DeleteAll(ctx, t.name, t.key, byTable[t.name]); err != nil {
			return err
		}
		delete(byTable, t.name)
	}
	keys := make([][]any, len(g.keys))
	for i, key := range g.keys {
		keys[i] = []any{g.tenant, key}
	}
	byKey := []string{"tenant", "fold_key"}
	digests, err := tx.Lookup(ctx, db.Lookup{Table: "digest", Columns: []string{"id"}, Key: byKey, Rows: keys})
	if err != nil {
		return err
	}
	for _, table := range []string{"digest_fact", "digest_group"} {
		if err := tx.DeleteAll(ctx, table, []string{"digest"}, digests); err != nil {
			return err
		}
	}
	for _, table := range []string{"digest", "large_key"} {
		if err := tx.DeleteAll(ctx, table, byKey, keys); err != nil {
			return err
		}
	}
	return nil
}

// note writes down where everything is now.
func (r *Retention) note(ctx context.Context, tx *db.Tx, a *Archive, p *part, g *group) error {
	ids := db.Update{Table: "event_identity", Key: []string{"tenant", "id"}, Set: []string{"archive"}}
	states := make(map[string]map[string]any)
	facts := make(map[string]int64)
	for _, one := range p.rows {
		switch one.table.name {
		case "event_identity":
			ids.Rows = append(ids.Rows, []any{one.values["tenant"], one.values["id"], a.Number})
		case "state":
			states[one.values["fold_key"].(string)] = one.values
		case "fact":
			facts[one.values["fold_key"].(string)]++
		}
	}
	if _, err := tx.UpdateAll(ctx, ids); err != nil {
		return err
	}
	keys := db.Insert{Table: "archive_key", Columns: []string{"tenant", "fold_key", "archive", "part", "status", "site", "customer", "hash", "events", "first_at", "last_at", "archived_at"},
		Conflict: []string{"tenant", "fold_key"}}
	for _, key := range g.keys {
		status, site, customer, hash := any(""), any(""), any(""), any("")
		if s := states[key]; s != nil {
			status, site, customer, hash = s["status"], s["site"], s["customer"], s["hash"]
		}
		keys.Rows = append(keys.Rows, []any{a.Tenant, key, a.Number, p.Part, status, site, customer, hash, facts[key], g.first.UnixMicro(), g.last.UnixMicro(), r.now().UnixMicro()})
	}
	_, err := tx.InsertAbsent(ctx, keys)
	return err
}
