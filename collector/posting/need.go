package posting

import (
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// place is a posting's name among those of all tenants.
type place struct {
	tenant string
	Ref
}

func (r *row) place() place { return place{r.Tenant, r.Ref} }

// key are the values of keyColumns.
func (p place) key() []any { return []any{p.Key, string(p.Kind), p.Target, p.tenant} }

var (
	// keyColumns lead with the column that tells most, as the indexes do.
	keyColumns   = []string{"natural_key", "kind", "target", "tenant"}
	eventColumns = append(slices.Clone(keyColumns), "event_id")
	needColumns  = append(slices.Clone(keyColumns), "needs_key", "needs_kind", "needs_target")
)

func placeOf(v []any) place {
	return place{v[3].(string), Ref{Target: v[2].(string), Kind: connector.Kind(v[1].(string)), Key: v[0].(string)}}
}

// needsOfAll are the postings that each of these needs.
func needsOfAll(ctx context.Context, tx *db.Tx, places []place) (map[place][]Ref, error) {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting_dependency", Columns: needColumns, Key: keyColumns, Rows: keysOf(places)})
	if err != nil {
		return nil, fmt.Errorf("posting: dependencies: %w", err)
	}
	out := make(map[place][]Ref)
	for _, v := range found {
		p := placeOf(v)
		out[p] = append(out[p], Ref{Target: v[6].(string), Kind: connector.Kind(v[5].(string)), Key: v[4].(string)})
	}
	return out, nil
}

// eventsOfAll are the events that feed each of these.
func eventsOfAll(ctx context.Context, tx *db.Tx, places []place) (map[place][]string, error) {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting_event", Columns: eventColumns, Key: keyColumns, Rows: keysOf(places)})
	if err != nil {
		return nil, fmt.Errorf("posting: events: %w", err)
	}
	out := make(map[place][]string)
	for _, v := range found {
		p := placeOf(v)
		out[p] = append(out[p], v[4].(string))
	}
	return out, nil
}

func keysOf(places []place) [][]any {
	keys := make([][]any, len(places))
	for i, p := range places {
		keys[i] = p.key()
	}
	return keys
}

func needsOf(ctx context.Context, tx *db.Tx, tenant string, ref Ref) ([]Ref, error) {
	all, err := needsOfAll(ctx, tx, []place{{tenant, ref}})
	list := all[place{tenant, ref}]
	slices.SortFunc(list, compareRefs)
	return list, err
}

func eventsOf(ctx context.Context, tx *db.Tx, tenant string, ref Ref) ([]string, error) {
	all, err := eventsOfAll(ctx, tx, []place{{tenant, ref}})
	list := all[place{tenant, ref}]
	slices.Sort(list)
	return list, err
}

// links are rows that hang on postings and are nothing but their key: what feeds them, or what they need.
type links struct {
	table     string
	columns   []string
	fresh     [][]any
	forgotten [][]any
}

func (l *links) add(p place, rest ...any) { l.fresh = append(l.fresh, append(p.key(), rest...)) }
func (l *links) drop(p place, rest ...any) {
	l.forgotten = append(l.forgotten, append(p.key(), rest...))
}

func (l *links) write(ctx context.Context, tx *db.Tx) error {
	if err := tx.DeleteAll(ctx, l.table, l.columns, l.forgotten); err != nil {
		return err
	}
	_, err := tx.InsertAbsent(ctx, db.Insert{Table: l.table, Columns: l.columns, Conflict: l.columns, Rows: l.fresh})
	return err
}

// setNeeds notes what makes the dependencies those wanted.
func (l *links) setNeeds(p place, have, want []Ref) {
	for _, n := range have {
		if !slices.Contains(want, n) {
			l.drop(p, n.Key, string(n.Kind), n.Target)
		}
	}
	for _, n := range want {
		if !slices.Contains(have, n) {
			l.add(p, n.Key, string(n.Kind), n.Target)
		}
	}
}

// setEvents notes what makes the events that feed a posting those wanted, and returns those that it gained or lost.
func (l *links) setEvents(p place, have, want []string) (changed []string) {
	held := make(map[string]bool, len(have))
	for _, id := range have {
		held[id] = true
	}
	for _, id := range want {
		if !held[id] {
			l.add(p, id)
			changed = append(changed, id)
		}
		delete(held, id)
	}
	for id := range held {
		l.drop(p, id)
		changed = append(changed, id)
	}
	return changed
}

// sameNeeds compares them as sets.
func sameNeeds(have, want []Ref) bool {
	in := func(list []Ref) func(Ref) bool { return func(n Ref) bool { return !slices.Contains(list, n) } }
	return !slices.ContainsFunc(want, in(have)) && !slices.ContainsFunc(have, in(want))
}
