package retention

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
)

// Who archives, and why.
type Who struct {
	By, Reason string

	// scheduled: nobody does; it is the hour.
	scheduled bool
}

// errTime ends a scan whose time is over.
var errTime = errors.New("its time is over")

// scan goes through the old events of a tenant behind one, the oldest first, and calls f for each group that one of them is in, once. After
// each page it calls paged with its last event; nil is nobody.
func (r *Retention) scan(ctx context.Context, tenant string, after int64, paged func(through int64, took time.Duration) error, f func(*group) error) error {
	oldest := r.shortest(tenant)
	if oldest <= 0 {
		return nil
	}
	until := r.now().Add(-oldest).UnixMicro()
	seen := make(map[int64]bool)
	for {
		var page []int64
		began := time.Now()
		var list []*group
		err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
			if page, err = oldEvents(ctx, tx, tenant, after, until, r.page()); err != nil || len(page) == 0 {
				return err
			}
			fresh := slices.DeleteFunc(slices.Clone(page), func(id int64) bool { return seen[id] })
			list, err = r.groups(ctx, tx, tenant, fresh)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1]
		took := time.Since(began)
		for _, g := range list {
			for _, id := range g.events {
				if id > after {
					seen[id] = true
				}
			}
		}
		for _, id := range page {
			delete(seen, id)
		}
		for _, g := range list {
			if err := f(g); err != nil {
				return err
			}
		}
		if paged == nil {
			continue
		}
		if err := paged(after, took); err != nil {
			return err
		}
	}
}

func oldEvents(ctx context.Context, tx *db.Tx, tenant string, after, until int64, most int) (ids []int64, err error) {
	rows, err := tx.Query(ctx, `SELECT log_id FROM event WHERE log_id > ? AND tenant = ? AND variant <> 1 AND recorded_at < ? ORDER BY log_id LIMIT ?`, after, tenant, until, most)
	if err != nil {
		return nil, fmt.Errorf("old events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// shortest is the shortest term of a tenant, 0 where everything is kept for ever.
func (r *Retention) shortest(tenant string) (least time.Duration) {
	for _, class := range []string{Orders, Returns, Inbound, Movements, Records, Events} {
		if term := r.Term(tenant, class); term > 0 && (least == 0 || term < least) {
			least = term
		}
	}
	return least
}

// Plan is what would be archived.
type Plan struct {
	Tenant string `json:"tenant"`
	// Groups hang together each; Keys and Events are in them. Bytes is what their content takes in the database, without its indexes.
	Groups int64            `json:"groups"`
	Keys   map[string]int64 `json:"keys"`
	Events int64            `json:"events"`
	Bytes  int64            `json:"bytes"`
	Months map[string]int64 `json:"months"`
	// Stays counts the groups that are old enough to be looked at, and stay, by why.
	Stays map[string]int64 `json:"stays"`
}

// Plan says what Run would archive, and changes nothing.
func (r *Retention) Plan(ctx context.Context, tenant string) (*Plan, error) {
	p := &Plan{Tenant: tenant, Keys: make(map[string]int64), Months: make(map[string]int64), Stays: make(map[string]int64)}
	var some []*group
	weigh := func() error {
		return r.DB.Read(ctx, func(tx *db.Tx) error {
			all, err := newReader(tx).rows(ctx, some)
			for _, rows := range all {
				for _, one := range rows {
					if !one.table.stays {
						p.Bytes += one.size()
					}
				}
			}
			some = nil
			return err
		})
	}
	err := r.scan(ctx, tenant, 0, nil, func(g *group) error {
		if g.why != "" {
			p.Stays[plain(g.why)]++
			return nil
		}
		p.Groups++
		p.Events += int64(len(g.events))
		p.Months[month(g)]++
		for _, key := range g.keys {
			p.Keys[kindOf(key)]++
		}
		if some = append(some, g); len(some) < r.together() {
			return nil
		}
		return weigh()
	})
	if err == nil {
		err = weigh()
	}
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

func month(g *group) string { return g.last.Format("2006-01") }

func (one row) size() (n int64) {
	for _, v := range one.values {
		switch v := v.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		default:
			n += 8
		}
	}
	return n
}

// Run archives what is old enough, and first ends what was begun before. It returns the archives that it wrote or ended, also where it fails.
func (r *Retention) Run(ctx context.Context, tenant string, who Who) (done []*Archive, err error) {
	run, done, err := r.run(ctx, tenant, who, time.Time{})
	if run != nil {
		err = errors.Join(err, run.aside)
	}
	return done, err
}

// run is Run, on record, where it also stands what had to be set aside. It begins nothing new after a time; the zero time is never.
func (r *Retention) run(ctx context.Context, tenant string, who Who, until time.Time) (run *Record, done []*Archive, err error) {
	err = r.DB.Write(ctx, func(tx *db.Tx) error {
		return r.act(ctx, tx, who, audit.Act{Tenant: tenant, By: who.By, Action: "archive.run", Object: "archive", Reason: who.Reason}, r.now())
	})
	if err != nil {
		return nil, nil, err
	}
	if err := r.hold(ctx, tenant); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.DB.Release(context.WithoutCancel(ctx), leaseOf(tenant), r.Holder)) }()
	if run, err = r.beginRun(ctx, tenant, who); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.endRun(ctx, run, done, err)) }()
	err = sound(func() (err error) {
		if done, err = r.finish(ctx, run); err != nil {
			return err
		}
		more, err := r.through(ctx, run, who, until)
		done = append(done, more...)
		return err
	})
	return run, done, err
}

// through goes through the old events of the run's tenant and archives them by month.
func (r *Retention) through(ctx context.Context, run *Record, who Who, until time.Time) (done []*Archive, err error) {
	byMonth := make(map[string][]*group)
	flush := func(month string) error {
		a, err := r.archive(ctx, run, byMonth[month], who)
		delete(byMonth, month)
		if a != nil {
			done = append(done, a)
		}
		return err
	}
	through := run.after
	err = r.scan(ctx, run.Tenant, run.after, func(page int64, took time.Duration) error {
		through = page
		if err := r.keep(ctx, run); err != nil {
			return err
		}
		if !until.IsZero() && !r.now().Before(until) {
			return errTime
		}
		return r.rest(ctx, took)
	}, func(g *group) error {
		if g.why != "" {
			return nil
		}
		m := month(g)
		if byMonth[m] = append(byMonth[m], g); len(byMonth[m]) < r.maxFile() {
			return nil
		}
		return flush(m)
	})
	if errors.Is(err, errTime) {
		run.State, run.after, err = Stopped, through, nil
	}
	for _, m := range slices.Sorted(maps.Keys(byMonth)) {
		if err == nil {
			err = flush(m)
		}
	}
	return done, err
}

func leaseOf(tenant string) string { return "archive/" + tenant }

// hold takes or prolongs the tenant's lease.
func (r *Retention) hold(ctx context.Context, tenant string) error {
	held, err := r.DB.Lease(ctx, leaseOf(tenant), r.Holder, lease)
	if err == nil && !held {
		err = fmt.Errorf("%w of tenant %s", ErrBusy, tenant)
	}
	return err
}

// rest lets others have the database, where that is wanted.
func (r *Retention) rest(ctx context.Context, worked time.Duration) error {
	if r.Rest == nil {
		return nil
	}
	return r.Rest(ctx, worked)
}

// archive writes groups into one archive and takes them out of the database; nil where none of them is there any more.
func (r *Retention) archive(ctx context.Context, run *Record, list []*group, who Who) (*Archive, error) {
	if err := r.keep(ctx, run); err != nil {
		return nil, err
	}
	m := &Manifest{Schema: Schema, Tenant: run.Tenant, Rows: make(map[string]int64), Kinds: make(map[string]int64), CreatedAt: r.now()}
	for _, g := range list {
		if m.FirstAt.IsZero() || g.first.Before(m.FirstAt) {
			m.FirstAt = g.first
		}
		if g.last.After(m.LastAt) {
			m.LastAt = g.last
		}
	}
	a, err := r.begin(ctx, run, m, who)
	if err != nil {
		return nil, err
	}
	if err := r.fault("begun"); err != nil {
		return a, err
	}
	err = r.write(ctx, run, a, m, list)
	switch {
	case errors.Is(err, errEmpty):
		return nil, r.leave(ctx, run, a)
	case errors.Is(err, fs.ErrExist): // what is there is not ours, and not the next run's to clear away
		return a, errors.Join(fmt.Errorf("archive %d: %w: another database writes into the same folder; give each its own archive.folder", a.Number, err), r.leave(ctx, run, a))
	case errors.Is(err, errLost):
		return a, errors.Join(fmt.Errorf("archive %d: %w", a.Number, err), r.clear(ctx, a))
	case err != nil:
		return a, fmt.Errorf("archive %d: %w", a.Number, err)
	}
	return a, r.prune(ctx, run, a)
}

// begin takes a number for an archive, which no file in the folder has: an older database that was put back would else give numbers again.
// Nothing is written under it before that is committed.
func (r *Retention) begin(ctx context.Context, run *Record, m *Manifest, who Who) (a *Archive, err error) {
	highest, err := r.highest()
	if err != nil {
		return nil, err
	}
	err = r.fenced(ctx, run, func(tx *db.Tx) error {
		var err error
		if m.Number, err = nextNumber(ctx, tx, highest); err != nil {
			return err
		}
		last, err := newest(ctx, tx, m.Tenant)
		if err != nil {
			return err
		}
		if last != nil {
			m.Previous, m.PreviousSHA256 = last.Number, last.SHA256
		}
		m.File = filepath.Base(m.name()) + ".jsonl.zst"
		a = &Archive{Number: m.Number, Tenant: m.Tenant, State: Writing, Manifest: m.name() + ".json", Previous: m.Previous, FirstAt: m.FirstAt, LastAt: m.LastAt,
			By: who.By, Reason: who.Reason, CreatedAt: m.CreatedAt, ChangedAt: m.CreatedAt}
		if err := a.insert(ctx, tx); err != nil {
			return err
		}
		return r.act(ctx, tx, who, audit.Act{Tenant: m.Tenant, By: who.By, Action: "archive.write", Object: fmt.Sprintf("archive/%d", a.Number), Reason: who.Reason}, m.CreatedAt)
	})
	return a, err
}

// path of a file of an archive.
func (r *Retention) path(tenant, name string) string {
	return filepath.Join(r.Folder, tenant, filepath.FromSlash(name))
}

// write writes file and manifest, and notes that they are whole.
func (r *Retention) write(ctx context.Context, run *Record, a *Archive, m *Manifest, list []*group) error {
	folder := filepath.Dir(r.path(m.Tenant, m.name()))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for at := folder; ; at = filepath.Dir(at) {
		if err := syncFolder(at); err != nil {
			return err
		}
		if at == filepath.Clean(r.Folder) || at == filepath.Dir(at) {
			break
		}
	}
	w, err := newWriter(filepath.Join(folder, m.File))
	if err != nil {
		return err
	}
	if err := r.groupsInto(ctx, run, w, m, list); err != nil {
		w.drop()
		return err
	}
	if err := r.fault("unsealed"); err != nil {
		return err
	}
	if err := r.keep(ctx, run); err != nil {
		w.drop()
		return err
	}
	if m.SHA256, m.Bytes, err = w.seal(); err != nil {
		return err
	}
	if err := r.fault("sealed"); err != nil {
		return err
	}
	if err := r.keep(ctx, run); err != nil {
		return err
	}
	a.Groups, a.Events, a.Bytes = m.Groups, m.Events, m.Bytes
	if a.SHA256, err = writeManifest(r.path(m.Tenant, a.Manifest), m); err != nil {
		return err
	}
	if err := r.fault("manifest"); err != nil {
		return err
	}
	return r.written(ctx, run, a)
}

func (r *Retention) groupsInto(ctx context.Context, run *Record, w *writer, m *Manifest, list []*group) error {
	if err := w.line(line{Record: "archive", Schema: Schema, Tenant: m.Tenant, Number: m.Number}); err != nil {
		return err
	}
	for some := range slices.Chunk(list, r.together()) {
		var rows [][]row
		began := time.Now()
		if err := r.DB.Read(ctx, func(tx *db.Tx) (err error) { rows, err = newReader(tx).rows(ctx, some); return err }); err != nil {
			return err
		}
		for i, g := range some {
			if len(eventsIn(rows[i])) == 0 { // it was deleted since it was looked at
				continue
			}
			if err := groupInto(w, m, g, rows[i]); err != nil {
				return err
			}
		}
		if err := r.keep(ctx, run); err != nil {
			return err
		}
		if err := r.rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
	if m.Groups == 0 {
		return errEmpty
	}
	return w.line(line{Record: "end", Groups: m.Groups, Rows: w.rows})
}

// groupInto writes a group and counts it.
func groupInto(w *writer, m *Manifest, g *group, rows []row) error {
	m.Groups++
	m.Events += int64(len(g.events))
	for _, one := range rows {
		m.Rows[one.table.name]++
		if offset, ok := one.values["log_offset"].(int64); ok {
			if m.FirstOffset == 0 || offset < m.FirstOffset {
				m.FirstOffset = offset
			}
			m.LastOffset = max(m.LastOffset, offset)
		}
	}
	for _, key := range g.keys {
		m.Kinds[kindOf(key)]++
	}
	return w.group(m.Groups, g, rows)
}
