package exception

import (
	"bytes"
	"cmp"
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
			s.keep(e, d)
			continue
		}
		if fresh[c] {
			return fmt.Errorf("exception %s of %s: subject %q is desired twice", d.Code, o.Name, d.Subject)
		}
		fresh[c] = true
		s.insert(d, i)
	}
	for _, e := range b.have[o] {
		if !kept[e.Number] {
			s.release(e)
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
	changed, reopened [][]any
	released          [][]any
	oldEvents, events [][]any
}

const (
	// DefaultDue is how long there is where nobody says.
	DefaultDue = 4 * time.Hour
	// DefaultTeam has what nobody is named for.
	DefaultTeam = "operations"
)

// settle brings a desired exception into the form in which it is kept. Whatever its finder leaves out, it has a class, a team and a due time.
func (d *Desired) settle() {
	if d.Severity == docklinev1.Severity_SEVERITY_UNSPECIFIED {
		d.Severity = docklinev1.Severity_SEVERITY_WARNING
	}
	if d.Class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		d.Class = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL
	}
	d.Team, d.Due = cmp.Or(d.Team, DefaultTeam), cmp.Or(d.Due, DefaultDue)
	d.Title, d.Text = storable(d.Title), storable(d.Text)
	d.EventIDs = slices.Compact(slices.Sorted(slices.Values(d.EventIDs)))
}

// group is the same for what one cause may well have made.
func (d *Desired) group() string { return d.Code + "/" + d.Team + "/" + cmp.Or(d.Target, d.Site) }

// storable takes out what no database keeps: a text may quote the answer of a foreign system, in whatever encoding, cut anywhere.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\ufffd")
}

// content are the columns that the finder of an exception decides, life those that begin anew each time that it is opened.
var (
	content = []string{"class", "severity", "title", "text", "team", "site", "order_number", "customer", "value", "detail", "target", "group_key", "changed_at"}
	life    = []string{"state", "due_at", "look_at", "opened_at", "resolved_at", "hand_team", "raised", "level", "acknowledged_at", "snoozed_until", "caused", "closed",
		"closed_by", "untold"}
	columns = slices.Concat([]string{"tenant", "origin", "code", "subject"}, content, life)
)

func (s *syncing) content(d Desired) []any {
	return []any{d.Class, d.Severity, d.Title, d.Text, d.Team, d.Site, d.Order, d.Customer, d.Value, d.Detail, d.Target, d.group(), s.now}
}

func (s *syncing) life(d Desired, state State) []any {
	due := d.Calendar.Add(time.UnixMicro(s.now), d.Due).UnixMicro()
	return []any{state, due, due, s.now, 0, "", 0, 0, 0, 0, true, "", "", true}
}

func (s *syncing) insert(d Desired, at int) {
	s.opened = append(s.opened, slices.Concat([]any{s.Tenant, s.Name, d.Code, d.Subject}, s.content(d), s.life(d, Open)))
	s.openedFor, s.openedEvents = append(s.openedFor, at), append(s.openedEvents, d.EventIDs)
	s.out.Events = append(s.out.Events, d.EventIDs...)
}

// keep brings an exception whose cause exists in line with what is said of it. What people said stays, except that what a person has closed
// is opened again when it has become another one; while it is the same, his word holds for Grace, and a waiver for good.
func (s *syncing) keep(e *Exception, d Desired) {
	sameEvents := slices.Equal(e.EventIDs, d.EventIDs)
	changed := !sameEvents || !same(e, d)
	switch {
	case e.Unresolved() && changed:
		s.changed = append(s.changed, slices.Concat([]any{s.Tenant, e.Number}, s.content(d)))
	case !e.Unresolved() && e.Caused && changed:
		s.reopen(e, d, Reopened)
	case !e.Unresolved() && !e.Caused:
		s.reopen(e, d, Open)
	default:
		return
	}
	s.out.Events = append(append(s.out.Events, e.EventIDs...), d.EventIDs...)
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

// Stands says whether a person has closed it and what is desired leaves it closed, since it is the same.
func (e *Exception) Stands(d Desired) bool {
	d.settle()
	return !e.Unresolved() && e.Caused && slices.Equal(e.EventIDs, d.EventIDs) && same(e, d)
}

func (s *syncing) reopen(e *Exception, d Desired, state State) {
	s.reopened = append(s.reopened, slices.Concat([]any{s.Tenant, e.Number}, s.content(d), s.life(d, state), []any{e.Times + 1}))
}

func same(e *Exception, d Desired) bool {
	return e.Class == d.Class && e.RuleSeverity == d.Severity && e.Title == d.Title && e.Text == d.Text && e.RuleTeam == d.Team && e.Site == d.Site && e.Target == d.Target &&
		e.Order == d.Order && e.Customer == d.Customer && e.Value == d.Value && bytes.Equal(e.Detail, d.Detail)
}

// release notes that the cause is gone: what is open closes by itself, what a person has closed is settled.
func (s *syncing) release(e *Exception) {
	if !e.Caused {
		return
	}
	closed, by, at := e.Closed, e.ClosedBy, e.ResolvedAt.UnixMicro()
	if e.Unresolved() {
		closed, by, at = Automatic, "", s.now
		s.out.Events = append(s.out.Events, e.EventIDs...)
	}
	s.released = append(s.released, []any{s.Tenant, e.Number, Resolved, s.now, at, false, closed, by, 0, 0, false})
}

// Write writes what differs, and returns what each origin came to.
func (b *Batch) Write(ctx context.Context, tx *db.Tx) (map[Origin]Synced, error) {
	var changed, reopened, released, oldEvents, events [][]any
	for _, s := range b.order {
		changed, reopened, released = append(changed, s.changed...), append(reopened, s.reopened...), append(released, s.released...)
		oldEvents, events = append(oldEvents, s.oldEvents...), append(events, s.events...)
	}
	opened, err := b.open(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, u := range []db.Update{
		{Set: content, Rows: changed},
		{Set: slices.Concat(content, life, []string{"times"}), Rows: reopened},
		{Set: []string{"state", "changed_at", "resolved_at", "caused", "closed", "closed_by", "look_at", "snoozed_until", "untold"}, Rows: released},
	} {
		u.Table, u.Key = "exception", numbered
		if _, err := tx.UpdateAll(ctx, u); err != nil {
			return nil, err
		}
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
