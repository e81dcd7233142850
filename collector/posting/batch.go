package posting

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// FoldKey is a key whose fold wants postings.
type FoldKey struct {
	Tenant, Key string
}

// Batch is the postings of many folds, with their rows locked until the transaction ends: what every fold wants is brought in with a few
// statements for all of them.
type Batch struct {
	now int64
	// least is the lowest version that a statement may have. Where the database was put back to an older state, statements of the time that
	// it lost are at the targets, with versions that nothing here knows: those made since are newer by the time of that.
	least int64
	// rows are all that are loaded or new, folds those of each key as they were loaded, by id.
	rows  map[place]*row
	folds map[FoldKey][]*row
	// needs and events are as wanted now; what the tables hold of those that changed is kept beside.
	needs     map[place][]Ref
	events    map[place][]string
	oldNeeds  map[place][]Ref
	oldEvents map[place][]string
	wishes    []*put
	fresh     []*row
	atMost    int
	rest      *Rest
}

var columnNames = strings.Fields(strings.ReplaceAll(columns, ",", " "))

// Load reads the postings that the folds of these keys wanted before. No two keys may be equal.
func Load(ctx context.Context, tx *db.Tx, keys []FoldKey, now time.Time) (*Batch, error) {
	b := &Batch{now: now.UnixMicro(), rows: make(map[place]*row), folds: make(map[FoldKey][]*row), needs: make(map[place][]Ref), events: make(map[place][]string),
		oldNeeds: make(map[place][]Ref), oldEvents: make(map[place][]string)}
	_, restored, err := tx.Incarnation(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("postings of folds: %w", err)
	}
	if !restored.IsZero() {
		b.least = restored.UnixMilli()
	}
	lookup := db.Lookup{Table: "posting", Columns: columnNames, Key: []string{"tenant", "fold_key"}, Hold: true, Order: []string{"id"}}
	for _, key := range keys {
		lookup.Rows = append(lookup.Rows, []any{key.Tenant, key.Key})
	}
	found, err := b.take(ctx, tx, lookup)
	if err != nil {
		return nil, fmt.Errorf("postings of folds: %w", err)
	}
	for _, r := range found {
		key := FoldKey{r.Tenant, r.FoldKey}
		b.folds[key] = append(b.folds[key], r)
	}
	return b, nil
}

// take loads and locks rows, with what they need and what feeds them, and returns them by id.
func (b *Batch) take(ctx context.Context, tx *db.Tx, l db.Lookup) ([]*row, error) {
	found, err := tx.Lookup(ctx, l)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	list, places := make([]*row, len(found)), make([]place, len(found))
	for i, v := range found {
		list[i] = new(row)
		if err := list[i].fill(v); err != nil {
			return nil, err
		}
		places[i] = list[i].place()
		b.rows[places[i]] = list[i]
	}
	needs, err := needsOfAll(ctx, tx, places)
	if err != nil {
		return nil, err
	}
	events, err := eventsOfAll(ctx, tx, places)
	if err != nil {
		return nil, err
	}
	maps.Copy(b.needs, needs)
	maps.Copy(b.events, events)
	slices.SortFunc(list, func(x, y *row) int { return cmp.Compare(x.id, y.id) })
	return list, nil
}

// Of returns the postings that the fold of a key wanted before, in the order in which they were first wanted.
func (b *Batch) Of(key FoldKey) []Entry {
	list := make([]Entry, len(b.folds[key]))
	for i, r := range b.folds[key] {
		list[i] = r.Entry
	}
	return list
}

// Feeding returns the events that fed what the fold of a key wanted before.
func (b *Batch) Feeding(key FoldKey) (ids []string) {
	for _, r := range b.folds[key] {
		ids = append(ids, b.events[r.place()]...)
	}
	return ids
}

// Put says what the fold of a key that was loaded wants, whole; Write brings it in. It is called once for each key, also for one that
// wants nothing any longer.
func (b *Batch) Put(key FoldKey, policyVersion string, desired []Desired) error {
	ordered, err := inOrder(desired)
	if err != nil {
		return fmt.Errorf("put postings of %s: %w", key.Key, err)
	}
	p := &put{batch: b, tenant: key.Tenant, foldKey: key.Key, policyVersion: policyVersion, now: b.now, wanted: make(map[Ref]bool, len(ordered))}
	for _, d := range ordered {
		w, err := wishOf(d)
		if err != nil {
			return fmt.Errorf("put posting %s: %w", d.Ref(), err)
		}
		p.wishes = append(p.wishes, w)
	}
	if len(ordered) > 0 || len(b.folds[key]) > 0 {
		b.wishes = append(b.wishes, p)
	}
	return nil
}

// Write works out the differences to what is confirmed and writes them, nothing where there is none. It returns, by tenant, the events
// whose receipts may read otherwise now.
func (b *Batch) Write(ctx context.Context, tx *db.Tx) (map[string][]string, error) {
	if err := b.foreign(ctx, tx); err != nil {
		return nil, err
	}
	for _, p := range b.wishes {
		if err := p.run(); err != nil {
			return nil, fmt.Errorf("put postings of %s: %w", p.foldKey, err)
		}
	}
	waiting := b.promote()
	events, err := b.save(ctx, tx)
	if err != nil {
		return nil, err
	}
	return events, promoteRows(ctx, tx, b.now, waiting)
}

// foreign loads what is wanted and was wanted by another fold before, as when a shipment's order became known; the newest wish holds.
func (b *Batch) foreign(ctx context.Context, tx *db.Tx) error {
	asked := make(map[place]bool)
	for _, p := range b.wishes {
		for _, w := range p.wishes {
			if at := (place{p.tenant, w.Ref()}); b.rows[at] == nil {
				asked[at] = true
			}
		}
	}
	places := slices.Collect(maps.Keys(asked))
	_, err := b.take(ctx, tx, db.Lookup{Table: "posting", Columns: columnNames, Key: keyColumns, Rows: keysOf(places), Hold: true, Order: []string{"id"}})
	return err
}

// promote makes ready what waits for nothing, and returns the ids of what must be looked at in the tables, 0 for those that are new.
func (b *Batch) promote() (waiting []*row) {
	for _, p := range b.wishes {
		if !p.moved {
			continue
		}
		for _, r := range append(slices.Clone(p.order), p.fresh...) {
			switch {
			case r.State != Planned || r.FoldKey != p.foldKey:
			case r.SerialKey == "" && len(b.needs[r.place()]) == 0:
				r.State, r.readyAt = Ready, r.turn(b.now)
				r.touch()
				moved(r.Ref, Planned, Ready)
			default:
				waiting = append(waiting, r)
			}
		}
	}
	return waiting
}

func (b *Batch) save(ctx context.Context, tx *db.Tx) (map[string][]string, error) {
	changed := make(map[place]bool)
	var old []*row
	for at, r := range b.rows {
		if r.id != 0 && (r.State != r.was.State || r.Fault != r.was.Fault) {
			changed[at] = true
		}
		if r.changed && r.id != 0 {
			old = append(old, r)
		}
	}
	slices.SortFunc(old, func(x, y *row) int { return cmp.Compare(x.id, y.id) })
	if err := saveAll(ctx, tx, old, b.now); err != nil {
		return nil, err
	}
	if err := insert(ctx, tx, b.fresh, b.now); err != nil {
		return nil, err
	}
	needs, feeds := &links{table: "posting_dependency", columns: needColumns}, &links{table: "posting_event", columns: eventColumns}
	for _, at := range slices.SortedFunc(maps.Keys(b.oldNeeds), comparePlaces) {
		needs.setNeeds(at, b.oldNeeds[at], b.needs[at])
	}
	touched := make(map[string][]string)
	for _, at := range slices.SortedFunc(maps.Keys(b.oldEvents), comparePlaces) {
		touched[at.tenant] = append(touched[at.tenant], feeds.setEvents(at, b.oldEvents[at], b.events[at])...)
	}
	for at := range changed {
		touched[at.tenant] = append(touched[at.tenant], b.events[at]...)
	}
	if err := needs.write(ctx, tx); err != nil {
		return nil, err
	}
	if b.atMost > 0 && len(feeds.fresh) > b.atMost {
		b.rest = &Rest{links{table: feeds.table, columns: feeds.columns, fresh: feeds.fresh[b.atMost:]}}
		feeds.fresh = feeds.fresh[:b.atMost]
	}
	return touched, feeds.write(ctx, tx)
}

// AtMost has Write write no more than n new rows of which event feeds which posting; Rest has the others.
func (b *Batch) AtMost(n int) { b.atMost = n }

// Rest is what Write left over, nil for nothing. It is lost, and found again by the next Put of the same wishes, unless it is written.
func (b *Batch) Rest() *Rest { return b.rest }

// Rest is which events feed which postings, to be written in portions.
type Rest struct{ links links }

// Len is how many rows there are.
func (r *Rest) Len() int {
	if r == nil {
		return 0
	}
	return len(r.links.fresh)
}

// Take takes out up to n rows.
func (r *Rest) Take(n int) *Rest {
	n = min(n, len(r.links.fresh))
	part := &Rest{links{table: r.links.table, columns: r.links.columns, fresh: r.links.fresh[:n]}}
	r.links.fresh = r.links.fresh[n:]
	return part
}

// Write writes all rows.
func (r *Rest) Write(ctx context.Context, tx *db.Tx) error { return r.links.write(ctx, tx) }

// setNeeds makes the dependencies those wanted and says whether that changed any.
func (b *Batch) setNeeds(at place, want []Ref) bool {
	if sameNeeds(b.needs[at], want) {
		return false
	}
	if _, noted := b.oldNeeds[at]; !noted {
		b.oldNeeds[at] = b.needs[at]
	}
	b.needs[at] = want
	return true
}

// setEvents makes the events that feed a posting those wanted.
func (b *Batch) setEvents(at place, want []string) {
	if _, noted := b.oldEvents[at]; !noted {
		b.oldEvents[at] = b.events[at]
	}
	b.events[at] = want
}

func compareRefs(x, y Ref) int {
	return cmp.Or(cmp.Compare(x.Target, y.Target), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Key, y.Key))
}

func comparePlaces(x, y place) int {
	return cmp.Or(cmp.Compare(x.tenant, y.tenant), compareRefs(x.Ref, y.Ref))
}
