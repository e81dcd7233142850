package posting

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Filter narrows a list. An empty field is not a limit, except for Tenant.
type Filter struct {
	Tenant string
	Target string
	Kind   connector.Kind
	States []State
	Site   string
	// Code is that of the fault.
	Code string
	// CorrelationID is one order with everything that belongs to it.
	CorrelationID string
	// Limit is at most how many, the last changed first; default 200.
	Limit int
}

// List returns postings, the last changed first.
func List(ctx context.Context, tx *db.Tx, f Filter) ([]Entry, error) {
	where, args := f.where()
	if f.Limit <= 0 {
		f.Limit = 200
	}
	return entries(collect(tx.Query(ctx, `SELECT `+columns+` FROM posting WHERE `+where+`
		ORDER BY changed_at DESC, id DESC LIMIT ?`, append(args, f.Limit)...)))
}

// Total is how many there are, whatever the limit.
func Total(ctx context.Context, tx *db.Tx, f Filter) (n int64, err error) {
	where, args := f.where()
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM posting WHERE `+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("posting: total: %w", err)
	}
	return n, nil
}

func (f Filter) where() (string, []any) {
	where, args := []string{"tenant = ?"}, []any{f.Tenant}
	limitTo := func(column, value string) {
		if value != "" {
			where, args = append(where, column+" = ?"), append(args, value)
		}
	}
	limitTo("target", f.Target)
	limitTo("kind", string(f.Kind))
	limitTo("site", f.Site)
	limitTo("fault_code", f.Code)
	limitTo("correlation_id", f.CorrelationID)
	if len(f.States) > 0 {
		where = append(where, "state IN "+db.List(len(f.States)))
		for _, s := range f.States {
			args = append(args, s)
		}
	}
	return strings.Join(where, " AND "), args
}

// Codes are the codes of the faults that a tenant's postings carry.
func Codes(ctx context.Context, tx *db.Tx, tenant string) ([]string, error) {
	return tx.Texts(ctx, `SELECT DISTINCT fault_code FROM posting WHERE tenant = ? AND fault_code <> '' ORDER BY fault_code`, tenant)
}

// Of returns the postings of one fold, in the order in which they were first wanted.
func Of(ctx context.Context, tx *db.Tx, tenant, foldKey string) ([]Entry, error) {
	return entries(collect(tx.Query(ctx, `SELECT `+columns+` FROM posting WHERE tenant = ? AND fold_key = ? ORDER BY id`,
		tenant, foldKey)))
}

// FedBy returns by event the postings that it feeds, or fed when they were last wanted, each list by reference.
func FedBy(ctx context.Context, tx *db.Tx, tenant string, events []string) (map[string][]Entry, error) {
	keys := make([][]any, len(events))
	for i, id := range events {
		keys[i] = []any{tenant, id}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting_event", Columns: eventColumns, Key: []string{"tenant", "event_id"}, Rows: keys})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	feeds := make(map[place][]string)
	for _, v := range found {
		feeds[placeOf(v)] = append(feeds[placeOf(v)], v[4].(string))
	}
	places := slices.SortedFunc(maps.Keys(feeds), comparePlaces)
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "posting", Columns: columnNames, Key: keyColumns, Rows: keysOf(places)})
	if err != nil {
		return nil, fmt.Errorf("posting: what events feed: %w", err)
	}
	by := make(map[string][]Entry)
	for _, v := range rows {
		r := new(row)
		if err := r.fill(v); err != nil {
			return nil, err
		}
		for _, id := range feeds[r.place()] {
			by[id] = append(by[id], r.Entry)
		}
	}
	for _, list := range by {
		slices.SortFunc(list, func(a, b Entry) int { return compareRefs(a.Ref, b.Ref) })
	}
	return by, nil
}

func entries(rows []*row, err error) ([]Entry, error) {
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(rows))
	for i, r := range rows {
		out[i] = r.Entry
	}
	return out, nil
}

// Needs returns what a posting depends on.
func Needs(ctx context.Context, tx *db.Tx, tenant string, ref Ref) ([]Ref, error) {
	return needsOf(ctx, tx, tenant, ref)
}

// EventIDs returns the events that feed a posting.
func EventIDs(ctx context.Context, tx *db.Tx, tenant string, ref Ref) ([]string, error) {
	return eventsOf(ctx, tx, tenant, ref)
}

// Count is how many postings of a target stand in a state. Oldest is when the one that has not moved for longest last moved.
type Count struct {
	Target string
	State  State
	N      int64
	Oldest time.Time
}

// Counts returns a count for every target and state that has postings.
func Counts(ctx context.Context, tx *db.Tx, tenant string) ([]Count, error) {
	rows, err := tx.Query(ctx, `SELECT target, state, COUNT(*), MIN(changed_at) FROM posting WHERE tenant = ?
		GROUP BY target, state ORDER BY target, state`, tenant)
	if err != nil {
		return nil, fmt.Errorf("posting: counts: %w", err)
	}
	defer rows.Close()
	var out []Count
	for rows.Next() {
		var c Count
		var oldest int64
		if err := rows.Scan(&c.Target, &c.State, &c.N, &oldest); err != nil {
			return nil, err
		}
		c.Oldest = at(oldest)
		out = append(out, c)
	}
	return out, rows.Err()
}

// Errors of Retry.
var (
	ErrAbsent       = errors.New("posting: there is none of that name")
	ErrNotRetryable = errors.New("posting: it is under way, done, or no longer wanted")
)

// Retry is a person's word that a posting should be tried again: one that was refused is sent anew, one that waits goes at
// once, and one whose document is in dispute is read back at once.
func Retry(ctx context.Context, tx *db.Tx, tenant string, ref Ref, now time.Time) error {
	r, err := hold(ctx, tx, tenant, ref)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("%s: %w", ref, ErrAbsent)
	}
	micros := now.UnixMicro()
	if err := r.again(micros); err != nil {
		return err
	}
	if err := r.save(ctx, tx, micros); err != nil {
		return err
	}
	return promote(ctx, tx, micros, `t.tenant = ? AND t.fold_key = ?`, tenant, r.FoldKey)
}

// Targets are the targets that a tenant's postings have had, Kinds their kinds, both sorted.
func Targets(ctx context.Context, tx *db.Tx, tenant string) ([]string, error) {
	return tx.Texts(ctx, `SELECT DISTINCT target FROM posting WHERE tenant = ? ORDER BY 1`, tenant)
}

// Kinds are the kinds that a tenant's postings have had, sorted.
func Kinds(ctx context.Context, tx *db.Tx, tenant string) ([]string, error) {
	return tx.Texts(ctx, `SELECT DISTINCT kind FROM posting WHERE tenant = ? ORDER BY 1`, tenant)
}
