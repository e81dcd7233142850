package master

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Put is what a source says of records of one kind. A person's source, by a file, is "". What a system of record tells of belongs to it from
// then on, also where a file told the same before; a file changes and removes only what no system tells of (docs/decisions/0159).
type Put struct {
	Tenant, Source string
	Kind           docklinev1.MasterKind
	Records        []*docklinev1.MasterRecord
	// Whole: of this source and kind there are no others; those that were are removed.
	Whole bool
	// own: what meanwhile belongs to another source stays.
	own bool
}

// Done is what became of a Put.
type Done struct {
	// Changed is how many records have changed.
	Changed int
	// Kept are those that a file said other things of than the system to which they belong; they are as they were.
	Kept []Kept
}

// Kept is a record that stays as its system told it.
type Kept struct{ Code, Source string }

// Do brings the records up to date in the caller's transaction: each that changes has a new version, higher than all of the tenant's before.
// A record that says what is known already costs no version. Every record must be without a Fault.
func (p Put) Do(ctx context.Context, tx *db.Tx, now time.Time) (done Done, err error) {
	if p.Tenant == "" || p.Kind == docklinev1.MasterKind_MASTER_KIND_UNSPECIFIED {
		return done, errors.New("master data: a tenant and a kind")
	}
	if done, err = p.do(ctx, tx, now); err != nil {
		return Done{}, fmt.Errorf("master data of %s: %w", p.Tenant, err)
	}
	return done, nil
}

func (p Put) do(ctx context.Context, tx *db.Tx, now time.Time) (done Done, err error) {
	if err := tx.Lock(ctx, "master/"+p.Tenant); err != nil {
		return done, err
	}
	told, err := p.rows()
	if err != nil {
		return done, err
	}
	known, err := p.known(ctx, tx, told)
	if err != nil {
		return done, err
	}
	var put []row
	takes := db.Update{Table: "master_record", Key: []string{"tenant", "kind", "code"}, Set: []string{"source"}}
	for _, r := range told {
		old, there := known[r.code]
		if !there {
			if r.removed == 0 {
				put = append(put, r)
			}
			continue
		}
		others := old.source != p.Source && old.removed == 0
		switch {
		case p.own && old.source != p.Source:
		case old.hash == r.hash && old.removed == r.removed:
			if others && p.Source != "" {
				takes.Rows = append(takes.Rows, []any{p.Tenant, int64(p.Kind), r.code, p.Source})
			}
		case others && p.Source == "":
			done.Kept = append(done.Kept, Kept{r.code, old.source})
		default:
			r.follow(old)
			put = append(put, r)
		}
	}
	if _, err := tx.UpdateAll(ctx, takes); err != nil {
		return done, err
	}
	if p.Whole {
		seen := make(map[string]bool, len(told))
		for _, r := range told {
			seen[r.code] = true
		}
		gone, err := p.others(ctx, tx, seen)
		if err != nil {
			return done, err
		}
		put = append(put, gone...)
	}
	done.Changed = len(put)
	return done, p.write(ctx, tx, put, now)
}

// rows are the records by code, the last one of each.
func (p Put) rows() ([]row, error) {
	by := make(map[string]row, len(p.Records))
	for _, r := range p.Records {
		if fault := Fault(r); fault != "" {
			return nil, fmt.Errorf("%s %q: %s", connector.MasterKindName(p.Kind), cut(r.GetCode()), fault)
		}
		made, err := rowOf(r)
		if err != nil {
			return nil, err
		}
		if made.kind = p.Kind; r.GetRemoved() {
			made = row{kind: p.Kind, code: made.code, name: made.name, removed: 1}
		}
		by[made.code] = made
	}
	all := make([]row, 0, len(by))
	for _, r := range by {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b row) int { return strings.Compare(a.code, b.code) })
	return all, nil
}

// known is what is held of the codes that were told: hash, whether it is removed, and whose it is.
func (p Put) known(ctx context.Context, tx *db.Tx, told []row) (map[string]row, error) {
	keys := make([][]any, len(told))
	for i, r := range told {
		keys[i] = []any{p.Tenant, int64(p.Kind), r.code}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "master_record", Columns: []string{"code", "hash", "removed", "sites", "former", "source"}, Key: []string{"tenant", "kind", "code"}, Rows: keys})
	if err != nil {
		return nil, err
	}
	known := make(map[string]row, len(found))
	for _, f := range found {
		r := row{code: f[0].(string), hash: f[1].(string), removed: f[2].(int64), sites: f[3].(string), former: f[4].(string), source: f[5].(string)}
		if r.removed == 1 { // older versions of the program left the hash
			r.hash = ""
		}
		known[r.code] = r
	}
	return known, nil
}

// others are the removals of what this source has told of before and does not tell of now.
func (p Put) others(ctx context.Context, tx *db.Tx, seen map[string]bool) (gone []row, err error) {
	err = each(ctx, tx, `SELECT code, name, sites, former FROM master_record WHERE tenant = ? AND kind = ? AND source = ? AND removed = 0 ORDER BY code`,
		[]any{p.Tenant, int64(p.Kind), p.Source}, func(scan func(...any) error) error {
			r, old := row{kind: p.Kind, removed: 1}, row{}
			if err := scan(&r.code, &r.name, &old.sites, &old.former); err != nil {
				return err
			}
			if r.follow(old); !seen[r.code] {
				gone = append(gone, r)
			}
			return nil
		})
	return gone, err
}

// write gives each row its version.
func (p Put) write(ctx context.Context, tx *db.Tx, put []row, now time.Time) error {
	if len(put) == 0 {
		return nil
	}
	version, _, err := top(ctx, tx, p.Tenant)
	if err != nil {
		return err
	}
	least, err := tx.LeastVersion(ctx)
	if err != nil {
		return err
	}
	version = max(version, least-1)
	into := db.Insert{Table: "master_record", Conflict: []string{"tenant", "kind", "code"},
		Columns: []string{"tenant", "kind", "code", "name", "version", "removed", "source", "sites", "former", "body", "hash", "changed_at"},
		Update:  []string{"name", "version", "removed", "source", "sites", "former", "body", "hash", "changed_at"}}
	for _, r := range put {
		version++
		body := r.body
		if body == nil {
			body = []byte{}
		}
		into.Rows = append(into.Rows, []any{p.Tenant, int64(r.kind), r.code, r.name, version, r.removed, p.Source, r.sites, r.former, body, r.hash, now.UnixMicro()})
	}
	if err := tx.Upsert(ctx, into); err != nil {
		return err
	}
	return tx.Upsert(ctx, db.Insert{Table: "master_top", Columns: []string{"tenant", "version"}, Rows: [][]any{{p.Tenant, version}}, Conflict: []string{"tenant"}, Update: []string{"version"}})
}

// top is the highest version of a tenant, and up to which version removals are forgotten.
func top(ctx context.Context, tx *db.Tx, tenant string) (version, forgotten int64, err error) {
	err = tx.QueryRow(ctx, `SELECT version, forgotten FROM master_top WHERE tenant = ?`, tenant).Scan(&version, &forgotten)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return version, forgotten, err
}

func each(ctx context.Context, tx *db.Tx, query string, args []any, row func(scan func(...any) error) error) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
