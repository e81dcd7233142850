// Package view reads, for the API and the console, what no stage has a reader for: orders, stock, receipts, and an order's track.
package view

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Tenants are those that have a site, a state or an event, sorted.
func Tenants(ctx context.Context, tx *db.Tx) ([]string, error) {
	var found []string
	for _, table := range []string{"site", "state", "event_identity"} {
		// Each step is one look into the primary key, which begins with the tenant; DISTINCT would walk through all rows.
		for last := ""; ; {
			var next *string
			if err := tx.QueryRow(ctx, `SELECT min(tenant) FROM `+table+` WHERE tenant > ?`, last).Scan(&next); err != nil {
				return nil, fmt.Errorf("tenants: %w", err)
			}
			if next == nil {
				break
			}
			found, last = append(found, *next), *next
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
