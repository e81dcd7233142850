package exception

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Group is exceptions of one code, team and system or site, which one cause may well have made.
type Group struct {
	Key      string
	Code     string
	Class    docklinev1.FaultClass
	Severity docklinev1.Severity
	Team     string
	Target   string
	Site     string
	// N are unresolved, Orders and Customers what they name.
	N, Orders, Customers int64
	// First is the lowest of their numbers, Title its title.
	First uint64
	Title string
	// OpenedAt is when the oldest was opened, DueAt when the first of them is due, Level the highest that one has reached.
	OpenedAt time.Time
	DueAt    time.Time
	Level    int
}

// Groups returns the groups of the unresolved exceptions that f allows, the largest first. Its After is not looked at.
func Groups(ctx context.Context, tx *db.Tx, tenant string, f Filter) ([]Group, error) {
	f.After, f.Unresolved = nil, f.State == ""
	where, args := f.where(tenant)
	rows, err := tx.Query(ctx, `SELECT group_key, MIN(code), MIN(class), MAX(CASE WHEN raised > severity THEN raised ELSE severity END), MIN(team), MIN(target), MIN(site), COUNT(*),
		COUNT(DISTINCT NULLIF(order_number, '')), COUNT(DISTINCT NULLIF(customer, '')), MIN(number), MIN(opened_at), MIN(due_at), MAX(level)
		FROM exception WHERE `+where+` GROUP BY group_key ORDER BY 8 DESC, 11 LIMIT ?`, append(args, cmp.Or(f.Limit, defaultLimit))...)
	if err != nil {
		return nil, fmt.Errorf("groups of exceptions: %w", err)
	}
	defer rows.Close()
	var found []Group
	var firsts [][]any
	for rows.Next() {
		var g Group
		var opened, due int64
		if err := rows.Scan(&g.Key, &g.Code, &g.Class, &g.Severity, &g.Team, &g.Target, &g.Site, &g.N, &g.Orders, &g.Customers, &g.First, &opened, &due, &g.Level); err != nil {
			return nil, err
		}
		g.OpenedAt, g.DueAt = fromMicros(opened), fromMicros(due)
		found, firsts = append(found, g), append(firsts, []any{tenant, g.First})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	titles, err := tx.Lookup(ctx, db.Lookup{Table: "exception", Columns: []string{"number", "title"}, Key: numbered, Rows: firsts})
	if err != nil {
		return nil, fmt.Errorf("groups of exceptions: %w", err)
	}
	byNumber := make(map[uint64]string, len(titles))
	for _, v := range titles {
		byNumber[uint64(v[0].(int64))] = v[1].(string)
	}
	for i := range found {
		found[i].Title = byNumber[found[i].First]
	}
	return found, nil
}
