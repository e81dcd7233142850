package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/collector/sweep"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// heldOrders are orders as Dockline holds them: those that are named, and, where the target is the only record of orders, those of the time that is
// looked at.
func (m *Collector) heldOrders(ctx context.Context, tx *db.Tx, a sweep.HeldAsk) ([]sweep.Expected, error) {
	l := db.Lookup{Table: "state", Columns: []string{"fold_key", "body", "changed_at"}, Key: []string{"tenant", "fold_key"}}
	for _, number := range a.Numbers {
		l.Rows = append(l.Rows, []any{a.Tenant, event.OrderKey(number)})
	}
	found, err := tx.Lookup(ctx, l)
	if err != nil {
		return nil, err
	}
	waiting, err := tx.Texts(ctx, `SELECT DISTINCT fold_key FROM dirty WHERE tenant = ? AND due_at = 0 AND fold_key >= 'order/' AND fold_key < 'order0'`, a.Tenant)
	if err != nil {
		return nil, err
	}
	var out []sweep.Expected
	named := make(map[string]bool)
	add := func(key string, body []byte, changed int64, listed bool) error {
		o := new(docklinev1.OrderState)
		if err := proto.Unmarshal(body, o); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		named[key] = true
		e := heldOrder(o, time.UnixMicro(changed).UTC())
		if _, folds := slices.BinarySearch(waiting, key); folds {
			e.Settled, e.Why = false, "what was told of it is not worked in yet"
		}
		if e.Content.Order != "" && (listed || made(o, a.Since)) {
			out = append(out, e)
		}
		return nil
	}
	slices.Sort(waiting)
	for _, row := range found {
		if err := add(row[0].(string), row[1].([]byte), row[2].(int64), true); err != nil {
			return nil, err
		}
	}
	if a.Since.IsZero() || m.recordsOfOrders(a.Tenant) != 1 {
		return out, nil
	}
	where, args := `tenant = ? AND fold_key >= 'order/' AND fold_key < 'order0' AND first_at >= ?`, []any{a.Tenant, a.Since.UnixMicro()}
	if a.Site != "" {
		where, args = where+` AND site = ?`, append(args, a.Site)
	}
	rows, err := tx.Query(ctx, `SELECT fold_key, body, changed_at FROM state WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("orders since %s: %w", a.Since.Format(time.DateOnly), err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var body []byte
		var changed int64
		if err := rows.Scan(&key, &body, &changed); err != nil {
			return nil, err
		}
		if named[key] {
			continue
		}
		if err := add(key, body, changed, false); err != nil {
			return nil, err
		}
	}
	return out, rows.Err()
}

// recordsOfOrders is how many systems are the record of a tenant's orders.
func (m *Collector) recordsOfOrders(tenant string) (n int) {
	for _, s := range m.connectors {
		if s.config.Tenant == tenant && s.config.Role == string(ownership.SystemOfRecord) {
			n++
		}
	}
	return n
}

// made says whether an order is so young that a list since then has it.
func made(o *docklinev1.OrderState, since time.Time) bool {
	return o.GetOrderedAt().IsValid() && !o.GetOrderedAt().AsTime().Before(since)
}

// heldOrder is an order in the form in which systems list it. One that no system of record has told of has no Order.
func heldOrder(o *docklinev1.OrderState, changed time.Time) sweep.Expected {
	e := sweep.Expected{Kind: connector.OrderRecord, Key: o.GetNumber(), Reference: o.GetNumber(), Site: o.GetSite(), Settled: true, MovedAt: changed}
	if o.GetOrderedAt().IsValid() {
		e.MadeAt = o.GetOrderedAt().AsTime()
	}
	lines := slices.DeleteFunc(slices.Clone(o.GetLines()), func(l *docklinev1.OrderLineState) bool { return !l.GetInOrder() })
	if len(lines) == 0 {
		return e
	}
	c := connector.Content{Order: o.GetNumber(), Fields: map[string]string{"status": "in force", "customer": o.GetCustomer(), "customer_reference": o.GetCustomerReference(),
		"currency": o.GetCurrency(), "price_list": o.GetPriceList(), "price_list_version": o.GetPriceListVersion()}}
	open, moved := int64(0), len(o.GetBackorders()) > 0 || len(lines) < len(o.GetLines())
	for _, l := range lines {
		c.Fields[connector.PriceOf(l.GetOrderLine())] = l.GetUnitPrice()
		open += max(0, l.GetNet()) + max(0, l.GetOut())
		moved = moved || l.GetSubstitutedIn() != 0 || l.GetSubstitutedOut() != 0 || l.GetStandsForLine() != ""
		c.Lines = append(c.Lines, connector.Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: l.GetNet()})
	}
	if open == 0 || o.GetStatus() == state.Rejected || o.GetStatus() == state.Cancelled {
		c.Fields["status"] = "cancelled"
	}
	// Of an order that was cancelled, or of which something stands for something else, systems count the lines each in their way.
	if c.Lines = connector.SumLines(c.Lines, false); moved || c.Fields["status"] == "cancelled" {
		c.Lines = nil
	}
	e.Content = c
	return e
}

// cursorOf is up to where a system's feed was taken in.
func cursorOf(ctx context.Context, tx *db.Tx, t *sweep.Target) (connector.Cursor, error) {
	var kept []byte
	err := tx.QueryRow(ctx, `SELECT cursor_value FROM connector_cursor WHERE tenant = ? AND connector = ?`, t.Tenant, t.Name).Scan(&kept)
	if errors.Is(err, sql.ErrNoRows) || len(kept) == 0 {
		return nil, noRowsIsFine(err)
	}
	return kept, err
}

func noRowsIsFine(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
