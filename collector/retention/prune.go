package retention

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// prune deletes what stands in an archive, by what is read back from its file. A group that is no longer word for word what was written stays.
// It may be called again whenever it ended.
func (r *Retention) prune(ctx context.Context, run *Record, a *Archive) error {
	m, sum, err := ReadManifest(r.path(a.Tenant, a.Manifest))
	if err == nil && sum != a.SHA256 {
		err = fmt.Errorf("%w: the manifest %s is not the one that was written", ErrDamaged, a.Manifest)
	}
	if err != nil {
		return fmt.Errorf("archive %d: %w", a.Number, err)
	}
	empty := true
	a.Pruned, a.Skipped = 0, 0
	var parts []*part
	flush := func() error {
		if len(parts) == 0 {
			return nil
		}
		if err := r.keep(ctx, run); err != nil {
			return err
		}
		var pruned, skipped int64
		began := time.Now()
		err := r.fenced(ctx, run, func(tx *db.Tx) (err error) {
			pruned, skipped, err = r.pruneParts(ctx, tx, a, parts)
			return err
		})
		parts = nil
		if err != nil {
			return err
		}
		a.Pruned, a.Skipped = a.Pruned+pruned, a.Skipped+skipped
		if err := r.fault("pruning"); err != nil {
			return err
		}
		return r.rest(ctx, time.Since(began))
	}
	err = read(filepath.Join(filepath.Dir(r.path(a.Tenant, a.Manifest)), m.File), m.SHA256, func(p *part) error {
		empty = empty && len(p.events()) == 0
		if parts = append(parts, p); len(parts) < r.together() {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil && empty {
		err = errEmpty
	}
	if err != nil {
		return fmt.Errorf("archive %d: %w", a.Number, err)
	}
	a.State, a.ChangedAt = Pruned, r.now()
	return r.fenced(ctx, run, func(tx *db.Tx) error { return a.save(ctx, tx) })
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
	gone, there, err := r.stillThere(ctx, tx, a, parts)
	if err != nil {
		return 0, 0, err
	}
	there = slices.DeleteFunc(there, func(p *known) bool { return digest(p.found) != p.Digest })
	if err := remove(ctx, tx, a.Tenant, there); err != nil {
		return 0, 0, err
	}
	for _, p := range there {
		if err := r.note(ctx, tx, a, p.part, p.group); err != nil {
			return 0, 0, fmt.Errorf("group %d: %w", p.Part, err)
		}
		gone++
	}
	return gone, int64(len(parts)) - gone, nil
}

// known is a part of an archive, with what the database has of it now.
type known struct {
	*part
	group *group
	found []row
}

// stillThere finds the parts that may still go and have the keys that they had; and how many are gone already.
func (r *Retention) stillThere(ctx context.Context, tx *db.Tx, a *Archive, parts []*part) (gone int64, there []*known, err error) {
	of := make(map[string]*part)
	var ids [][]any
	for _, p := range parts {
		events := p.events()
		if len(events) == 0 { // as versions before wrote of a group that another run had just deleted
			continue
		}
		id := events[0].values["id"]
		of[id.(string)] = p
		ids = append(ids, []any{a.Tenant, id})
	}
	if len(ids) == 0 {
		return 0, nil, nil
	}
	in, err := tx.Lookup(ctx, db.Lookup{Table: "event_identity", Columns: []string{"id", "log_id", "archive"}, Key: []string{"tenant", "id"}, Rows: ids})
	if err != nil {
		return 0, nil, err
	}
	byFirst := make(map[int64]*part)
	var seeds []int64
	for _, row := range in {
		switch row[2].(int64) {
		case a.Number:
			gone++
		case 0:
			byFirst[row[1].(int64)] = of[row[0].(string)]
			seeds = append(seeds, row[1].(int64))
		}
	}
	if len(seeds) == 0 {
		return gone, nil, nil
	}
	slices.Sort(seeds)
	found, err := r.groups(ctx, tx, a.Tenant, seeds)
	if err != nil {
		return 0, nil, err
	}
	var groups []*group
	for _, g := range found {
		for _, id := range g.events {
			if p := byFirst[id]; p != nil && g.why == "" && slices.Equal(g.keys, p.Keys) {
				there = append(there, &known{part: p, group: g})
				groups = append(groups, g)
				break
			}
		}
	}
	rows, err := newReader(tx).rows(ctx, groups)
	if err != nil {
		return 0, nil, err
	}
	for i := range there {
		there[i].found = rows[i]
	}
	return gone, there, nil
}

// events are the rows of the events in force.
func (p *part) events() []row { return eventsIn(p.rows) }

func eventsIn(rows []row) (list []row) {
	for _, one := range rows {
		if one.table.name == "event" && one.values["variant"].(int64) != 1 {
			list = append(list, one)
		}
	}
	return list
}

// remove deletes the rows of groups that do not stay, and what was derived of their keys beside them.
func remove(ctx context.Context, tx *db.Tx, tenant string, list []*known) error {
	byTable := make(map[string][][]any)
	var keys [][]any
	for _, p := range list {
		for _, one := range p.found {
			if one.table.stays {
				continue
			}
			key := make([]any, len(one.table.key))
			for i, column := range one.table.key {
				key[i] = one.values[column]
			}
			byTable[one.table.name] = append(byTable[one.table.name], key)
		}
		for _, key := range p.group.keys {
			keys = append(keys, []any{tenant, key})
		}
	}
	for i := range slices.Backward(tables) {
		t := &tables[i]
		if err := tx.DeleteAll(ctx, t.name, t.key, byTable[t.name]); err != nil {
			return err
		}
		delete(byTable, t.name)
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
