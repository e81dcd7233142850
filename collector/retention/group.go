package retention

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
)

// group is what hangs together: keys that share an event or are linked, and all their events. It goes whole or stays.
type group struct {
	tenant string
	keys   []string
	events []int64
	// orders are the numbers of the orders among the keys.
	orders []string
	class  string
	// first and last are when the first and the last of its events came into the log; newest is when the last of them is said to have happened.
	first, last, newest time.Time
	// why it stays; "" where it may go.
	why string
}

// stays are keys that are kept: stock is what all its counts and openings say, however old.
var stays = map[string]bool{state.KindStock: true, state.KindOpening: true, state.KindCount: true, state.KindAccount: true, state.KindAllocation: true}

// mostTogether bounds what is looked at to find what hangs together with one page of events.
const mostTogether = 100_000

// web finds what hangs together, from some events on.
type web struct {
	tx     *db.Tx
	tenant string
	up     map[node]node
	keys   map[string]bool
	events map[int64]bool
	stays  map[node]bool
	weak   map[string]bool
}

// node is a key or, where that is "", an event.
type node struct {
	key   string
	event int64
}

func (w *web) root(n node) node {
	if _, known := w.up[n]; !known {
		w.up[n] = n
	}
	for w.up[n] != n {
		w.up[n] = w.up[w.up[n]]
		n = w.up[n]
	}
	return n
}

func (w *web) join(a, b node) {
	x, y := w.root(a), w.root(b)
	if x == y {
		return
	}
	w.up[x] = y
	if w.stays[x] {
		w.stays[y] = true
	}
}

func (w *web) stay(n node) { w.stays[w.root(n)] = true }

// gather follows events to their keys and keys to their events and to what is linked to them, until there is nothing new.
func (w *web) gather(ctx context.Context, seeds []int64) error {
	events := seeds
	for _, id := range seeds {
		w.root(node{event: id})
		w.events[id] = true
	}
	for len(events) > 0 {
		keys, err := w.keysOf(ctx, events)
		if err != nil {
			return err
		}
		events = nil
		for len(keys) > 0 {
			more, err := w.linked(ctx, keys)
			if err != nil {
				return err
			}
			found, err := w.eventsOf(ctx, keys)
			if err != nil {
				return err
			}
			events, keys = append(events, found...), more
			if len(w.keys)+len(w.events) > mostTogether {
				for _, id := range seeds {
					w.stay(node{event: id})
				}
				return nil
			}
		}
	}
	return nil
}

// tie is a key, and what it hangs together with.
type tie struct {
	key  string
	with node
}

// add notes keys and returns those that are new and to be followed.
func (w *web) add(ctx context.Context, ties []tie) (fresh []string, err error) {
	if err := w.weigh(ctx, ties); err != nil {
		return nil, err
	}
	for _, t := range ties {
		switch {
		case stays[kindOf(t.key)]:
			w.stay(t.with)
		case !w.weak[t.key]:
			if !w.keys[t.key] {
				w.keys[t.key] = true
				fresh = append(fresh, t.key)
			}
			w.join(node{key: t.key}, t.with)
		}
	}
	return fresh, nil
}

// weigh finds the keys that tie nothing together: a name of which nothing was told, and a customer's reference under which nothing was
// submitted. A customer may have the same reference on all his orders.
func (w *web) weigh(ctx context.Context, ties []tie) error {
	for kind, table := range map[string]string{state.KindReference: "fact", state.KindSubmission: "state"} {
		var asked []string
		for _, t := range ties {
			if _, known := w.weak[t.key]; !known && kindOf(t.key) == kind {
				w.weak[t.key] = true
				asked = append(asked, t.key)
			}
		}
		found, err := w.tx.Lookup(ctx, db.Lookup{Table: table, Columns: []string{"fold_key"}, Key: []string{"tenant", "fold_key"}, Rows: w.named(asked)})
		if err != nil {
			return err
		}
		for _, row := range found {
			w.weak[row[0].(string)] = false
		}
	}
	return nil
}

func (w *web) keysOf(ctx context.Context, events []int64) ([]string, error) {
	found, err := w.tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"log_id", "tenant", "fold_key"}, Key: []string{"log_id"}, Rows: column(events)})
	if err != nil {
		return nil, err
	}
	var ties []tie
	for _, row := range found {
		if row[1].(string) == w.tenant {
			ties = append(ties, tie{row[2].(string), node{event: row[0].(int64)}})
		}
	}
	return w.add(ctx, ties)
}

func (w *web) eventsOf(ctx context.Context, keys []string) (events []int64, err error) {
	found, err := w.tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"log_id", "fold_key"}, Key: []string{"tenant", "fold_key"}, Rows: w.named(keys)})
	for _, row := range found {
		id := row[0].(int64)
		w.join(node{event: id}, node{key: row[1].(string)})
		if !w.events[id] {
			w.events[id] = true
			events = append(events, id)
		}
	}
	return events, err
}

func (w *web) linked(ctx context.Context, keys []string) ([]string, error) {
	var ties []tie
	for _, by := range []string{"link_key", "part_of"} {
		found, err := w.tx.Lookup(ctx, db.Lookup{Table: "link", Columns: []string{"link_key", "part_of"}, Key: []string{"tenant", by}, Rows: w.named(keys)})
		if err != nil {
			return nil, err
		}
		for _, row := range found {
			ties = append(ties, tie{row[0].(string), node{key: row[1].(string)}}, tie{row[1].(string), node{key: row[0].(string)}})
		}
	}
	if err := w.weigh(ctx, ties); err != nil {
		return nil, err
	}
	return w.add(ctx, slices.DeleteFunc(ties, func(t tie) bool { return w.weak[t.key] || w.weak[t.with.key] }))
}

func (w *web) named(names []string) [][]any {
	rows := make([][]any, len(names))
	for i, name := range names {
		rows[i] = []any{w.tenant, name}
	}
	return rows
}

func column(ids []int64) [][]any {
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id}
	}
	return rows
}

// groups are what hangs together with some events, each with the reason why it stays, or none; in the order of their first events.
func (r *Retention) groups(ctx context.Context, tx *db.Tx, tenant string, seeds []int64) ([]*group, error) {
	w := &web{tx: tx, tenant: tenant, up: make(map[node]node), keys: make(map[string]bool), events: make(map[int64]bool), stays: make(map[node]bool), weak: make(map[string]bool)}
	if err := w.gather(ctx, seeds); err != nil {
		return nil, fmt.Errorf("what hangs together: %w", err)
	}
	byRoot := make(map[node]*group)
	of := func(n node) *group {
		root := w.root(n)
		if byRoot[root] == nil {
			byRoot[root] = &group{tenant: tenant}
			if w.stays[root] {
				byRoot[root].why = "stock counts, openings and reservations stay"
			}
		}
		return byRoot[root]
	}
	for id := range w.events {
		g := of(node{event: id})
		g.events = append(g.events, id)
	}
	for key := range w.keys {
		g := of(node{key: key})
		g.keys = append(g.keys, key)
	}
	list := slices.Collect(maps.Values(byRoot))
	for _, g := range list {
		slices.Sort(g.events)
		slices.Sort(g.keys)
		g.classify()
		if len(g.events) > r.maxGroup() {
			g.why = fmt.Sprintf("more than %d events hang together", r.maxGroup())
		}
	}
	list = slices.DeleteFunc(list, func(g *group) bool { return len(g.events) == 0 })
	slices.SortFunc(list, func(a, b *group) int { return cmp.Compare(a.events[0], b.events[0]) })
	return list, r.judge(ctx, tx, tenant, list)
}
