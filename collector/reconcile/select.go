package reconcile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/event"
)

// Selection says which fold keys of a tenant; an empty field is no limit.
type Selection struct {
	Tenant string
	// Key is one of them, Order those of an order with its shipments and returns.
	Key, Order string
	// Site, Kind, From and To are of events: keys that have one of the site, of the kind, in this time.
	Site, Kind string
	From, To   time.Time
	// Target and Posting are of postings: keys that want one of this target, of this kind.
	Target, Posting string
}

// Select names up to most keys of a selection behind one, in their order.
func Select(ctx context.Context, d *db.DB, s Selection, after string, most int) ([]string, error) {
	where, args := []string{"f.tenant = ?", "f.fold_key > ?"}, []any{s.Tenant, after}
	limit := func(condition string, values ...any) { where, args = append(where, condition), append(args, values...) }
	if s.Key != "" {
		limit("f.fold_key = ?", s.Key)
	}
	if s.Order != "" {
		key := event.OrderKey(s.Order)
		limit("(f.fold_key = ? OR f.fold_key IN (SELECT link_key FROM link WHERE tenant = ? AND part_of = ?))", key, s.Tenant, key)
	}
	from := "fact f"
	if s.Site != "" || s.Kind != "" || !s.From.IsZero() || !s.To.IsZero() {
		from += " JOIN event e ON e.log_id = f.log_id"
	}
	if s.Site != "" {
		limit("e.site = ?", s.Site)
	}
	if s.Kind != "" {
		kind, ok := event.ParseKind(s.Kind)
		if !ok {
			return nil, fmt.Errorf("kind %q: no kind of event, like pick.confirmed", s.Kind)
		}
		limit("e.kind = ?", kind)
	}
	if !s.From.IsZero() {
		limit("e.occurred_at >= ?", s.From.UnixMicro())
	}
	if !s.To.IsZero() {
		limit("e.occurred_at < ?", s.To.UnixMicro())
	}
	if s.Target != "" || s.Posting != "" {
		limit("EXISTS (SELECT 1 FROM posting p WHERE p.tenant = f.tenant AND p.fold_key = f.fold_key AND (p.target = ? OR ? = '') AND (p.kind = ? OR ? = ''))",
			s.Target, s.Target, s.Posting, s.Posting)
	}
	var keys []string
	err := d.Read(ctx, func(tx *db.Tx) error {
		keys = nil
		rows, err := tx.Query(ctx, `SELECT DISTINCT f.fold_key FROM `+from+` WHERE `+strings.Join(where, " AND ")+` ORDER BY f.fold_key LIMIT ?`, append(args, most)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("select keys: %w", err)
	}
	return keys, nil
}
