package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Filter limits a list; an empty field is no limit.
type Filter struct {
	By, Action, Object string
	Since, Until       time.Time
	// After lists by number, beginning behind this one; without it the newest come first.
	After *int64
	// Limit is 100 where it is 0.
	Limit int
}

const defaultLimit = 100

// List returns the acts of a tenant.
func List(ctx context.Context, tx *db.Tx, tenant string, f Filter) ([]Entry, error) {
	where, args := []string{"tenant = ?"}, []any{tenant}
	add := func(term string, value any) { where, args = append(where, term), append(args, value) }
	for column, value := range map[string]string{"person": f.By, "action": f.Action, "object": f.Object} {
		if value != "" {
			add(column+" = ?", value)
		}
	}
	if !f.Since.IsZero() {
		add("at >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		add("at < ?", f.Until.UnixMicro())
	}
	order := "n DESC"
	if f.After != nil {
		add("n > ?", *f.After)
		order = "n"
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	rows, err := tx.Query(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM audit WHERE `+strings.Join(where, " AND ")+` ORDER BY `+order+` LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", err)
	}
	defer rows.Close()
	var found []Entry
	for rows.Next() {
		var e Entry
		var at int64
		var detail string
		if err := rows.Scan(&e.Tenant, &e.N, &at, &e.By, &e.Action, &e.Object, &e.Reason, &detail, &e.Hash); err != nil {
			return nil, err
		}
		if e.At = time.UnixMicro(at).UTC(); detail != "" {
			e.Detail = []byte(detail)
		}
		found = append(found, e)
	}
	return found, rows.Err()
}

// Tenants are those of which there are acts, sorted.
func Tenants(ctx context.Context, tx *db.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT tenant FROM audit_head UNION SELECT DISTINCT tenant FROM audit ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("tenants of the audit: %w", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		found = append(found, name)
	}
	return found, rows.Err()
}

// Walk calls f for every act of a tenant, the first one first.
func Walk(ctx context.Context, tx *db.Tx, tenant string, f func(Entry) error) error {
	for after := int64(0); ; {
		page, err := List(ctx, tx, tenant, Filter{After: &after, Limit: 1000})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if err := f(e); err != nil {
				return err
			}
		}
		after = page[len(page)-1].N
	}
}
