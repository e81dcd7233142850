package reconcile

import (
	"context"
	"maps"
	"slices"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// allocation keeps a reservation that names no order.
func (v *view) allocation(site string) {
	v.outcome.site = site
	for _, fact := range v.facts {
		v.outcome.reasons[fact.Event.GetId()] = "it reserves stock: nothing is to be posted"
	}
	v.outcome.demand, v.outcome.demands = state.AllocationDemand(v.facts, v.mapping()), true
}

// demand is what the key says of stock that is promised, reserved or on its way.
func (v *view) demand() {
	switch s := v.outcome.state.(type) {
	case *docklinev1.OrderState:
		v.outcome.demand, v.outcome.demands = state.OrderDemand(s, v.facts, v.mapping()), true
	case *docklinev1.InboundState:
		v.outcome.demand, v.outcome.demands = state.InboundDemand(s), true
	}
}

// noteDemand notes what a key says of stock, where it may be something else than before.
func (b *batch) noteDemand(key foldKey, out *outcome) {
	if !out.demands {
		return
	}
	if b.demands == nil {
		b.demands = make(map[foldKey][]state.Demand)
	}
	b.demands[key] = out.demand
}

// writeDemand writes what differs from what is there.
func (b *batch) writeDemand(ctx context.Context) error {
	if len(b.demands) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(b.demands), compareKeys)
	columns := []string{"tenant", "fold_key", "part", "kind", "site", "item", "quantity", "at"}
	found, err := b.tx.Lookup(ctx, db.Lookup{Table: "stock_demand", Columns: columns, Key: byKey, Rows: rowsOf(keys)})
	if err != nil {
		return err
	}
	have := make(map[foldKey]map[int64][]any)
	for _, row := range found {
		if have[keyOf(row)] == nil {
			have[keyOf(row)] = make(map[int64][]any)
		}
		have[keyOf(row)][row[2].(int64)] = row
	}
	put := db.Insert{Table: "stock_demand", Columns: columns, Conflict: columns[:3], Update: columns[3:]}
	var gone [][]any
	for _, key := range keys {
		for i, d := range b.demands[key] {
			at := int64(0)
			if !d.At.IsZero() {
				at = d.At.UnixMicro()
			}
			row := []any{key.tenant, key.key, int64(i), d.Kind, d.Site, d.Item, d.Quantity, at}
			if !slices.Equal(have[key][int64(i)], row) {
				put.Rows = append(put.Rows, row)
			}
			delete(have[key], int64(i))
		}
		for _, part := range slices.Sorted(maps.Keys(have[key])) {
			gone = append(gone, []any{key.tenant, key.key, part})
		}
	}
	if err := b.tx.DeleteAll(ctx, "stock_demand", columns[:3], gone); err != nil {
		return err
	}
	return b.tx.Upsert(ctx, put)
}
