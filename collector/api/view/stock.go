package view

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Stock is what lies in one bin of a site, by item, lot and status, as it was last folded.
type Stock struct {
	Tenant, Key string
	State       *docklinev1.StockState
	ChangedAt   time.Time
}

// StockAfter returns stock of a site in the order of keys, beginning after one; an empty site is all, limit 0 is 100.
func StockAfter(ctx context.Context, tx *db.Tx, tenant, site, after string, limit int) ([]Stock, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	query, args := `SELECT tenant, fold_key, body, changed_at FROM state WHERE tenant = ? AND fold_key > ? AND fold_key < 'stock0'`, []any{tenant, max(after, "stock/")}
	if site != "" {
		query, args = query+` AND site = ?`, append(args, site)
	}
	rows, err := tx.Query(ctx, query+` ORDER BY fold_key LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	defer rows.Close()
	var found []Stock
	for rows.Next() {
		s := Stock{State: &docklinev1.StockState{}}
		var body []byte
		var changed int64
		if err := rows.Scan(&s.Tenant, &s.Key, &body, &changed); err != nil {
			return nil, fmt.Errorf("read stock: %w", err)
		}
		if err := proto.Unmarshal(body, s.State); err != nil {
			return nil, fmt.Errorf("read stock: %s: %w", s.Key, err)
		}
		s.ChangedAt = fromMicros(changed)
		found = append(found, s)
	}
	return found, rows.Err()
}
