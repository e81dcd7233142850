package milestone

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Filter limits a list; an empty field is no limit.
type Filter struct {
	Key, Object, Name, Site, Region, Customer, Order string
	// Breached lists those that ran past their due and are not reached, DueBefore those that are due by then and are not. All lists those that have
	// ended too.
	Breached  bool
	DueBefore time.Time
	All       bool
	// Limit is 1,000 where it is 0.
	Limit int
}

const defaultLimit = 1000

// List returns clocks of a tenant: the open ones by when they are due, all of them by key and name.
func List(ctx context.Context, tx *db.Tx, tenant string, f Filter) ([]Entry, error) {
	where, args := []string{"tenant = ?"}, []any{tenant}
	limit := func(condition string, value any) { where, args = append(where, condition), append(args, value) }
	for _, c := range []struct{ column, value string }{{"fold_key", f.Key}, {"object", f.Object}, {"name", f.Name}, {"site", f.Site}, {"region", f.Region}, {"customer", f.Customer}, {"order_number", f.Order}} {
		if c.value != "" {
			limit(c.column+" = ?", c.value)
		}
	}
	order := "due_at, fold_key, name"
	if f.All {
		order = "fold_key, name"
	} else {
		where = append(where, "standing IN ('running', 'paused')")
	}
	if f.Breached {
		where = append(where, "breached = 1")
	}
	if !f.DueBefore.IsZero() {
		limit("due_at > 0 AND due_at <= ?", f.DueBefore.UnixMicro())
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	rows, err := tx.Query(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM milestone WHERE `+strings.Join(where, " AND ")+` ORDER BY `+order+` LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list milestones: %w", err)
	}
	defer rows.Close()
	var list []Entry
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// scan reads a row in the order of columns.
func scan(rows *sql.Rows) (Entry, error) {
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range columns {
		if numeric[columns[i]] {
			dest[i] = new(int64)
		} else {
			dest[i] = new(string)
		}
	}
	if err := rows.Scan(dest...); err != nil {
		return Entry{}, err
	}
	for i, d := range dest {
		switch v := d.(type) {
		case *int64:
			values[i] = *v
		case *string:
			values[i] = *v
		}
	}
	return fromRow(values), nil
}

var numeric = map[string]bool{"breached": true, "started_at": true, "due_at": true, "warn_at": true, "reached_at": true, "paused_at": true, "expected_at": true, "waited": true,
	"remains": true, "target": true}

// Groupings are what a report can be divided by.
var Groupings = []string{"region", "site", "customer", "milestone", "object", "level", "day"}

// groupColumns are the columns behind them. A clock belongs to the day on which it was due; one that waits has no due, and belongs to that on
// which it began.
var groupColumns = map[string]string{"region": "region", "site": "site", "customer": "customer", "milestone": "name", "object": "object", "level": "level", "day": belongs + " / 86400000000"}

const belongs = "(CASE WHEN due_at > 0 THEN due_at ELSE started_at END)"

// ReportFilter is what a report is about.
type ReportFilter struct {
	// By are some of Groupings.
	By []string
	// From and To bound the time at which clocks were due; zero is no bound.
	From, To time.Time
	Filter
}

// Level is one line of a report: how often milestones were met.
type Level struct {
	// Group are the values of what the report is divided by, in that order; "" is none.
	Group []string
	// Met were reached in time; Missed were not, or are overdue now, which Overdue counts; Running are not due yet, or wait, which Paused counts.
	// Dropped ended otherwise, or were stopped by a person, and do not count.
	Met, Missed, Overdue, Running, Paused, Dropped int64
	// Target is how many percent are to be met, the highest of the group, 0 for none.
	Target float64
}

// Percent is how many of those that came to their end, or to their due, were met; ok is false where there is none.
func (l *Level) Percent() (percent float64, ok bool) {
	if l.Met+l.Missed == 0 {
		return 0, false
	}
	return 100 * float64(l.Met) / float64(l.Met+l.Missed), true
}

// Report says how often milestones were met, line by line in the order of their groups.
func Report(ctx context.Context, tx *db.Tx, tenant string, f ReportFilter) ([]Level, error) {
	var names []string
	for _, by := range f.By {
		column, ok := groupColumns[by]
		if !ok {
			return nil, fmt.Errorf("by %q: one of %s", by, strings.Join(Groupings, ", "))
		}
		names = append(names, column)
	}
	where, args := []string{"tenant = ?"}, []any{tenant}
	for _, c := range []struct{ column, value string }{{"object", f.Object}, {"name", f.Name}, {"site", f.Site}, {"region", f.Region}, {"customer", f.Customer}} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	if !f.From.IsZero() {
		where, args = append(where, belongs+" >= ?"), append(args, f.From.UnixMicro())
	}
	if !f.To.IsZero() {
		where, args = append(where, belongs+" < ?"), append(args, f.To.UnixMicro())
	}
	count := func(condition string) string { return "SUM(CASE WHEN " + condition + " THEN 1 ELSE 0 END)" }
	const open = "standing IN ('running', 'paused')"
	sums := []string{count("standing = 'met'"), count("standing = 'late' OR " + open + " AND breached = 1"), count(open + " AND breached = 1"), count(open + " AND breached = 0"),
		count("standing = 'paused'"), count("standing IN ('dropped', 'stopped')"), "MAX(target)"}
	query := `SELECT ` + strings.Join(append(slices.Clone(names), sums...), ", ") + ` FROM milestone WHERE ` + strings.Join(where, " AND ")
	if len(names) > 0 {
		query += ` GROUP BY ` + strings.Join(names, ", ") + ` ORDER BY ` + strings.Join(names, ", ")
	} else {
		query += ` HAVING COUNT(*) > 0`
	}
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("report of milestones: %w", err)
	}
	defer rows.Close()
	var list []Level
	for rows.Next() {
		l, err := scanLevel(rows, f.By)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

func scanLevel(rows *sql.Rows, by []string) (Level, error) {
	l := Level{Group: make([]string, len(by))}
	days := make(map[int]*int64)
	var dest []any
	for i, name := range by {
		if name == "day" {
			days[i] = new(int64)
			dest = append(dest, days[i])
		} else {
			dest = append(dest, &l.Group[i])
		}
	}
	var target int64
	err := rows.Scan(append(dest, &l.Met, &l.Missed, &l.Overdue, &l.Running, &l.Paused, &l.Dropped, &target)...)
	for i, day := range days {
		l.Group[i] = time.Unix(*day*86400, 0).UTC().Format(time.DateOnly)
	}
	l.Target = float64(target) / targetScale
	return l, err
}

// OverdueCount is how many clocks of a milestone are overdue at a site.
type OverdueCount struct {
	Tenant, Region, Site, Name string
	Count                      int64
}

// Overdue counts the clocks of all tenants that ran past their due and are not reached, for metrics.
func Overdue(ctx context.Context, tx *db.Tx) ([]OverdueCount, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, region, site, name, COUNT(*) FROM milestone WHERE standing IN ('running', 'paused') AND breached = 1
		GROUP BY tenant, region, site, name ORDER BY tenant, region, site, name`)
	if err != nil {
		return nil, fmt.Errorf("overdue milestones: %w", err)
	}
	defer rows.Close()
	var found []OverdueCount
	for rows.Next() {
		var l OverdueCount
		if err := rows.Scan(&l.Tenant, &l.Region, &l.Site, &l.Name, &l.Count); err != nil {
			return nil, err
		}
		found = append(found, l)
	}
	return found, rows.Err()
}
