package eventlog

import (
	"context"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A lost gap whose sources can all read again closes by itself: their cursors were given back from before it, and once each of them says,
// as of what is in the log without a hole, that it has told everything up to after the moment at which the loss was seen, it has told what
// was lost once more. The ids tell which of that is new.

// closeReread closes the gaps of a site that were read again.
func (l *Log) closeReread(ctx context.Context, tx *db.Tx, site SiteKey, p *siteProgress) error {
	gaps, err := rereadable(ctx, tx, site)
	if err != nil || len(gaps) == 0 || len(p.epochs) == 0 {
		return err
	}
	now := p.epochs[len(p.epochs)-1]
	stored, err := readCursors(ctx, tx, []SiteKey{site})
	if err != nil {
		return err
	}
	told := make(map[string]int64)
	at := make(map[string]int64)
	for _, c := range stored {
		if name := c.cursor.GetPlugin(); c.epoch == now.name && c.seq <= now.through && c.seq >= at[name] {
			at[name], told[name] = c.seq, toldThrough(c.cursor)
		}
	}
	for _, g := range gaps {
		if g.epoch == now.name || slices.ContainsFunc(g.sources, func(name string) bool { return told[name] <= g.openedAt }) {
			continue
		}
		if err := l.closeGap(ctx, tx, site, g.epoch, g.lo); err != nil {
			return err
		}
		if err := l.report(ctx, tx, site.Tenant, gapOrigin(site, g.epoch, g.lo), nil); err != nil {
			return err
		}
	}
	return nil
}

// toldThrough is up to when every stream of a source is told, in Unix microseconds; 0 where one has no time.
func toldThrough(c *docklinev1.PluginCursor) int64 {
	least := int64(0)
	for i, through := range c.GetCompleteThrough() {
		if through.GetTime() == nil {
			return 0
		}
		at := through.GetTime().AsTime().UnixMicro()
		if i == 0 || at < least {
			least = at
		}
	}
	return least
}

type lostGap struct {
	epoch    string
	lo       uint64
	openedAt int64
	sources  []string
}

func rereadable(ctx context.Context, tx *db.Tx, site SiteKey) ([]lostGap, error) {
	rows, err := tx.Query(ctx, `SELECT epoch, lo, opened_at, sources FROM gap WHERE tenant = ? AND site = ? AND closed_at = 0 AND cause = ? AND sources <> ''
		ORDER BY epoch, lo`, site.Tenant, site.Site, lost)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var gaps []lostGap
	for rows.Next() {
		var g lostGap
		var sources string
		if err := rows.Scan(&g.epoch, &g.lo, &g.openedAt, &sources); err != nil {
			return nil, err
		}
		g.sources = strings.Split(sources, ",")
		gaps = append(gaps, g)
	}
	return gaps, rows.Err()
}
