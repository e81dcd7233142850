package milestone

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Entry is a clock as it is kept.
type Entry struct {
	Clock
	Tenant, Key string
	// Breached: it ran past its due, and whoever would have told that it was reached by then has told everything up to then, or was waited for
	// long enough. Only of one that is open.
	Breached bool
	// Site, Region, Customer and Order are whom it concerns; "" where there is none, or are several.
	Site, Region, Customer, Order string
	// Policy is the version that it follows from.
	Policy string
}

// Stands is how it stands, for people: its standing, or "breached" where it ran past its due.
func (e *Entry) Stands() string {
	if e.Breached && e.Open() {
		return "breached"
	}
	return string(e.Standing)
}

// Key is a fold key of a tenant.
type Key struct {
	Tenant, Key string
}

var (
	byName  = []string{"tenant", "fold_key", "name"}
	columns = []string{"tenant", "fold_key", "name", "object", "standing", "breached", "started_at", "due_at", "warn_at", "reached_at", "paused_at", "expected_at",
		"waited", "remains", "site", "region", "customer", "order_number", "level", "target", "facts", "policy_version"}
)

// targetScale: a target is kept in hundredths of a percent.
const targetScale = 100

func (e *Entry) row() []any {
	return []any{e.Tenant, e.Key, e.Name, e.Of, string(e.Standing), flag(e.Breached), micros(e.StartedAt), micros(e.DueAt), micros(e.WarnAt), micros(e.ReachedAt), micros(e.PausedAt),
		micros(e.ExpectedAt), e.Waited.Microseconds(), e.Left.Microseconds(), e.Site, e.Region, e.Customer, e.Order, e.Level, int64(e.Target*targetScale + 0.5),
		strings.Join(e.EventIDs, " "), e.Policy}
}

func fromRow(v []any) Entry {
	text := func(i int) string { return v[i].(string) }
	number := func(i int) int64 { return v[i].(int64) }
	e := Entry{Tenant: text(0), Key: text(1), Breached: number(5) != 0, Site: text(14), Region: text(15), Customer: text(16), Order: text(17), Policy: text(21)}
	e.Name, e.Of, e.Standing, e.Level, e.Target = text(2), text(3), Standing(text(4)), text(18), float64(number(19))/targetScale
	e.StartedAt, e.DueAt, e.WarnAt, e.ReachedAt, e.PausedAt, e.ExpectedAt = moment(number(6)), moment(number(7)), moment(number(8)), moment(number(9)), moment(number(10)), moment(number(11))
	e.Waited, e.Left = time.Duration(number(12))*time.Microsecond, time.Duration(number(13))*time.Microsecond
	e.EventIDs = strings.Fields(text(20))
	return e
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Batch is the clocks of many keys, brought in line with a few statements for all of them.
type Batch struct {
	have     map[Key]map[string]Entry
	new, old [][]any
}

// Load reads the clocks of keys, of which no two may be equal.
func Load(ctx context.Context, tx *db.Tx, keys []Key) (*Batch, error) {
	rows := make([][]any, len(keys))
	for i, key := range keys {
		rows[i] = []any{key.Tenant, key.Key}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "milestone", Columns: columns, Key: byName[:2], Rows: rows})
	if err != nil {
		return nil, fmt.Errorf("milestones: %w", err)
	}
	b := &Batch{have: make(map[Key]map[string]Entry)}
	for _, row := range found {
		e := fromRow(row)
		key := Key{e.Tenant, e.Key}
		if b.have[key] == nil {
			b.have[key] = make(map[string]Entry)
		}
		b.have[key][e.Name] = e
	}
	return b, nil
}

// Of are the clocks of a key that was loaded, by name.
func (b *Batch) Of(key Key) []Entry {
	var list []Entry
	for _, e := range b.have[key] {
		list = append(list, e)
	}
	slices.SortFunc(list, func(x, y Entry) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// Put says what the clocks of a key are to be; Write makes them so.
func (b *Batch) Put(key Key, clocks []Entry) {
	wanted := make(map[string]bool)
	for i := range clocks {
		e := &clocks[i]
		wanted[e.Name] = true
		if had, ok := b.have[key][e.Name]; !ok || !slices.Equal(had.row(), e.row()) {
			b.new = append(b.new, e.row())
		}
	}
	for _, had := range b.Of(key) {
		if !wanted[had.Name] {
			b.old = append(b.old, []any{key.Tenant, key.Key, had.Name})
		}
	}
}

// Write writes what differs.
func (b *Batch) Write(ctx context.Context, tx *db.Tx) error {
	if err := tx.DeleteAll(ctx, "milestone", byName, b.old); err != nil {
		return err
	}
	return tx.Upsert(ctx, db.Insert{Table: "milestone", Columns: columns, Rows: b.new, Conflict: byName, Update: columns[3:]})
}

// Differences says how clocks differ from those that are kept of a key, but for what depends on the time of day.
func (b *Batch) Differences(key Key, clocks []Entry) (texts []string) {
	wanted := make(map[string]bool)
	for _, e := range clocks {
		wanted[e.Name] = true
		had, ok := b.have[key][e.Name]
		had.Breached = e.Breached
		switch {
		case !ok:
			texts = append(texts, fmt.Sprintf("the clock of milestone %s is not there", e.Name))
		case !slices.Equal(had.row(), e.row()):
			texts = append(texts, fmt.Sprintf("milestone %s is %s, due %s, should be %s, due %s", e.Name, had.Standing, stamp(had.DueAt), e.Standing, stamp(e.DueAt)))
		}
	}
	for _, had := range b.Of(key) {
		if !wanted[had.Name] {
			texts = append(texts, fmt.Sprintf("there is a clock of milestone %s, and no fact starts it", had.Name))
		}
	}
	return texts
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}
