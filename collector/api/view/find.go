package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

// Hit is something that a name leads to.
type Hit struct {
	// Type is what the name is: "tracking", "unit" (an SSCC or a licence plate), "invoice", ...; Name is how it is written.
	Type, Name string
	// Exact: it is the name that was asked for but for case, not only its beginning. Former: what it leads to has another name by now.
	Exact, Former bool
	// Key is what it leads to: "order/SO00017". It is the key of the name itself where something was told of it that belongs to nothing yet.
	Key string
	// CorrelationID is that of the order behind it, "" where that is not known or there are several.
	CorrelationID          string
	Status, Customer, Site string
}

// FindFrom is how long the beginning of a name must be to be looked for.
const FindFrom = 4

// Waits is the status of a name of which something was told, and that belongs to nothing yet.
const Waits = "waits"

// Find returns up to limit things to which a name leads: the number of an order, shipment, return, invoice, credit memo, purchase order, advice or
// quote, a customer's reference, an SSCC, a licence plate, a tracking number, a bill of lading, a trailer, a seal, a claim or a receipt. Case does not matter, nor whether an SSCC has its identifier 00. Where the name leads nowhere, names that begin
// with it are found, if it is long enough.
func Find(ctx context.Context, tx *db.Tx, tenant, value string, limit int) ([]Hit, error) {
	f := finder{ctx: ctx, tx: tx, tenant: tenant, limit: cmp.Or(max(limit, 0), defaultLimit)}
	name := eventlog.SearchName(value)
	if name == "" {
		return nil, nil
	}
	for _, part := range []func() error{
		func() error { names := spellings(name); return f.links(true, `name IN `+db.List(len(names)), names...) },
		func() error { return f.numbers(strings.TrimSpace(value)) },
		func() error { return f.waiting(strings.TrimSpace(value)) },
		func() error {
			if len(f.hits) > 0 || len(name) < FindFrom {
				return nil
			}
			return f.links(false, `name >= ? AND name < ?`, name, name+"\U0010FFFF")
		},
		f.states, f.orders,
	} {
		if err := part(); err != nil {
			return nil, fmt.Errorf("find %q: %w", value, err)
		}
	}
	slices.SortStableFunc(f.hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(rank(a.Key), rank(b.Key)), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return f.hits[:min(len(f.hits), f.limit)], nil
}

// spellings are the ways to write a name. A label's bar code has the identifier 00 before the 18 digits of an SSCC (GS1 General Specifications,
// section 3.2), and print has it in brackets; most systems keep it without. Any other name has one spelling.
func spellings(name string) []any {
	digits := strings.Replace(name, "(00)", "00", 1)
	if len(digits) == 20 {
		digits = strings.TrimPrefix(digits, "00")
	}
	if len(digits) != 18 || strings.Trim(digits, "0123456789") != "" {
		return []any{name}
	}
	return []any{digits, "00" + digits, "(00)" + digits}
}

// rank has the whole before its parts: an order before its shipments.
func rank(key string) int {
	kind, _, _ := strings.Cut(key, "/")
	return slices.Index([]string{state.KindReference, state.KindInbound, state.KindBlindReturn, state.KindReturn, state.KindShipment, state.KindOrder}, kind) * -1
}

// finder is the work of one Find.
type finder struct {
	ctx    context.Context
	tx     *db.Tx
	tenant string
	limit  int
	hits   []Hit
}

func (f *finder) add(h Hit) {
	if !slices.ContainsFunc(f.hits, func(have Hit) bool { return have.Key == h.Key && have.Type == h.Type && have.Name == h.Name }) {
		f.hits = append(f.hits, h)
	}
}

// links finds what names lead to.
func (f *finder) links(exact bool, where string, args ...any) error {
	rows, err := f.tx.Query(f.ctx, `SELECT link_key, part_of, max(in_force) FROM link WHERE tenant = ? AND name <> '' AND `+where+
		` GROUP BY name, link_key, part_of ORDER BY name, link_key, part_of LIMIT ?`, append(append([]any{f.tenant}, args...), f.limit)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var holds int64
		h := Hit{Exact: exact}
		if err := rows.Scan(&key, &h.Key, &holds); err != nil {
			return err
		}
		h.Former = holds == 0
		if _, parts, err := event.ParseKey(key); err == nil {
			h.Type, h.Name = parts[0], parts[1]
			f.add(h)
		}
	}
	return rows.Err()
}

// numbers finds what has the number itself, and is called so by nobody yet: an order of which only picks were told.
func (f *finder) numbers(number string) error {
	byKey := map[string]string{event.OrderKey(number): event.ReferenceOrder, event.ReturnKey(number): event.ReferenceReturn, event.SubmissionKey(number): event.ReferenceOrder}
	var keys [][]any
	for key := range byKey {
		keys = append(keys, []any{f.tenant, key})
	}
	found, err := f.tx.Lookup(f.ctx, db.Lookup{Table: "state", Columns: []string{"fold_key"}, Key: []string{"tenant", "fold_key"}, Rows: keys})
	for _, row := range found {
		f.add(Hit{Type: byKey[row[0].(string)], Name: number, Exact: true, Key: row[0].(string)})
	}
	return err
}

// waiting finds the name itself where something was told of it, and it leads nowhere.
func (f *finder) waiting(value string) error {
	if len(f.hits) > 0 {
		return nil
	}
	var keys []any
	for _, kind := range []string{event.ReferenceTracking, event.ReferenceUnit, event.ReferenceShipment, event.ReferenceBillOfLading, event.ReferenceInvoice,
		event.ReferencePurchaseOrder, event.ReferenceAdvice, event.ReferenceQuote} {
		keys = append(keys, event.ReferenceKey(kind, value))
	}
	rows, err := f.tx.Query(f.ctx, `SELECT DISTINCT fold_key FROM fact WHERE tenant = ? AND fold_key IN `+db.List(len(keys))+` ORDER BY fold_key`, append([]any{f.tenant}, keys...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		h := Hit{Name: value, Exact: true, Status: Waits}
		if err := rows.Scan(&h.Key); err != nil {
			return err
		}
		_, parts, err := event.ParseKey(h.Key)
		if err != nil {
			return err
		}
		h.Type = parts[0]
		f.add(h)
	}
	return rows.Err()
}

// states adds how what was found stands.
func (f *finder) states() error {
	at := make(map[string][]int)
	var keys [][]any
	for i, h := range f.hits {
		if at[h.Key] == nil {
			keys = append(keys, []any{f.tenant, h.Key})
		}
		at[h.Key] = append(at[h.Key], i)
	}
	found, err := f.tx.Lookup(f.ctx, db.Lookup{Table: "state", Columns: []string{"fold_key", "status", "customer", "site"}, Key: []string{"tenant", "fold_key"}, Rows: keys})
	for _, row := range found {
		for _, i := range at[row[0].(string)] {
			f.hits[i].Status, f.hits[i].Customer, f.hits[i].Site = row[1].(string), row[2].(string), row[3].(string)
		}
	}
	return err
}

// orders adds the correlation ids: of an order its own, of anything else that of the one order that it is part of.
func (f *finder) orders() error {
	var keys []string
	for _, h := range f.hits {
		keys = append(keys, h.Key)
	}
	orders, err := ordersOf(f.ctx, f.tx, f.tenant, keys)
	for i, h := range f.hits {
		f.hits[i].CorrelationID = correlationOf(f.tenant, orders[h.Key])
	}
	return err
}
