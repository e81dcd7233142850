package view

import (
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

// Correlations gives events that name no order themselves the correlation id of the one order to which they belong by what else was told: the carrier's word about a tracking
// number has that of the order which left under it. It is worked out when it is asked for, since it may be known late, and change when a number is corrected; an
// event of several orders, or of none that is known, has none.
func Correlations(ctx context.Context, tx *db.Tx, tenant string, ids []string) (map[string]string, error) {
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{tenant, id}
	}
	facts, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"event_id", "fold_key"}, Key: []string{"tenant", "event_id"}, Rows: rows})
	if err != nil {
		return nil, fmt.Errorf("correlate events: %w", err)
	}
	var keys []string
	for _, fact := range facts {
		keys = append(keys, fact[1].(string))
	}
	orders, err := ordersOf(ctx, tx, tenant, keys)
	if err != nil {
		return nil, err
	}
	byEvent := make(map[string][]string)
	for _, fact := range facts {
		byEvent[fact[0].(string)] = append(byEvent[fact[0].(string)], orders[fact[1].(string)]...)
	}
	found := make(map[string]string)
	for id, list := range byEvent {
		if correlation := correlationOf(tenant, list); correlation != "" {
			found[id] = correlation
		}
	}
	return found, nil
}

// correlationOf is that of one order, "" of several.
func correlationOf(tenant string, orders []string) string {
	slices.Sort(orders)
	orders = slices.Compact(orders)
	if len(orders) != 1 {
		return ""
	}
	return event.CorrelationID(tenant, orders[0])
}

// ordersOf is the numbers of the orders that each key is, or is part of.
func ordersOf(ctx context.Context, tx *db.Tx, tenant string, keys []string) (map[string][]string, error) {
	orders := make(map[string][]string)
	var rows [][]any
	add := func(key, order string) {
		if kind, parts, err := event.ParseKey(order); err == nil && kind == state.KindOrder {
			orders[key] = append(orders[key], parts[0])
		}
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		add(key, key)
		rows = append(rows, []any{tenant, key})
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "link", Columns: []string{"link_key", "part_of"}, Key: []string{"tenant", "link_key"}, Rows: rows, Where: "in_force = 1"})
	if err != nil {
		return nil, fmt.Errorf("orders of keys: %w", err)
	}
	for _, row := range found {
		add(row[0].(string), row[1].(string))
	}
	return orders, nil
}
