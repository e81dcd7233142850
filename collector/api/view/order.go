package view

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ErrNoOrder: there is no state of this order.
var ErrNoOrder = errors.New("no such order")

// Order is an order's state as it was last folded.
type Order struct {
	Tenant string
	State  *docklinev1.OrderState
	// Facts is how many facts it was folded from, Policy the version in force.
	Facts  int64
	Policy string
	// FirstAt and ChangedAt are when the centre first folded it and when its state last changed, UTC.
	FirstAt, ChangedAt time.Time
}

// OrderFilter narrows a list of orders. An empty field is not a limit.
type OrderFilter struct {
	// Status is one of state.Statuses or state.Progresses: an order is in it, or one of its stages has come so far.
	Status string
	Site   string
	// Limit is at most how many; 0 is 100.
	Limit int
}

const (
	orderColumns = `tenant, fold_key, body, fact_count, policy_version, first_at, changed_at`
	defaultLimit = 100
)

// OrdersAfter returns orders in the order of their keys, beginning after a number; "" is the beginning.
func OrdersAfter(ctx context.Context, tx *db.Tx, tenant, after string, f OrderFilter) ([]Order, error) {
	where, args := f.where(tenant)
	if after != "" {
		where, args = where+` AND fold_key > ?`, append(args, event.OrderKey(after))
	}
	return orders(ctx, tx, where+` ORDER BY fold_key LIMIT ?`, append(args, f.limit())...)
}

// LatestOrders returns orders, the last changed first.
func LatestOrders(ctx context.Context, tx *db.Tx, tenant string, f OrderFilter) ([]Order, error) {
	where, args := f.where(tenant)
	return orders(ctx, tx, where+` ORDER BY changed_at DESC, fold_key DESC LIMIT ?`, append(args, f.limit())...)
}

// OneOrder returns the order of this number, or ErrNoOrder.
func OneOrder(ctx context.Context, tx *db.Tx, tenant, number string) (*Order, error) {
	found, err := orders(ctx, tx, `tenant = ? AND fold_key = ?`, tenant, event.OrderKey(number))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("order %s: %w%s", number, ErrNoOrder, retention.Note(ctx, tx, tenant, event.OrderKey(number)))
	}
	return &found[0], nil
}

// OrderCounts says how many orders stand in each status.
func OrderCounts(ctx context.Context, tx *db.Tx, tenant string) (map[string]int64, error) {
	rows, err := tx.Query(ctx, `SELECT status, COUNT(*) FROM state WHERE tenant = ? AND fold_key > 'order/' AND fold_key < 'order0' GROUP BY status`, tenant)
	if err != nil {
		return nil, fmt.Errorf("count orders: %w", err)
	}
	defer rows.Close()
	counts := make(map[string]int64)
	for rows.Next() {
		var status string
		var n int64
		if err := rows.Scan(&status, &n); err != nil {
			return nil, fmt.Errorf("count orders: %w", err)
		}
		counts[status] = n
	}
	return counts, rows.Err()
}

func (f OrderFilter) limit() int {
	if f.Limit <= 0 {
		return defaultLimit
	}
	return f.Limit
}

// where limits to orders: their keys begin with "order/", and '0' follows '/'.
func (f OrderFilter) where(tenant string) (string, []any) {
	where, args := []string{"tenant = ? AND fold_key > 'order/' AND fold_key < 'order0'"}, []any{tenant}
	if f.Status != "" {
		where, args = append(where, "(status = ? OR progress LIKE ?)"), append(args, f.Status, "% "+f.Status+" %")
	}
	if f.Site != "" {
		where, args = append(where, "site = ?"), append(args, f.Site)
	}
	return strings.Join(where, " AND "), args
}

func orders(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Order, error) {
	rows, err := tx.Query(ctx, `SELECT `+orderColumns+` FROM state WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	found, err := scanOrders(rows)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	return found, nil
}

func scanOrders(rows *sql.Rows) ([]Order, error) {
	defer rows.Close()
	var found []Order
	for rows.Next() {
		o := Order{State: &docklinev1.OrderState{}}
		var key string
		var body []byte
		var first, changed int64
		if err := rows.Scan(&o.Tenant, &key, &body, &o.Facts, &o.Policy, &first, &changed); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(body, o.State); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		o.FirstAt, o.ChangedAt = fromMicros(first), fromMicros(changed)
		found = append(found, o)
	}
	return found, rows.Err()
}
