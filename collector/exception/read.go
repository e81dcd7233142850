package exception

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrAbsent is returned where there is no exception of this number.
var ErrAbsent = errors.New("no such exception")

// Filter limits a list. An empty field is no limit.
type Filter struct {
	State State
	// Unresolved leaves out what is resolved.
	Unresolved bool
	Class      docklinev1.FaultClass
	// Least is the least severity.
	Least    docklinev1.Severity
	Site     string
	Order    string
	Customer string
	Target   string
	// Team is who has it now. Assignee is the person.
	Team     string
	Assignee string
	Code     string
	Group    string
	// Origin is what wants it: "fold/order/SO00017".
	Origin string
	// EventID is an event that cannot be settled because of the exception.
	EventID string
	// DueBefore, where it is not zero, leaves out what is due later.
	DueBefore time.Time
	// After, where it is not nil, lists by number, beginning behind this one.
	After *uint64
	// Limit is 100 where it is 0.
	Limit int
}

const defaultLimit = 100

// List returns exceptions of a tenant, the most recently changed first where After does not say otherwise.
func List(ctx context.Context, tx *db.Tx, tenant string, f Filter) ([]Exception, error) {
	where, args := f.where(tenant)
	order := "changed_at DESC, number DESC"
	if f.After != nil {
		where, args, order = where+" AND number > ?", append(args, *f.After), "number"
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	found, err := list(ctx, tx, "WHERE "+where+" ORDER BY "+order+" LIMIT ?", append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list exceptions: %w", err)
	}
	return found, nil
}

// Total is how many there are, whatever limit and After say.
func Total(ctx context.Context, tx *db.Tx, tenant string, f Filter) (n int64, err error) {
	where, args := f.where(tenant)
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM exception WHERE `+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("total of exceptions: %w", err)
	}
	return n, nil
}

// teamNow is the team that has an exception, as SQL.
const teamNow = "CASE hand_team WHEN '' THEN team ELSE hand_team END"

func (f Filter) where(tenant string) (string, []any) {
	where, args := []string{"tenant = ?"}, []any{tenant}
	limit := func(column string, value string) {
		if value != "" {
			where, args = append(where, column+" = ?"), append(args, value)
		}
	}
	limit("state", string(f.State))
	limit("site", f.Site)
	limit("order_number", f.Order)
	limit(teamNow, f.Team)
	limit("code", f.Code)
	limit("origin", f.Origin)
	limit("customer", f.Customer)
	limit("target", f.Target)
	limit("assignee", f.Assignee)
	limit("group_key", f.Group)
	if f.Unresolved {
		where = append(where, "state <> 'resolved'")
	}
	if f.Class != docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		where, args = append(where, "class = ?"), append(args, f.Class)
	}
	if f.Least != docklinev1.Severity_SEVERITY_UNSPECIFIED {
		where, args = append(where, "(severity >= ? OR raised >= ?)"), append(args, f.Least, f.Least)
	}
	if !f.DueBefore.IsZero() {
		where, args = append(where, "due_at < ?"), append(args, f.DueBefore.UnixMicro())
	}
	if f.EventID != "" {
		where = append(where, "number IN (SELECT number FROM exception_event WHERE tenant = ? AND event_id = ?)")
		args = append(args, tenant, f.EventID)
	}
	return strings.Join(where, " AND "), args
}

// Get returns the exception of this number, or ErrAbsent.
func Get(ctx context.Context, tx *db.Tx, tenant string, number uint64) (*Exception, error) {
	found, err := list(ctx, tx, `WHERE tenant = ? AND number = ?`, tenant, number)
	if err != nil {
		return nil, fmt.Errorf("exception %d: %w", number, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("exception %d: %w", number, ErrAbsent)
	}
	return &found[0], nil
}

// Count says how many exceptions of a tenant are open.
func Count(ctx context.Context, tx *db.Tx, tenant string) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM exception WHERE tenant = ? AND state <> ?`, tenant, Resolved).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count exceptions: %w", err)
	}
	return n, nil
}

// all are the columns of a whole exception, in the order in which fill takes them.
var all = []string{"number", "tenant", "origin", "code", "subject", "class", "severity", "state", "title", "text", "team", "site",
	"order_number", "customer", "value", "detail", "due_at", "opened_at", "changed_at", "resolved_at", "target", "group_key", "assignee", "hand_team",
	"raised", "level", "look_at", "acknowledged_at", "snoozed_until", "caused", "closed", "closed_by", "times"}

var columnList = strings.Join(all, ", ")

// fill takes the columns as Lookup gives them.
func (e *Exception) fill(v []any) {
	text := func(i int) string { return v[i].(string) }
	number := func(i int) int64 { return v[i].(int64) }
	at := func(i int) time.Time { return fromMicros(number(i)) }
	e.Number, e.Tenant, e.Origin, e.Code, e.Subject = uint64(number(0)), text(1), text(2), text(3), text(4)
	e.Class, e.RuleSeverity, e.State = docklinev1.FaultClass(number(5)), docklinev1.Severity(number(6)), State(text(7))
	e.Title, e.Text, e.RuleTeam, e.Site, e.Order, e.Customer, e.Value = text(8), text(9), text(10), text(11), text(12), text(13), text(14)
	e.Detail, _ = v[15].([]byte)
	e.DueAt, e.OpenedAt, e.ChangedAt, e.ResolvedAt = at(16), at(17), at(18), at(19)
	e.Target, e.Group, e.Assignee, e.handTeam = text(20), text(21), text(22), text(23)
	e.raised, e.Level, e.LookAt = docklinev1.Severity(number(24)), int(number(25)), at(26)
	e.AcknowledgedAt, e.SnoozedUntil, e.Caused = at(27), at(28), number(29) == 1
	e.Closed, e.ClosedBy, e.Times = Closed(text(30)), text(31), int(number(32))
	e.Severity, e.Team = max(e.RuleSeverity, e.raised), cmp.Or(e.handTeam, e.RuleTeam)
}

func list(ctx context.Context, tx *db.Tx, tail string, args ...any) ([]Exception, error) {
	rows, err := tx.Query(ctx, `SELECT `+columnList+` FROM exception `+tail, args...)
	if err != nil {
		return nil, err
	}
	found, err := scan(rows)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].EventIDs, err = eventsOf(ctx, tx, found[i].Tenant, found[i].Number); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func scan(rows *sql.Rows) ([]Exception, error) {
	defer rows.Close()
	var found []Exception
	values, into := make([]any, len(all)), make([]any, len(all))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var e Exception
		e.fill(values)
		found = append(found, e)
	}
	return found, rows.Err()
}

func eventsOf(ctx context.Context, tx *db.Tx, tenant string, number uint64) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT event_id FROM exception_event WHERE tenant = ? AND number = ? ORDER BY event_id`, tenant, number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Known are the values of a field that exceptions of a tenant have had, sorted: of "code", "team", "assignee", "group_key", "site", "target" or "customer".
func Known(ctx context.Context, tx *db.Tx, tenant, field string) ([]string, error) {
	if !slices.Contains([]string{"code", "team", "assignee", "group_key", "site", "target", "customer"}, field) {
		return nil, fmt.Errorf("exceptions have no field %q to look for", field)
	}
	return tx.Texts(ctx, `SELECT DISTINCT `+field+` FROM exception WHERE tenant = ? AND `+field+` <> '' ORDER BY 1`, tenant)
}
