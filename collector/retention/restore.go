package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

// Restored is what was put back.
type Restored struct {
	Archives int      `json:"archives"`
	Groups   int64    `json:"groups"`
	Events   int64    `json:"events"`
	Keys     []string `json:"keys,omitempty"`
	// There are groups that were in the database already and were left as they are.
	There int64 `json:"there"`
}

// errFound ends the reading of an archive.
var errFound = errors.New("found")

// RestoreKey puts a key back that is archived, with all that hangs together with it: events, states, documents and exceptions as they were, and
// whatever was told of it since then counts too. Its case closes.
func (r *Retention) RestoreKey(ctx context.Context, tenant, key string, who Who) (*Restored, error) {
	var at *Place
	err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if err := people.Allow(ctx, tx, tenant, who.By, people.Retention); err != nil {
			return err
		}
		at, err = Where(ctx, tx, tenant, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, err := r.partOf(tenant, at)
	if err != nil {
		return nil, err
	}
	done := &Restored{Archives: 1}
	err = r.DB.Write(ctx, func(tx *db.Tx) error {
		*done = Restored{Archives: 1}
		if err := r.restorePart(ctx, tx, place{tenant: tenant, number: at.Archive}, found, done); err != nil {
			return err
		}
		if done.Groups == 0 {
			return fmt.Errorf("%s of tenant %s: %w any more", key, tenant, ErrAbsent)
		}
		if _, err := tx.Exec(ctx, `UPDATE archive SET restored = restored + 1 WHERE number = ?`, at.Archive); err != nil {
			return err
		}
		return people.Act(ctx, tx, people.Retention, audit.Act{Tenant: tenant, By: who.By, Action: "archive.restore", Object: key, Reason: who.Reason,
			Detail: map[string]any{"archive": at.Archive, "events": done.Events}}, r.now())
	})
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", key, err)
	}
	return done, nil
}

// partOf reads the group that a key is in.
func (r *Retention) partOf(tenant string, at *Place) (found *part, err error) {
	path := r.path(tenant, at.Manifest)
	m, _, err := ReadManifest(path)
	if err != nil {
		return nil, err
	}
	err = read(filepath.Join(filepath.Dir(path), m.File), m.SHA256, func(p *part) error {
		if p.Part == at.Part {
			found = p
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return found, nil
	}
	return nil, cmp.Or(err, fmt.Errorf("%w: %s has no group %d", ErrDamaged, m.File, at.Part))
}

// Restore puts archives back into a database that has nothing of them, as of another collector: events under their ids and at their places, and
// what followed from them. The newest are put back first; a group of which something is there is left alone. Nothing is sent anywhere: what was
// told to systems is put back as told.
func (r *Retention) Restore(ctx context.Context, manifests []string, who Who) (*Restored, error) {
	type one struct {
		path, sum string
		*Manifest
	}
	var all []one
	for _, path := range manifests {
		m, sum, err := ReadManifest(path)
		if err != nil {
			return nil, err
		}
		all = append(all, one{path, sum, m})
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(b.Number, a.Number)) })
	done := &Restored{}
	for _, m := range all {
		from := place{tenant: m.Tenant, number: m.Number}
		if err := r.DB.Read(ctx, func(tx *db.Tx) error {
			if err := people.Allow(ctx, tx, m.Tenant, who.By, people.Retention); err != nil {
				return err
			}
			own, err := list(ctx, tx, `tenant = ? AND number = ? AND sha256 = ? AND state <> 'other'`, m.Tenant, m.Number, m.sum)
			from.foreign = len(own) == 0
			return err
		}); err != nil {
			return done, err
		}
		var refused []error
		var parts []*part
		flush := func() error {
			var add Restored
			var not []error
			err := r.DB.Write(ctx, func(tx *db.Tx) error {
				add, not = Restored{}, nil
				for _, p := range parts {
					err := r.restorePart(ctx, tx, from, p, &add)
					if err != nil {
						err = fmt.Errorf("group %d: %w", p.Part, err)
					}
					if from.foreign && errors.Is(err, errTaken) { // the others may still come back
						not, err = append(not, err), nil
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			parts, refused = nil, append(refused, not...)
			done.Groups, done.Events, done.There = done.Groups+add.Groups, done.Events+add.Events, done.There+add.There
			return err
		}
		err := read(filepath.Join(filepath.Dir(m.path), m.File), m.SHA256, func(p *part) error {
			if parts = append(parts, p); len(parts) < r.together() {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err = errors.Join(append(refused, err)...); err != nil {
			return done, fmt.Errorf("restore %s: %w", m.path, err)
		}
		done.Archives++
		if err := r.DB.Write(ctx, func(tx *db.Tx) error {
			if err := learn(ctx, tx, &Archive{Number: m.Number, Tenant: m.Tenant, State: Other, Manifest: m.name() + ".json", SHA256: m.sum, Previous: m.Previous, Groups: m.Groups, Events: m.Events, Bytes: m.Bytes,
				Restored: m.Groups, FirstAt: m.FirstAt, LastAt: m.LastAt, By: who.By, Reason: who.Reason, CreatedAt: m.CreatedAt, ChangedAt: r.now()}); err != nil {
				return err
			}
			return people.Act(ctx, tx, people.Retention, audit.Act{Tenant: m.Tenant, By: who.By, Action: "archive.restore", Object: fmt.Sprintf("archive/%d", m.Number), Reason: who.Reason,
				Detail: map[string]any{"sha256": m.SHA256}}, r.now())
		}); err != nil {
			return done, err
		}
	}
	return done, nil
}

// place is the archive that a group comes from.
type place struct {
	tenant string
	number int64
	// foreign: it is not in this database's own list, as after an older database was put back.
	foreign bool
}

// errTaken is wrapped where a group cannot come back, since what is in its place is not the same.
var errTaken = errors.New("it is not put back")

// restorePart puts the rows of a group back and has its keys folded again. One of which an event is there is left alone.
func (r *Retention) restorePart(ctx context.Context, tx *db.Tx, from place, p *part, done *Restored) error {
	tenant := from.tenant
	for _, one := range p.rows {
		if of, ok := one.values["tenant"]; ok && of != tenant {
			return fmt.Errorf("%w: a row of %s is of tenant %v, the manifest of %s", ErrDamaged, one.table.name, of, tenant)
		}
	}
	var ids, logs [][]any
	var events []int64
	for _, one := range p.events() {
		ids = append(ids, []any{one.values["tenant"], one.values["id"]})
		logs = append(logs, []any{one.values["log_id"]})
		events = append(events, one.values["log_id"].(int64))
	}
	if len(events) == 0 { // versions before wrote such
		return nil
	}
	locks := make([]string, len(p.Keys))
	keys := make([][]any, len(p.Keys))
	for i, key := range p.Keys {
		locks[i] = "fold/" + tenant + "/" + key
		keys[i] = []any{tenant, key}
	}
	if err := tx.LockAll(ctx, locks); err != nil {
		return err
	}
	known, err := tx.Lookup(ctx, db.Lookup{Table: "event_identity", Columns: []string{"id", "log_id", "archive"}, Key: []string{"tenant", "id"}, Rows: ids, Hold: true})
	if err != nil {
		return err
	}
	for _, row := range known {
		if row[2].(int64) == 0 {
			done.There++
			return nil
		}
	}
	if from.foreign && len(known) == len(ids) && !slices.ContainsFunc(known, func(row []any) bool { return row[2].(int64) == from.number }) {
		done.There++ // all of it is in archives of this database
		return nil
	}
	if err := from.newest(ctx, tx, keys); err != nil {
		return err
	}
	taken, err := tx.Lookup(ctx, db.Lookup{Table: "event", Columns: []string{"log_id"}, Key: []string{"log_id"}, Rows: logs})
	if err != nil {
		return err
	}
	if len(taken) > 0 {
		return fmt.Errorf("%w: place %d of this database's log is taken by another event: archives are put back into the database that they came from, or into one that never ran since it was put back itself", errTaken, taken[0][0])
	}
	if err := insert(ctx, tx, p.rows); err != nil {
		return err
	}
	if len(known) > 0 {
		if err := tookAgain(ctx, tx, ids); err != nil {
			return err
		}
	}
	if err := tx.DeleteAll(ctx, "archive_key", []string{"tenant", "fold_key"}, keys); err != nil {
		return err
	}
	if err := r.retell(ctx, tx, tenant, p, ids, events); err != nil {
		return err
	}
	dirty := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key"}, Rows: keys}
	done.Groups++
	done.Events += int64(len(events))
	done.Keys = append(done.Keys, p.Keys...)
	return tx.InsertAll(ctx, dirty)
}

// newest refuses a group of which a key was put back once and archived again: the younger archive has all that this one has, and what was told since.
func (from place) newest(ctx context.Context, tx *db.Tx, keys [][]any) error {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "archive_key", Columns: []string{"fold_key", "archive"}, Key: []string{"tenant", "fold_key"}, Rows: keys})
	for _, row := range found {
		if number := row[1].(int64); number != from.number {
			if from.foreign {
				return fmt.Errorf("%w: %s is in archive %d of this database, without some of the events that this one has", errTaken, row[0], number)
			}
			return fmt.Errorf("%w: %s is in archive %d by now, and in archive %d as it was before that: put archive %d back, which has all of it", errTaken, row[0], number, from.number, number)
		}
	}
	return err
}

// insert puts rows back. Those that are there, since they stayed, are as they are now.
func insert(ctx context.Context, tx *db.Tx, rows []row) error {
	numbers := make(map[*table]int64)
	for from := 0; from < len(rows); {
		t, columns := rows[from].table, sortedColumns(rows[from])
		to := from
		for to < len(rows) && rows[to].table == t && slices.Equal(sortedColumns(rows[to]), columns) {
			to++
		}
		if !t.reading {
			ins := db.Insert{Table: t.name, Columns: columns, Conflict: t.key}
			for _, one := range rows[from:to] {
				values := make([]any, len(columns))
				for i, column := range columns {
					values[i] = one.values[column]
				}
				ins.Rows = append(ins.Rows, values)
				if n, ok := one.values[t.number].(int64); ok {
					numbers[t] = max(numbers[t], n)
				}
			}
			if _, err := tx.InsertAbsent(ctx, ins); err != nil {
				return err
			}
		}
		from = to
	}
	for t, n := range numbers {
		if err := tx.NumberFrom(ctx, t.name, t.number, n); err != nil {
			return err
		}
	}
	return nil
}

func sortedColumns(one row) []string {
	columns := make([]string, 0, len(one.values))
	for column := range one.values {
		columns = append(columns, column)
	}
	slices.Sort(columns)
	return columns
}

// tookAgain says that events are in the database again, at the lowest place at which they were seen meanwhile.
func tookAgain(ctx context.Context, tx *db.Tx, ids [][]any) error {
	if _, err := tx.UpdateAll(ctx, db.Update{Table: "event_identity", Key: []string{"tenant", "id"}, Set: []string{"archive"}, Rows: withZero(ids)}); err != nil {
		return err
	}
	seen, err := tx.Lookup(ctx, db.Lookup{Table: "event_identity", Columns: []string{"log_id", "epoch_ordinal", "seq"}, Key: []string{"tenant", "id"}, Rows: ids})
	if err != nil {
		return err
	}
	for _, table := range []string{"event", "fact"} {
		if _, err := tx.UpdateAll(ctx, db.Update{Table: table, Key: []string{"log_id"}, Set: []string{"epoch_ordinal", "seq"}, Rows: seen}); err != nil {
			return err
		}
	}
	return nil
}

func withZero(ids [][]any) [][]any {
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id[0], id[1], 0}
	}
	return rows
}

// retell has what was told since of the same records, and declared of the same events, tell each other.
func (r *Retention) retell(ctx context.Context, tx *db.Tx, tenant string, p *part, ids [][]any, events []int64) error {
	if r.PutBack == nil {
		return nil
	}
	var records [][]any
	for _, one := range p.rows {
		if one.table.name == "record_first" || one.table.name == "record_later" {
			records = append(records, []any{one.values["record"]})
		}
	}
	records = distinct(records)
	later, err := tx.Lookup(ctx, db.Lookup{Table: "record_later", Columns: []string{"log_id"}, Key: []string{"record"}, Rows: records})
	if err != nil {
		return err
	}
	declared, err := tx.Lookup(ctx, db.Lookup{Table: "declared", Columns: []string{"log_id", "waiting"}, Key: []string{"tenant", "event_id"}, Rows: ids})
	if err != nil {
		return err
	}
	for _, row := range append(later, declared...) {
		events = append(events, row[0].(int64))
	}
	for _, id := range ids {
		if _, err := tx.Exec(ctx, `UPDATE declared SET waiting = 0 WHERE tenant = ? AND event_id = ? AND waiting = 1`, id...); err != nil {
			return err
		}
	}
	slices.Sort(events)
	return r.PutBack(ctx, tx, tenant, p.Keys, slices.Compact(events))
}

func distinct(rows [][]any) [][]any {
	seen := make(map[any]bool)
	return slices.DeleteFunc(rows, func(row []any) bool {
		was := seen[row[0]]
		seen[row[0]] = true
		return was
	})
}

// Verify holds a tenant's archives against their manifests, the manifests against the chain, both against the database, and the folder against what that
// knows. It returns what is wrong, in words; nothing where all is whole.
func (r *Retention) Verify(ctx context.Context, tenant string) (checked int, faults []string, err error) {
	var all []*Archive
	if err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		all, err = list(ctx, tx, `tenant = ? AND state IN ('written', 'pruned') ORDER BY number`, tenant)
		return err
	}); err != nil {
		return 0, nil, err
	}
	var before *Archive
	for _, a := range all {
		checked++
		if err := r.verify(a, before); err != nil {
			faults = append(faults, fmt.Sprintf("archive %d: %v", a.Number, err))
		}
		before = a
	}
	unknown, err := r.unknown(ctx, tenant)
	return checked, append(faults, unknown...), err
}

func (r *Retention) verify(a, before *Archive) error {
	path := r.path(a.Tenant, a.Manifest)
	m, sum, err := ReadManifest(path)
	if err != nil {
		return err
	}
	switch {
	case sum != a.SHA256:
		return fmt.Errorf("%w: the manifest is not the one that was written", ErrDamaged)
	case before == nil && m.Previous != 0, before != nil && (m.Previous != before.Number || m.PreviousSHA256 != before.SHA256):
		return fmt.Errorf("%w: it does not follow the archive before it", ErrDamaged)
	}
	var groups, events int64
	err = read(filepath.Join(filepath.Dir(path), m.File), m.SHA256, func(p *part) error {
		groups, events = groups+1, events+p.Events
		return nil
	})
	if err == nil && (groups != m.Groups || events != m.Events) {
		err = fmt.Errorf("%w: it has %d groups and %d events, the manifest says %d and %d", ErrDamaged, groups, events, m.Groups, m.Events)
	}
	return err
}
