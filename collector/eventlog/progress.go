package eventlog

import (
	"cmp"
	"context"
	"slices"

	"github.com/dockline/dockline/collector/db"
)

// siteProgress says how far a site's journal is there without a hole.
type siteProgress struct {
	// epochs are those that are not complete, oldest first. The first done of them have everything and a successor.
	epochs []epochProgress
	done   int
	// gaps: one of the epochs has an open gap.
	gaps bool
}

type epochProgress struct {
	name             string
	ordinal, lastSeq int64
	// through is the Seq up to which everything is there.
	through int64
	// open: there is a gap that nobody has accepted.
	open bool
	// movedTo is the newer epoch as part of which the site sends what it held of this one: it is there when that one is, through
	// movedThrough. withMoved is through when what has moved counts as there.
	movedTo                 string
	movedThrough, withMoved int64
}

// covers says whether everything before c is there. A cursor of an epoch that is not in the list is of a complete one.
func (p *siteProgress) covers(c cursorAt) bool {
	i := p.index(c.epoch)
	return i < 0 || i < p.done || i == p.done && c.seq <= p.epochs[i].through
}

func (p *siteProgress) index(epoch string) int {
	if p == nil {
		return -1
	}
	return slices.IndexFunc(p.epochs, func(e epochProgress) bool { return e.name == epoch })
}

// compare orders cursors by their place in the site's journal.
func (p *siteProgress) compare(a, b cursorAt) int {
	return cmp.Or(cmp.Compare(p.index(a.epoch), p.index(b.epoch)), cmp.Compare(a.ordinal, b.ordinal), cmp.Compare(a.seq, b.seq))
}

// epochKey names an epoch of a site.
type epochKey struct {
	SiteKey
	epoch string
}

// readProgress reads how far sites have come: in the log (filled), or only durable in the inbox. Epochs follow each other as the
// site last named them, and by their ordinals; one that a later Hello no longer names is older.
func readProgress(ctx context.Context, tx *db.Tx, sites []SiteKey, filled bool) (map[SiteKey]*siteProgress, error) {
	var args []any
	for _, s := range sites {
		args = append(args, s.Tenant, s.Site)
	}
	rows, err := tx.Query(ctx, `SELECT e.tenant, e.site, e.epoch, e.ordinal, e.last_seq, e.moved_to, e.moved_through,
		(SELECT min(i.first_seq) FROM inbox i WHERE i.tenant = e.tenant AND i.site = e.site AND i.epoch = e.epoch AND i.state = 0),
		(SELECT min(g.lo) FROM gap g WHERE g.tenant = e.tenant AND g.site = e.site AND g.epoch = e.epoch AND g.closed_at = 0)
		FROM epoch e WHERE e.complete = 0 AND (e.tenant, e.site) IN `+db.Tuples(len(sites), 2)+` ORDER BY e.seen_at, e.ordinal, e.epoch`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	progress := make(map[SiteKey]*siteProgress)
	limits := make(map[epochKey]int64)
	var keys [][]any
	for rows.Next() {
		var site SiteKey
		var e epochProgress
		var waiting, gap *int64
		if err := rows.Scan(&site.Tenant, &site.Site, &e.name, &e.ordinal, &e.lastSeq, &e.movedTo, &e.movedThrough, &waiting, &gap); err != nil {
			return nil, err
		}
		limit := int64(1)<<62 + 1
		if waiting != nil && filled {
			limit = min(limit, *waiting)
		}
		if gap != nil {
			limit, e.open = min(limit, *gap), true
		}
		limits[epochKey{site, e.name}] = limit - 1
		keys = append(keys, []any{site.Tenant, site.Site, e.name})
		if progress[site] == nil {
			progress[site] = &siteProgress{}
		}
		progress[site].gaps = progress[site].gaps || e.open
		progress[site].epochs = append(progress[site].epochs, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	ranges, err := readRanges(ctx, tx, keys, db.Lookup{Table: "received"}, db.Lookup{Table: "gap", Where: "closed_at <> 0 AND cause = '" + lost + "'"})
	if err != nil {
		return nil, err
	}
	moved, err := readRanges(ctx, tx, keys, db.Lookup{Table: "epoch_moved"})
	if err != nil {
		return nil, err
	}
	for site, p := range progress {
		for i := range p.epochs {
			e := &p.epochs[i]
			key := epochKey{site, e.name}
			e.through = min(fromOne(ranges[key]), limits[key])
			e.withMoved = min(fromOne(append(ranges[key], moved[key]...)), limits[key])
		}
		p.walk()
	}
	return progress, nil
}

// walk finds how many of the first epochs are done.
func (p *siteProgress) walk() {
	for p.done < len(p.epochs)-1 && p.isDone(p.epochs[p.done]) {
		p.done++
	}
}

func (p *siteProgress) isDone(e epochProgress) bool {
	if e.open {
		return false
	}
	if e.through >= e.lastSeq {
		return true
	}
	if e.movedTo == "" || e.withMoved < e.lastSeq {
		return false
	}
	to := p.index(e.movedTo) // one that is not in the list is complete
	return to < 0 || p.epochs[to].through >= e.movedThrough
}

type seqRange struct {
	lo, hi int64
}

// fromOne is the end of what the ranges cover without a hole from Seq 1 on.
func fromOne(ranges []seqRange) int64 {
	slices.SortFunc(ranges, func(a, b seqRange) int { return cmp.Compare(a.lo, b.lo) })
	end := int64(0)
	for _, r := range ranges {
		if r.lo > end+1 {
			break
		}
		end = max(end, r.hi)
	}
	return end
}

// readRanges reads ranges of epochs from tables that have them.
func readRanges(ctx context.Context, tx *db.Tx, keys [][]any, tables ...db.Lookup) (map[epochKey][]seqRange, error) {
	ranges := make(map[epochKey][]seqRange)
	for _, l := range tables {
		l.Columns, l.Key, l.Rows = []string{"tenant", "site", "epoch", "lo", "hi"}, []string{"tenant", "site", "epoch"}, keys
		rows, err := tx.Lookup(ctx, l)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			key := epochKey{SiteKey{row[0].(string), row[1].(string)}, row[2].(string)}
			ranges[key] = append(ranges[key], seqRange{row[3].(int64), row[4].(int64)})
		}
	}
	return ranges, nil
}
