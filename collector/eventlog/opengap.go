package eventlog

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/db"
)

// OpenGap is what of a site's streams is missing: so many places in its journal, in so many pieces.
type OpenGap struct {
	Site           string
	Pieces, Places int64
}

// OpenGaps are those of a tenant, by site.
func OpenGaps(ctx context.Context, tx *db.Tx, tenant string) ([]OpenGap, error) {
	rows, err := tx.Query(ctx, `SELECT site, COUNT(*), SUM(hi - lo + 1) FROM gap WHERE tenant = ? AND closed_at = 0 GROUP BY site ORDER BY site`, tenant)
	if err != nil {
		return nil, fmt.Errorf("open gaps: %w", err)
	}
	defer rows.Close()
	var out []OpenGap
	for rows.Next() {
		var g OpenGap
		if err := rows.Scan(&g.Site, &g.Pieces, &g.Places); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}
