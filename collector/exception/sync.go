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
	o := Origin{tenant, origin}
	b, err := Load(ctx, tx, []Origin{o}, now)
	if err != nil {
		return Synced{}, err
	}
	if err := b.Sync(o, desired); err != nil {
		return Synced{}, err
	}
	synced, err := b.Write(ctx, tx)
	return synced[o], err
}

// Origin is who says that exceptions exist.
type Origin struct {
	Tenant, Name string
}

// Batch is the exceptions of many origins, brought in line with a few statements for all of them.
type Batch struct {
	now    int64
	have   map[Origin][]*Exception
	synced map[Origin]*syncing
	order  []*syncing
}

// Load reads the exceptions of origins, of which no two may be equal.
func Load(ctx context.Context, tx *db.Tx, origins []Origin, now time.Time) (*Batch, error) {
	b := &Batch{now: now.UnixMicro(), have: make(map[Origin][]*Exception), synced: make(map[Origin]*syncing)}
	keys := make([][]any, len(origins))
	for i, o := range origins {
		keys[i] = []any{o.Tenant, o.Name}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "exception", Columns: all, Key: []string{"tenant", "origin"}, Rows: keys})
	if err != nil {
		return nil, fmt.Errorf("exceptions: %w", err)
	}
	type named struct {
		tenant string
		number int64
	}
	byNumber := make(map[named]*Exception, len(found))
	var numbers [][]any
	for _, v := range found {
		e := new(Exception)
		e.fill(v)
		b.have[Origin{e.Tenant, e.Origin}] = append(b.have[Origin{e.Tenant, e.Origin}], e)
		byNumber[named{e.Tenant, int64(e.Number)}] = e
		numbers = append(numbers, []any{e.Tenant, e.Number})
	}
	events, err := tx.Lookup(ctx, db.Lookup{Table: "exception_event", Columns: []string{"tenant", "number", "event_id"}, Key: []string{"tenant", "number"}, Rows: numbers})
	if err != nil {
		return nil, fmt.Errorf("events of exceptions: %w", err)
	}
	for _, v := range events {
		e := byNumber[named{v[0].(string), v[1].(int64)}]
		e.EventIDs = append(e.EventIDs, v[2].(string))
	}
	for _, e := range byNumber {
		slices.Sort(e.EventIDs)
	}
	return b, nil
}

// Of returns the exceptions of an origin that was loaded, resolved ones too, in no particular order.
func (b *Batch) Of(o Origin) []*Exception { return b.have[o] }

// Sync says what an origin's exceptions are to be; Write makes them so. It is called at most once for each origin that was loaded.
func (b *Batch) Sync(o Origin, desired []Desired) error {
	if len(desired) == 0 && len(b.have[o]) == 0 {
		return nil
	}
	s := &syncing{Origin: o, now: b.now, out: Synced{Numbers: make([]uint64, len(desired))}}
	type cause struct{ code, subject string }
	have, fresh := make(map[cause]*Exception, len(b.have[o])), make(map[cause]bool)
	for _, e := range b.have[o] {
		have[cause{e.Code, e.Subject}] = e
	}
	kept := make(map[uint64]bool)
	for i, d := range desired {
		d.settle()
		c := cause{d.Code, d.Subject}
		if e := have[c]; e != nil {
			kept[e.Number], s.out.Numbers[i] = true, e.Number
			s.update(e, d)
			continue
		}
		if fresh[c] {
			return fmt.Errorf("exception %s of %s: subject %q is desired twice", d.Code, o.Name, d.Subject)
		}
		fresh[c] = true
		s.insert(d, i)
	}
	for _, e := range b.have[o] {
		if e.open() && !kept[e.Number] {
			s.resolve(e)
		}
	}
	b.synced[o] = s
	b.order = append(b.order, s)
	return nil
}

// syncing is what is to be written for one origin.
type syncing struct {
	Origin
	now               int64
	out               Synced
	opened            [][]any
	openedFor         []int // places in the desired list
	openedEvents      [][]string
	changed, resolved [][]any
	oldEvents, events [][]any
}

// settle brings a desired exception into the form in which it is kept.
func (d *Desired) settle() {
	if d.Severity == docklinev1.Severity_SEVERITY_UNSPECIFIED {
		d.Severity = docklinev1.Severity_SEVERITY_WARNING
	}
	d.Title, d.Text = storable(d.Title), storable(d.Text)
	d.EventIDs = slices.Compact(slices.Sorted(slices.Values(d.EventIDs)))
}

// storable takes out what no database keeps: a text may quote the answer of a foreign system, in whatever encoding, cut anywhere.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\ufffd")
}

var columns = []string{"tenant", "origin", "code", "subject", "class", "severity", "state", "title", "text", "team", "site",
	"order_number", "customer", "value", "detail", "due_at", "opened_at", "changed_at"}

func (s *syncing) insert(d Desired, at int) {
	s.opened = append(s.opened, []any{s.Tenant, s.Name, d.Code, d.Subject, d.Class, d.Severity, Open, d.Title, d.Text, d.Team, d.Site,
		d.Order, d.Customer, d.Value, d.Detail, s.due(d), s.now, s.now})
	s.openedFor, s.openedEvents = append(s.openedFor, at), append(s.openedEvents, d.EventIDs)
	s.out.Events = append(s.out.Events, d.EventIDs...)
}

func (s *syncing) due(d Desired) int64 {
	if d.Due == 0 {
		return 0
	}
	return s.now + d.Due.Microseconds()
}

func (s *syncing) update(e *Exception, d Desired) {
	sameEvents := slices.Equal(e.EventIDs, d.EventIDs)
	if e.open() && sameEvents && same(e, d) {
		return
	}
	due, opened := e.DueAt.UnixMicro(), e.OpenedAt.UnixMicro()
	if e.DueAt.IsZero() {
		due = 0
	}
	if !e.open() {
		due, opened = s.due(d), s.now
	}
	s.changed = append(s.changed, []any{s.Tenant, e.Number, d.Class, d.Severity, Open, d.Title, d.Text, d.Team, d.Site,
		d.Order, d.Customer, d.Value, d.Detail, due, opened, s.now, 0})
	s.out.Events = append(append(s.out.Events, e.EventIDs...), d.EventIDs...)
	if sameEvents {
		return
	}
	for _, id := range e.EventIDs {
		if _, keep := slices.BinarySearch(d.EventIDs, id); !keep {
			s.oldEvents = append(s.oldEvents, []any{s.Tenant, e.Number, id})
		}
	}
	for _, id := range d.EventIDs {
		if _, kept := slices.BinarySearch(e.EventIDs, id); !kept {
			s.events = append(s.events, []any{s.Tenant, e.Number, id})
		}
	}
}

func same(e *Exception, d Desired) bool {
	return e.Class == d.Class && e.Severity == d.Severity && e.Title == d.Title && e.Text == d.Text && e.Team == d.Team && e.Site == d.Site &&
		e.Order == d.Order && e.Customer == d.Customer && e.Value == d.Value && bytes.Equal(e.Detail, d.Detail)
}

func (s *syncing) resolve(e *Exception) {
	s.resolved = append(s.resolved, []any{s.Tenant, e.Number, Resolved, s.now, s.now})
	s.out.Events = append(s.out.Events, e.EventIDs...)
}

// Write writes what differs, and returns what each origin came to.
func (b *Batch) Write(ctx context.Context, tx *db.Tx) (map[Origin]Synced, error) {
	var changed, resolved, oldEvents, events [][]any
	for _, s := range b.order {
		changed, resolved = append(changed, s.changed...), append(resolved, s.resolved...)
		oldEvents, events = append(oldEvents, s.oldEvents...), append(events, s.events...)
	}
	opened, err := b.open(ctx, tx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.UpdateAll(ctx, db.Update{Table: "exception", Key: numbered, Rows: changed, Set: []string{"class", "severity", "state", "title", "text", "team", "site",
		"order_number", "customer", "value", "detail", "due_at", "opened_at", "changed_at", "resolved_at"}}); err != nil {
		return nil, err
	}
	if _, err := tx.UpdateAll(ctx, db.Update{Table: "exception", Key: numbered, Rows: resolved, Set: []string{"state", "changed_at", "resolved_at"}}); err != nil {
		return nil, err
	}
	withEvent := append(slices.Clone(numbered), "event_id")
	if err := tx.DeleteAll(ctx, "exception_event", withEvent, oldEvents); err != nil {
		return nil, err
	}
	if _, err := tx.InsertAbsent(ctx, db.Insert{Table: "exception_event", Columns: withEvent, Conflict: withEvent, Rows: append(events, opened...)}); err != nil {
		return nil, err
	}
	out := make(map[Origin]Synced, len(b.order))
	for _, s := range b.order {
		slices.Sort(s.out.Events)
		s.out.Events = slices.Compact(s.out.Events)
		out[s.Origin] = s.out
	}
	return out, nil
}

var numbered = []string{"tenant", "number"}

// open inserts what is new, under numbers in the order in which it was desired, and returns the rows of its events.
func (b *Batch) open(ctx context.Context, tx *db.Tx) (events [][]any, err error) {
	ins := db.Insert{Table: "exception", Columns: append([]string{"number"}, columns...)}
	total := 0
	for _, s := range b.order {
		total += len(s.opened)
	}
	numbers, err := tx.NextIDs(ctx, "exception", "number", total)
	if err != nil {
		return nil, err
	}
	for _, s := range b.order {
		for i, row := range s.opened {
			number := numbers[len(ins.Rows)]
			ins.Rows = append(ins.Rows, append([]any{number}, row...))
			s.out.Numbers[s.openedFor[i]] = uint64(number)
			for _, id := range s.openedEvents[i] {
				events = append(events, []any{s.Tenant, number, id})
			}
		}
	}
	return events, tx.InsertAll(ctx, ins)
}
