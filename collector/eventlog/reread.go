package eventlog

import (
	"context"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
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
		if err := l.caseClosed(ctx, tx, site, g.epoch, g.lo); err != nil {
			return err
		}
	}
	return nil
}

// AskedAgain looks for lost gaps whose sources did not begin again by themselves, and whom a person has since had read again, all of them: such
// a gap closes when they have told everything up to now. One of a site with a source that cannot tell again, as a scanner, stays until a
// person accepts the loss.
func (l *Log) AskedAgain(ctx context.Context) error {
	type asked struct {
		site              SiteKey
		epoch, sources    string
		lo, opened, since int64
	}
	var found []asked
	err := l.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `SELECT g.tenant, g.site, g.epoch, g.lo, g.opened_at, e.sources FROM gap g JOIN epoch e ON e.tenant = g.tenant AND e.site = g.site
			WHERE g.closed_at = 0 AND g.cause = ? AND g.sources = '' AND e.sources <> ''
			AND NOT EXISTS (SELECT 1 FROM epoch n WHERE n.tenant = e.tenant AND n.site = e.site AND (n.seen_at > e.seen_at OR n.seen_at = e.seen_at AND n.ordinal > e.ordinal))`, lost)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a asked
			if err := rows.Scan(&a.site.Tenant, &a.site.Site, &a.epoch, &a.lo, &a.opened, &a.sources); err != nil {
				return err
			}
			found = append(found, a)
		}
		return rows.Err()
	})
	if err != nil || len(found) == 0 {
		return err
	}
	return l.DB.Write(ctx, func(tx *db.Tx) error {
		for _, a := range found {
			all := true
			for _, source := range strings.Split(a.sources, ",") {
				var at int64
				err := tx.QueryRow(ctx, `SELECT coalesce(max(completed_at), 0) FROM command WHERE tenant = ? AND site = ? AND command_key = ? AND outcome = ?`,
					a.site.Tenant, a.site.Site, event.Key("reread", source), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED).Scan(&at)
				if err != nil {
					return err
				}
				all, a.since = all && at > a.opened, max(a.since, at)
			}
			if !all {
				continue
			}
			if _, err := tx.Exec(ctx, `UPDATE gap SET sources = ?, asked_at = ? WHERE tenant = ? AND site = ? AND epoch = ? AND lo = ? AND closed_at = 0`,
				a.sources, a.since, a.site.Tenant, a.site.Site, a.epoch, a.lo); err != nil {
				return err
			}
		}
		return nil
	})
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
	rows, err := tx.Query(ctx, `SELECT epoch, lo, CASE WHEN asked_at > opened_at THEN asked_at ELSE opened_at END, sources FROM gap WHERE tenant = ? AND site = ? AND closed_at = 0 AND cause = ? AND sources <> ''
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
