package xref

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
)

// Import is one change of a system's table by a person.
type Import struct {
	Tenant, System string
	Entries        []Entry
	// Whole: what is not among the entries is taken out, in the domains that they have.
	Whole bool
	// By and Reason are for those who ask later.
	By, Reason string
}

// Change is what an import came to.
type Change struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
	Same    int `json:"same"`
}

// mostNamed is how many entries of a change are named in the trail; of more the numbers must do.
const mostNamed = 20

// Take brings a system's table in line with an import, where the person may do that, and records it. An entry of the import goes before one that it
// cannot stand beside.
func Take(ctx context.Context, tx *db.Tx, in Import, now time.Time) (c Change, err error) {
	// One at a time: two that do not see each other could leave a code that means two things.
	if err := tx.Lock(ctx, "xref/"+in.Tenant+"/"+in.System); err != nil {
		return c, err
	}
	had, err := List(ctx, tx, in.Tenant, in.System, "")
	if err != nil {
		return c, err
	}
	if found := clashes(in.Entries); len(found) > 0 {
		return c, FileFaults{found[0].text}
	}
	known := make(map[Entry]bool, len(had))
	for _, e := range had {
		known[e] = true
	}
	wanted, domains := make(map[Entry]bool), make(map[Domain]bool)
	for _, e := range in.Entries {
		wanted[e], domains[e.Domain] = true, true
	}
	var fresh, gone []Entry
	for _, e := range slices.SortedFunc(maps.Keys(wanted), Compare) {
		if known[e] {
			c.Same++
		} else {
			fresh = append(fresh, e)
		}
	}
	replaced := make(map[Entry]bool)
	all := slices.Concat(in.Entries, slices.DeleteFunc(slices.Clone(had), func(e Entry) bool { return wanted[e] }))
	for _, hit := range clashes(all) { // the import alone has none
		replaced[all[hit.at]] = true
	}
	for _, e := range had { // the same codes, used otherwise
		for _, d := range []Direction{Both, Out, In} {
			if other := (Entry{e.System, e.Domain, e.Ours, e.Theirs, d}); d != e.Direction && wanted[other] {
				replaced[e] = true
			}
		}
	}
	for _, e := range had {
		if !wanted[e] && (replaced[e] || in.Whole && domains[e.Domain]) {
			gone = append(gone, e)
		}
	}
	c.Changed = min(len(fresh), len(replaced))
	c.Added, c.Removed = len(fresh)-c.Changed, len(gone)-c.Changed
	act := audit.Act{Tenant: in.Tenant, By: in.By, Action: "xref.import", Object: "xref/" + in.System, Reason: in.Reason,
		Detail: map[string]any{"added": c.Added, "changed": c.Changed, "removed": c.Removed, "new": named(fresh), "old": named(gone)}}
	if err := people.Act(ctx, tx, people.SiteAct, act, now); err != nil {
		return c, err
	}
	return c, write(ctx, tx, in, fresh, gone, now)
}

func write(ctx context.Context, tx *db.Tx, in Import, fresh, gone []Entry, now time.Time) error {
	key := []string{"tenant", "target", "domain", "ours", "theirs"}
	var drop [][]any
	for _, e := range gone {
		drop = append(drop, []any{in.Tenant, in.System, string(e.Domain), e.Ours, e.Theirs})
	}
	if err := tx.DeleteAll(ctx, "xref", key, drop); err != nil {
		return fmt.Errorf("cross-reference: %w", err)
	}
	if len(fresh) == 0 {
		return nil
	}
	put := db.Insert{Table: "xref", Columns: append(slices.Clone(key), "direction", "changed_at", "changed_by"), Conflict: key, Update: []string{"direction", "changed_at", "changed_by"}}
	for _, e := range fresh {
		put.Rows = append(put.Rows, []any{in.Tenant, in.System, string(e.Domain), e.Ours, e.Theirs, string(e.Direction), now.UnixMicro(), in.By})
	}
	if err := tx.Upsert(ctx, put); err != nil {
		return fmt.Errorf("cross-reference: %w", err)
	}
	return nil
}

func named(entries []Entry) []string {
	var out []string
	for _, e := range entries[:min(len(entries), mostNamed)] {
		out = append(out, fmt.Sprintf("%s %s = %s (%s)", e.Domain, e.Ours, e.Theirs, e.Direction))
	}
	if more := len(entries) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// List reads the table of a tenant, in order; an empty system or domain is no limit.
func List(ctx context.Context, tx *db.Tx, tenant, system string, domain Domain) ([]Entry, error) {
	where, args := []string{"tenant = ?"}, []any{tenant}
	if system != "" {
		where, args = append(where, "target = ?"), append(args, system)
	}
	if domain != "" {
		where, args = append(where, "domain = ?"), append(args, string(domain))
	}
	rows, err := tx.Query(ctx, `SELECT target, domain, ours, theirs, direction FROM xref WHERE `+strings.Join(where, " AND "), args...)
	if err != nil {
		return nil, fmt.Errorf("cross-reference: %w", err)
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.System, &e.Domain, &e.Ours, &e.Theirs, &e.Direction); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortFunc(out, Compare)
	return out, rows.Err()
}

// find reads what is known of some codes: of ours where the system is told, of theirs where it reports.
func find(ctx context.Context, tx *db.Tx, tenant, system string, out bool, codes map[Domain]map[string]bool) (map[Domain]map[string]string, error) {
	not := In
	if !out {
		not = Out
	}
	return lookup(ctx, tx, tenant, system, out, codes, func(d Direction) bool { return d != not })
}

// taken reads what codes are on the other side where they stand there for something else, both ways: our B is no B there if B there is our A. By an entry
// for one way alone two codes may be one, so that takes none.
func taken(ctx context.Context, tx *db.Tx, tenant, system string, out bool, codes map[Domain]map[string]bool) (map[Domain]map[string]string, error) {
	return lookup(ctx, tx, tenant, system, !out, codes, func(d Direction) bool { return d == Both })
}

// lookup reads entries by our code or by theirs, and gives the other one.
func lookup(ctx context.Context, tx *db.Tx, tenant, system string, byOurs bool, codes map[Domain]map[string]bool, use func(Direction) bool) (map[Domain]map[string]string, error) {
	by, gives := "ours", "theirs"
	if !byOurs {
		by, gives = gives, by
	}
	var keys [][]any
	for domain, of := range codes {
		for code := range of {
			keys = append(keys, []any{tenant, system, string(domain), code})
		}
	}
	found := make(map[Domain]map[string]string)
	if len(keys) == 0 {
		return found, nil
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "xref", Columns: []string{"domain", by, gives, "direction"}, Key: []string{"tenant", "target", "domain", by}, Rows: keys})
	if err != nil {
		return nil, fmt.Errorf("cross-reference: %w", err)
	}
	for _, r := range rows {
		domain := Domain(r[0].(string))
		if !use(Direction(r[3].(string))) {
			continue
		}
		if found[domain] == nil {
			found[domain] = make(map[string]string)
		}
		found[domain][r[1].(string)] = r[2].(string)
	}
	return found, nil
}
