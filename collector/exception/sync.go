package exception

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

	"github.com/dockline/dockline/collector/db"
)

// Sync makes the exceptions of one origin be exactly those desired: new ones are opened, resolved ones that came back are opened
// again under their number, and those no longer desired are resolved. Where nothing has changed nothing is written. Calls for
// one origin must not run side by side.
func Sync(ctx context.Context, tx *db.Tx, tenant, origin string, desired []Desired, now time.Time) (Synced, error) {
	s := syncing{tx: tx, tenant: tenant, origin: origin, now: now.UnixMicro()}
	have, err := list(ctx, tx, `WHERE tenant = ? AND origin = ?`, tenant, origin)
	if err != nil {
		return Synced{}, fmt.Errorf("exceptions of %s: %w", origin, err)
	}
	kept := make(map[uint64]bool)
	for _, d := range desired {
		number, err := s.keep(ctx, have, d)
		if err != nil {
			return Synced{}, fmt.Errorf("exception %s of %s: %w", d.Code, origin, err)
		}
		kept[number] = true
		s.out.Numbers = append(s.out.Numbers, number)
	}
	for i := range have {
		if have[i].open() && !kept[have[i].Number] {
			if err := s.resolve(ctx, &have[i]); err != nil {
				return Synced{}, fmt.Errorf("resolve exception %d: %w", have[i].Number, err)
			}
		}
	}
	slices.Sort(s.out.Events)
	s.out.Events = slices.Compact(s.out.Events)
	return s.out, nil
}

// syncing is one call of Sync.
type syncing struct {
	tx     *db.Tx
	tenant string
	origin string
	now    int64
	out    Synced
}

func (s *syncing) keep(ctx context.Context, have []Exception, d Desired) (uint64, error) {
	if d.Severity == docklinev1.Severity_SEVERITY_UNSPECIFIED {
		d.Severity = docklinev1.Severity_SEVERITY_WARNING
	}
	d.Title, d.Text = storable(d.Title), storable(d.Text)
	d.EventIDs = slices.Compact(slices.Sorted(slices.Values(d.EventIDs)))
	for i := range have {
		if have[i].Code == d.Code && have[i].Subject == d.Subject {
			return have[i].Number, s.update(ctx, &have[i], d)
		}
	}
	return s.insert(ctx, d)
}

// storable takes out what no database keeps: a text may quote the answer of a foreign system, in whatever encoding, cut anywhere.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\ufffd")
}

var columns = []string{"tenant", "origin", "code", "subject", "class", "severity", "state", "title", "text", "team", "site",
	"order_number", "customer", "value", "detail", "due_at", "opened_at", "changed_at"}

func (s *syncing) insert(ctx context.Context, d Desired) (uint64, error) {
	row := []any{s.tenant, s.origin, d.Code, d.Subject, d.Class, d.Severity, Open, d.Title, d.Text, d.Team, d.Site,
		d.Order, d.Customer, d.Value, d.Detail, s.due(d), s.now, s.now}
	rows, err := s.tx.InsertAbsent(ctx, db.Insert{Table: "exception", Columns: columns, Rows: [][]any{row},
		Conflict: []string{"tenant", "origin", "code", "subject"}, Returning: []string{"number"}})
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("subject %q is desired twice", d.Subject)
	}
	number := uint64(rows[0][0].(int64))
	s.out.Events = append(s.out.Events, d.EventIDs...)
	return number, s.addEvents(ctx, number, d.EventIDs)
}

func (s *syncing) due(d Desired) int64 {
	if d.Due == 0 {
		return 0
	}
	return s.now + d.Due.Microseconds()
}

func (s *syncing) update(ctx context.Context, e *Exception, d Desired) error {
	sameEvents := slices.Equal(e.EventIDs, d.EventIDs)
	if e.open() && sameEvents && same(e, d) {
		return nil
	}
	due, opened := e.DueAt.UnixMicro(), e.OpenedAt.UnixMicro()
	if e.DueAt.IsZero() {
		due = 0
	}
	if !e.open() {
		due, opened = s.due(d), s.now
	}
	_, err := s.tx.Exec(ctx, `UPDATE exception SET class = ?, severity = ?, state = ?, title = ?, text = ?, team = ?, site = ?,
		order_number = ?, customer = ?, value = ?, detail = ?, due_at = ?, opened_at = ?, changed_at = ?, resolved_at = 0
		WHERE tenant = ? AND number = ?`,
		d.Class, d.Severity, Open, d.Title, d.Text, d.Team, d.Site,
		d.Order, d.Customer, d.Value, d.Detail, due, opened, s.now, s.tenant, e.Number)
	if err != nil {
		return err
	}
	s.out.Events = append(append(s.out.Events, e.EventIDs...), d.EventIDs...)
	if sameEvents {
		return nil
	}
	if _, err := s.tx.Exec(ctx, `DELETE FROM exception_event WHERE tenant = ? AND number = ?`, s.tenant, e.Number); err != nil {
		return err
	}
	return s.addEvents(ctx, e.Number, d.EventIDs)
}

func same(e *Exception, d Desired) bool {
	return e.Class == d.Class && e.Severity == d.Severity && e.Title == d.Title && e.Text == d.Text && e.Team == d.Team && e.Site == d.Site &&
		e.Order == d.Order && e.Customer == d.Customer && e.Value == d.Value && bytes.Equal(e.Detail, d.Detail)
}

func (s *syncing) resolve(ctx context.Context, e *Exception) error {
	_, err := s.tx.Exec(ctx, `UPDATE exception SET state = ?, changed_at = ?, resolved_at = ? WHERE tenant = ? AND number = ?`,
		Resolved, s.now, s.now, s.tenant, e.Number)
	s.out.Events = append(s.out.Events, e.EventIDs...)
	return err
}

func (s *syncing) addEvents(ctx context.Context, number uint64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{s.tenant, number, id}
	}
	_, err := s.tx.InsertAbsent(ctx, db.Insert{Table: "exception_event", Columns: []string{"tenant", "number", "event_id"}, Rows: rows,
		Conflict: []string{"tenant", "number", "event_id"}})
	return err
}
