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

// OpenGaps are those of a tenant, by site. A piece counts for a million million at most: a site may say anything of what it lost.
func OpenGaps(ctx context.Context, tx *db.Tx, tenant string) ([]OpenGap, error) {
	rows, err := tx.Query(ctx, `SELECT site, COUNT(*), SUM(CASE WHEN places < 1000000000000 THEN places ELSE 1000000000000 END) FROM
		(SELECT g.site AS site, g.hi - g.lo + 1 - `+db.ArrivedOfGap+` AS places FROM gap g WHERE g.tenant = ? AND g.closed_at = 0) AS open GROUP BY site ORDER BY site`, tenant)
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
