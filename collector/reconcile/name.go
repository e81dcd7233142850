package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// name is what an order is called elsewhere: by a customer, or by a system that plays a role.
type name struct{ system, kind string }

// ofCustomer is the system of names that the customer gave.
const ofCustomer = "customer"

// customName begins the names of custom fields that are names: ref.opportunity.
const customName = "ref."

// namesOfOrder are what the facts of an order call it: the documents that systems name of it, the customer's own number, and custom fields that
// say that they are names. Of several facts that name one thing the one that happened last counts.
func (v *view) namesOfOrder(fold *state.OrderFold) {
	events := slices.Clone(fold.Facts)
	slices.SortFunc(events, func(a, b *docklinev1.Event) int {
		return cmp.Or(a.GetOccurredAt().AsTime().Compare(b.GetOccurredAt().AsTime()), cmp.Compare(a.GetId(), b.GetId()))
	})
	names := make(map[name]string)
	for _, e := range events {
		order := cmp.Or(e.GetOrder().GetNumber(), e.GetQuote().GetOrder())
		if e.GetSite() != "" || order == "" || order != fold.State.GetNumber() {
			continue
		}
		system := string(v.policy.RoleOf(e))
		for _, d := range e.GetDocuments() {
			if d.GetKind() != "" && d.GetNumber() != "" && d.GetNumber() != order {
				names[name{system, d.GetKind()}] = d.GetNumber()
			}
		}
		if quote := e.GetQuote().GetNumber(); quote != "" {
			names[name{system, "quote"}] = quote
		}
		for _, field := range e.GetCustom() {
			if kind, is := strings.CutPrefix(field.GetName(), customName); is && field.GetValue() != "" {
				names[name{system, kind}] = field.GetValue()
			}
		}
	}
	if own := fold.State.GetCustomerReference(); own != "" {
		names[name{ofCustomer, "order"}] = own
	}
	v.outcome.names = names
}

// writeNames brings the names of orders in line with what their facts say now.
func (b *batch) writeNames(ctx context.Context) error {
	var keys [][]any
	for key := range b.names {
		keys = append(keys, []any{orderNumber(key.key), key.tenant})
	}
	if len(keys) == 0 {
		return nil
	}
	columns := []string{"ours", "kind", "system", "tenant"}
	rows, err := b.tx.Lookup(ctx, db.Lookup{Table: "cross_reference", Key: []string{"ours", "tenant"}, Rows: keys, Where: "t.fold_key <> ''",
		Columns: []string{"tenant", "fold_key", "ours", "kind", "system", "theirs"}})
	if err != nil {
		return fmt.Errorf("names of orders: %w", err)
	}
	had := make(map[foldKey]map[name]string)
	for _, row := range rows {
		key := foldKey{row[0].(string), row[1].(string)}
		if had[key] == nil {
			had[key] = make(map[name]string)
		}
		had[key][name{row[4].(string), row[3].(string)}] = row[5].(string)
	}
	fresh := db.Insert{Table: "cross_reference", Columns: []string{"ours", "kind", "system", "tenant", "theirs", "noted_at", "fold_key"}, Conflict: columns, Update: []string{"theirs", "noted_at", "fold_key"}}
	var gone [][]any
	for _, key := range slices.SortedFunc(maps.Keys(b.names), compareKeys) {
		ours := orderNumber(key.key)
		for _, n := range slices.SortedFunc(maps.Keys(b.names[key]), compareNames) {
			if theirs := b.names[key][n]; had[key][n] != theirs {
				fresh.Rows = append(fresh.Rows, []any{ours, n.kind, n.system, key.tenant, theirs, b.now.UnixMicro(), key.key})
			}
		}
		for _, n := range slices.SortedFunc(maps.Keys(had[key]), compareNames) {
			if _, still := b.names[key][n]; !still {
				gone = append(gone, []any{ours, n.kind, n.system, key.tenant})
			}
		}
	}
	if err := b.tx.DeleteAll(ctx, "cross_reference", columns, gone); err != nil {
		return err
	}
	if len(fresh.Rows) == 0 {
		return nil
	}
	return b.tx.Upsert(ctx, fresh)
}

func compareNames(a, b name) int {
	return cmp.Or(cmp.Compare(a.system, b.system), cmp.Compare(a.kind, b.kind))
}
