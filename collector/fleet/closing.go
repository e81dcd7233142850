package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Exception is a case for a person that the fleet opens; whose it is the policy says.
type Exception struct {
	Code, Subject, Site, Title, Text string
	Severity                         docklinev1.Severity
}

// Closer makes the daily close: it compares what sites say that they captured with what the log has, day by day.
type Closer struct {
	DB *db.DB
	// Settled says of each place in a site's journal whether nothing up to it is still to come.
	Settled func(ctx context.Context, tx *db.Tx, places []Place) ([]bool, error)
	// Report makes the open exceptions of one origin be exactly found. May be nil.
	Report func(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error
	// Now is the clock of the centre; nil is time.Now.
	Now func() time.Time
}

// Close compares every day that is not closed, or has moved since, and returns how many it looked at.
func (c *Closer) Close(ctx context.Context) (int, error) {
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	var days []*Day
	err := c.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if days, err = readDays(ctx, tx, "", "", "", true); err != nil {
			return err
		}
		days = slices.DeleteFunc(days, func(d *Day) bool { return !d.over && d.wasState == "" || d.end.Before(now.AddDate(0, 0, -closeDays)) })
		if len(days) == 0 {
			return nil
		}
		return c.compare(ctx, tx, days, now)
	})
	if err != nil {
		return 0, fmt.Errorf("daily close: %w", err)
	}
	for part := range slices.Chunk(days, 200) {
		if err := c.save(ctx, part, now); err != nil {
			return 0, fmt.Errorf("daily close: %w", err)
		}
	}
	return len(days), nil
}

// Preview compares days as they are now, without writing anything: of one site, or all of a tenant, of one date or all, the newest first.
func (c *Closer) Preview(ctx context.Context, tenant, site, date string) ([]*Day, error) {
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	var days []*Day
	err := c.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if days, err = readDays(ctx, tx, tenant, site, "", false); err != nil { // a declared loss may be of another day
			return err
		}
		return c.compare(ctx, tx, days, now)
	})
	if err != nil {
		return nil, fmt.Errorf("daily close: %w", err)
	}
	days = slices.DeleteFunc(days, func(d *Day) bool { return date != "" && d.Date != date })
	slices.SortStableFunc(days, func(a, b *Day) int { return strings.Compare(b.Date, a.Date) })
	return days, nil
}

// compare works out the state of each day.
func (c *Closer) compare(ctx context.Context, tx *db.Tx, days []*Day, now time.Time) error {
	places := make([]Place, len(days))
	for i, d := range days {
		places[i] = d.place
	}
	settled, err := c.Settled(ctx, tx, places)
	if err != nil {
		return err
	}
	byDay := make(map[dayKey]*Day, len(days))
	for _, d := range days {
		d.Lost, d.Unfolded, d.Pending, d.Parked = 0, 0, 0, 0
		byDay[dayKey{siteKey{d.Tenant, d.Site}, d.Date}] = d
	}
	if err := readOpen(ctx, tx, byDay); err != nil {
		return err
	}
	if err := readLost(ctx, tx, days); err != nil {
		return err
	}
	if err := readPutBack(ctx, tx, days); err != nil {
		return err
	}
	for i, d := range days {
		d.judge(now, settled[i])
	}
	return nil
}

type dayKey struct {
	siteKey
	date string
}

// ofDay is the day of event_identity's captured_at, since 1970.
const ofDay = `i.captured_at / 86400000000`

// openQueries count events by site and day that have not come to their end. Each begins with what is open, which is little, and not with
// the log.
var openQueries = []struct {
	query string
	to    func(*Day) *int64
}{
	{`SELECT e.tenant, e.site, ` + ofDay + `, count(DISTINCT i.id) FROM (SELECT tenant, fold_key FROM dirty WHERE due_at <= 1 UNION SELECT tenant, fold_key FROM large_key WHERE since > 0) d
		JOIN fact f ON f.tenant = d.tenant AND f.fold_key = d.fold_key
		JOIN event_identity i ON i.tenant = f.tenant AND i.id = f.event_id JOIN event e ON e.log_id = i.log_id GROUP BY 1, 2, 3`,
		func(d *Day) *int64 { return &d.Unfolded }},
	{postingQuery(`'planned', 'ready', 'sending', 'unknown', 'correcting'`), func(d *Day) *int64 { return &d.Pending }},
	{`SELECT tenant, site, day, count(DISTINCT id) FROM (` + postingRows(`'rejected', 'blocked', 'diverged'`) + `
		UNION SELECT e.tenant, e.site, ` + ofDay + ` AS day, i.id FROM exception x JOIN exception_event n ON n.tenant = x.tenant AND n.number = x.number
		JOIN event_identity i ON i.tenant = n.tenant AND i.id = n.event_id JOIN event e ON e.log_id = i.log_id WHERE x.state <> 'resolved') AS parked GROUP BY 1, 2, 3`,
		func(d *Day) *int64 { return &d.Parked }},
}

func postingRows(states string) string {
	return `SELECT e.tenant, e.site, ` + ofDay + ` AS day, i.id FROM posting p JOIN posting_event pe ON pe.tenant = p.tenant AND pe.target = p.target AND pe.kind = p.kind AND pe.natural_key = p.natural_key
		JOIN event_identity i ON i.tenant = pe.tenant AND i.id = pe.event_id JOIN event e ON e.log_id = i.log_id
		WHERE p.target IN (SELECT target FROM posting GROUP BY target) AND p.state IN (` + states + `)`
}

func postingQuery(states string) string {
	return `SELECT tenant, site, day, count(DISTINCT id) FROM (` + postingRows(states) + `) AS pending GROUP BY 1, 2, 3`
}

func readOpen(ctx context.Context, tx *db.Tx, byDay map[dayKey]*Day) error {
	for _, q := range openQueries {
		rows, err := tx.Query(ctx, q.query)
		if err != nil {
			return err
		}
		for rows.Next() {
			var key dayKey
			var day, n int64
			if err := rows.Scan(&key.tenant, &key.id, &day, &n); err != nil {
				return errors.Join(err, rows.Close())
			}
			key.date = time.Unix(day*24*3600, 0).UTC().Format(time.DateOnly)
			if d := byDay[key]; d != nil {
				*q.to(d) = n
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

// readLost gives each day what of the site's declared losses may explain it: a loss is of the days before it was seen, the latest first, and
// explains no more than it is large. What was declared and arrived after all explains nothing.
func readLost(ctx context.Context, tx *db.Tx, days []*Day) error {
	bySite := make(map[siteKey][]*Day)
	for _, d := range days {
		bySite[siteKey{d.Tenant, d.Site}] = append(bySite[siteKey{d.Tenant, d.Site}], d)
	}
	rows, err := tx.Query(ctx, `SELECT g.tenant, g.site, g.hi - g.lo + 1 - `+db.ArrivedOfGap+`, g.opened_at FROM gap g
		WHERE NOT EXISTS (SELECT 1 FROM received r WHERE r.tenant = g.tenant AND r.site = g.site AND r.epoch = g.epoch AND r.lo <= g.lo AND r.hi >= g.hi AND g.cause = 'lost')
		AND NOT (g.cause = 'unreadable' AND g.closed_at <> 0)
		AND NOT EXISTS (SELECT 1 FROM epoch_moved m WHERE m.tenant = g.tenant AND m.site = g.site AND m.epoch = g.epoch AND m.lo <= g.lo AND m.hi >= g.hi)
		ORDER BY g.opened_at`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key siteKey
		var n, opened int64
		if err := rows.Scan(&key.tenant, &key.id, &n, &opened); err != nil {
			return err
		}
		seen := fromMicros(opened).Format(time.DateOnly)
		for _, d := range slices.Backward(bySite[key]) { // by date
			open := d.Captured - d.Logged - min(max(d.Captured-d.Logged, 0), d.Again) - d.Lost
			if take := min(n, open); d.Date <= seen && take > 0 {
				d.Lost += take
				n -= take
			}
		}
	}
	return rows.Err()
}

// readPutBack finds the sites whose journal was put back, damaged or copied: it may then count less than it has sent.
func readPutBack(ctx context.Context, tx *db.Tx, days []*Day) error {
	rows, err := tx.Query(ctx, `SELECT tenant, site FROM epoch WHERE moved_to <> '' UNION SELECT tenant, site FROM site_fork`)
	if err != nil {
		return err
	}
	defer rows.Close()
	put := make(map[siteKey]bool)
	for rows.Next() {
		var key siteKey
		if err := rows.Scan(&key.tenant, &key.id); err != nil {
			return err
		}
		put[key] = true
	}
	for _, d := range days {
		d.putBack = d.putBack || put[siteKey{d.Tenant, d.Site}]
	}
	return rows.Err()
}

// save writes the days whose account has changed and opens and closes their cases.
func (c *Closer) save(ctx context.Context, days []*Day, now time.Time) error {
	columns := strings.Fields("tenant site day state captured logged again refused lost unfolded pending parked reason remedy checked_at closed_at")
	return c.DB.Write(ctx, func(tx *db.Tx) error {
		ins := db.Insert{Table: "site_day_close", Columns: columns, Conflict: columns[:3], Update: columns[3:]}
		for _, d := range days {
			d.ClosedAt = time.Time{}
			if d.State == DayClosed {
				if d.ClosedAt = d.closedOnce; d.ClosedAt.IsZero() {
					d.ClosedAt = now
				}
			}
			if d.State == d.wasState && d.counts() == d.wasCounts && d.Reason == d.wasReason {
				continue
			}
			ins.Rows = append(ins.Rows, []any{d.Tenant, d.Site, d.Date, string(d.State), d.Captured, d.Logged, d.Again, d.Refused, d.Lost, d.Unfolded, d.Pending, d.Parked,
				d.Reason, d.Remedy, now.UnixMicro(), micros(d.ClosedAt)})
			var found []Exception
			if d.State == DayDifference {
				found = append(found, d.exception())
			}
			if c.Report == nil || len(found) == 0 && d.wasState != DayDifference {
				continue
			}
			if err := tx.Lock(ctx, "exception/"+d.Tenant+"/"+d.origin()); err != nil {
				return err
			}
			if err := c.Report(ctx, tx, d.Tenant, d.origin(), found); err != nil {
				return err
			}
		}
		return tx.Upsert(ctx, ins)
	})
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
