package master

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Tell restates master data to another system, in order of version, and remembers how far that has everything. Each record carries its
// version, so that one told twice changes nothing. It takes no more than its share of the time and of the account; the rest is the postings'.
type Tell struct {
	Party
	Target connector.MasterTarget
	// ListLength is how many records one request restates at most; 0 is 200.
	ListLength int
}

// Run tells until ctx ends.
func (t *Tell) Run(ctx context.Context) error { return t.run(ctx, "tell master data", t.Step) }

// Step tells the next records, and says whether there are more at once. It is for one goroutine.
func (t *Tell) Step(ctx context.Context) (more bool, err error) {
	held, err := t.take(ctx)
	if err != nil || !held {
		return false, err
	}
	more, err = t.next(ctx)
	return t.ended(ctx, more, err, "It shows items and customers as they were before.")
}

// due is what a system is to be told next: records of one kind, and the version up to which it then has everything.
type due struct {
	known             bool
	from, told, clear int64
	kind              docklinev1.MasterKind
	records           []*docklinev1.MasterRecord
	more              bool
}

func (t *Tell) next(ctx context.Context) (more bool, err error) {
	d, err := t.due(ctx)
	if err != nil || d.known && d.clear <= d.from {
		return false, err
	}
	var refused []connector.RefusedRecord
	if len(d.records) > 0 {
		call, cancel := context.WithTimeout(ctx, t.timeout())
		refused, err = t.Target.Tell(call, d.kind, d.records)
		cancel()
		if err != nil {
			return false, fmt.Errorf("%s: %w", connector.MasterKindName(d.kind), err)
		}
	}
	taken := slices.DeleteFunc(slices.Clone(d.records), func(r *docklinev1.MasterRecord) bool {
		return slices.ContainsFunc(refused, func(f connector.RefusedRecord) bool { return f.Code == r.Code })
	})
	err = t.turn.write(ctx, func(tx *db.Tx) error {
		// What was told counts only where it follows what the system was told last: that may be put back, to have it told again.
		held, err := tx.Lookup(ctx, db.Lookup{Table: "master_target", Columns: []string{"through"}, Key: []string{"tenant", "target"}, Rows: [][]any{{t.Tenant, t.Name}}, Hold: true})
		if err != nil {
			return err
		}
		if (len(held) > 0) != d.known || d.known && held[0][0].(int64) != d.from {
			return errOvertaken
		}
		if err := refuse(ctx, tx, t.Tenant, t.Name, d.kind, refused, t.now()); err != nil {
			return err
		}
		if err := accepted(ctx, tx, t.Tenant, t.Name, d.kind, taken); err != nil {
			return err
		}
		return tx.Upsert(ctx, db.Insert{Table: "master_target", Columns: []string{"tenant", "target", "through", "told", "told_at"}, Conflict: []string{"tenant", "target"},
			Update: []string{"through", "told", "told_at"}, Rows: [][]any{{t.Tenant, t.Name, max(d.clear, d.from), d.told + int64(len(d.records)), t.now().UnixMicro()}}})
	})
	return d.more, err
}

func (t *Tell) due(ctx context.Context) (d due, err error) {
	limit := cmp.Or(t.ListLength, 200)
	err = t.DB.Read(ctx, func(tx *db.Tx) error {
		d = due{}
		err := tx.QueryRow(ctx, `SELECT through, told FROM master_target WHERE tenant = ? AND target = ?`, t.Tenant, t.Name).Scan(&d.from, &d.told)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		d.known, d.clear = err == nil, d.from
		n, over := 0, false
		err = each(ctx, tx, `SELECT kind, code, name, version, removed, sites, former, body FROM master_record WHERE tenant = ? AND version > ? ORDER BY version LIMIT ?`,
			[]any{t.Tenant, d.from, limit}, func(scan func(...any) error) error {
				n++
				var r row
				if err := scan(&r.kind, &r.code, &r.name, &r.version, &r.removed, &r.sites, &r.former, &r.body); err != nil || over {
					return err
				}
				wanted := slices.Contains(t.Kinds, r.kind) && (r.removed == 0 || d.from > 0)
				if over = wanted && len(d.records) > 0 && r.kind != d.kind; over {
					return nil // of one kind at a time
				}
				if d.clear = r.version; !wanted {
					return nil
				}
				record, err := r.record()
				d.kind, d.records = r.kind, append(d.records, record)
				return err
			})
		d.more = n == limit || over
		return err
	})
	return d, err
}
