package view

import (
	"context"
	"database/sql"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Receipts returns what a site is told of its events, by position in its list, beginning after one; limit 0 is 100. A receipt that
// has just changed has no position yet and is left out until it has.
func Receipts(ctx context.Context, tx *db.Tx, tenant, site string, after uint64, limit int) ([]*docklinev1.EventReceipt, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	return receipts(tx.Query(ctx, `SELECT coalesce(position, 0), body FROM receipt WHERE tenant = ? AND site = ? AND position > ? ORDER BY position LIMIT ?`,
		tenant, site, int64(after), limit))
}

// ReceiptsOf returns the receipts of some events by their ids; facts of the centre have none.
func ReceiptsOf(ctx context.Context, tx *db.Tx, tenant string, ids []string) (map[string]*docklinev1.EventReceipt, error) {
	found := make(map[string]*docklinev1.EventReceipt)
	for len(ids) > 0 {
		n := min(len(ids), 500)
		args := []any{tenant}
		for _, id := range ids[:n] {
			args = append(args, id)
		}
		list, err := receipts(tx.Query(ctx, `SELECT coalesce(position, 0), body FROM receipt WHERE tenant = ? AND event_id IN `+db.List(n), args...))
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			found[r.GetEventId()] = r
		}
		ids = ids[n:]
	}
	return found, nil
}

func receipts(rows *sql.Rows, err error) ([]*docklinev1.EventReceipt, error) {
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	defer rows.Close()
	var found []*docklinev1.EventReceipt
	for rows.Next() {
		r := &docklinev1.EventReceipt{}
		var position int64
		var body []byte
		if err := rows.Scan(&position, &body); err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		if err := proto.Unmarshal(body, r); err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		r.Position = uint64(position)
		found = append(found, r)
	}
	return found, rows.Err()
}
