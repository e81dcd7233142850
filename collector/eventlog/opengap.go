package eventlog

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/db"
)

// ArrivedOfGap counts, in SQL, the places of the lost gap g that have arrived since it was declared: a gap stays what the site said of it until
// all of it is there, and what was on its way while the site said so is not lost.
const ArrivedOfGap = `COALESCE((SELECT SUM((CASE WHEN r.hi < g.hi THEN r.hi ELSE g.hi END) - (CASE WHEN r.lo > g.lo THEN r.lo ELSE g.lo END) + 1) FROM received r
	WHERE g.cause = 'lost' AND r.tenant = g.tenant AND r.site = g.site AND r.epoch = g.epoch AND r.lo <= g.hi AND r.hi >= g.lo), 0)`

// OpenGap is what of a site's streams is missing: so many places in its journal, in so many pieces.
type OpenGap struct {
	Site           string
	Pieces, Places int64
}

// OpenGaps are those of a tenant, by site. A piece counts for a million million at most: a site may say anything of what it lost.
func OpenGaps(ctx context.Context, tx *db.Tx, tenant string) ([]OpenGap, error) {
	rows, err := tx.Query(ctx, `SELECT site, COUNT(*), SUM(CASE WHEN places < 1000000000000 THEN places ELSE 1000000000000 END) FROM
		(SELECT g.site AS site, g.hi - g.lo + 1 - `+ArrivedOfGap+` AS places FROM gap g WHERE g.tenant = ? AND g.closed_at = 0) AS open GROUP BY site ORDER BY site`, tenant)
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
