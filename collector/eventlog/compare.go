package eventlog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// What a fact row may be, beside what the events say.
const (
	FactMissing = "missing" // the event touches the key, and there is no row
	FactExtra   = "extra"   // there is a row, and no event says so
	FactOther   = "other"   // the row says something else
	LinkMissing = "link"    // the event says that something is part of the key, and there is no row
)

// FactDifference is a fact row that is not what the events say.
type FactDifference struct {
	Tenant, Key, EventID string
	LogID                int64
	// What is FactMissing, FactExtra, FactOther or LinkMissing.
	What string
	// Ordinal, Seq and Body are as they should be; Body is nil where there should be no row.
	Ordinal, Seq int64
	Body         []byte
}

// Compared is what one page of the event log came to.
type Compared struct {
	// Events and Facts were looked at, the last event being Through. Done: there are no later ones.
	Events, Facts int64
	Through       int64
	Done          bool
	Differences   []FactDifference
}

// CompareFacts derives the facts of up to most events behind a place of the log anew, as Append does, and compares them with the rows there
// are. It only reads, and sees events and facts of one moment.
func (l *Log) CompareFacts(ctx context.Context, after int64, most int) (Compared, error) {
	var c Compared
	err := l.DB.Read(ctx, func(tx *db.Tx) (err error) {
		c = Compared{}
		page, err := pageOf(ctx, tx, after, most)
		if err != nil {
			return err
		}
		c.Events, c.Through, c.Done = int64(len(page)), math.MaxInt64, len(page) < most
		if !c.Done {
			c.Through = page[len(page)-1].logID
		}
		if c.Facts, c.Differences, err = l.compareFacts(ctx, tx, page, after, c.Through); err != nil {
			return err
		}
		links, err := l.missingLinks(ctx, tx, page)
		c.Differences = append(c.Differences, links...)
		return err
	})
	if err != nil {
		return Compared{}, fmt.Errorf("compare facts: %w", err)
	}
	return c, nil
}

// RestoreFacts makes the facts of some events, by their numbers, what the events say, and has the keys that this changes folded again. A number that no event has
// leaves no facts.
func (l *Log) RestoreFacts(ctx context.Context, tx *db.Tx, logIDs []int64) (changed int, err error) {
	for _, id := range slices.Sorted(slices.Values(logIDs)) {
		n, err := l.restoreFacts(ctx, tx, id)
		if err != nil {
			return 0, fmt.Errorf("restore facts of event %d: %w", id, err)
		}
		changed += n
	}
	return changed, nil
}

func (l *Log) restoreFacts(ctx context.Context, tx *db.Tx, id int64) (int, error) {
	page, err := pageOf(ctx, tx, id-1, 1)
	if err != nil {
		return 0, err
	}
	if len(page) == 1 && page[0].logID != id {
		page = nil
	}
	for _, s := range page { // nobody settles it, or another version of its record, meanwhile
		if _, err := identities(ctx, tx, [][]any{{s.event.GetTenant(), s.event.GetId()}}, true); err != nil {
			return 0, err
		}
		if err := holdRecordsOf(ctx, tx, []*docklinev1.Event{s.event}); err != nil {
			return 0, err
		}
	}
	if page, err = pageOf(ctx, tx, id-1, 1); err != nil {
		return 0, err
	}
	if len(page) == 1 && page[0].logID != id {
		page = nil
	}
	_, differences, err := l.compareFacts(ctx, tx, page, id-1, id)
	if err != nil {
		return 0, err
	}
	r := l.newRows()
	links, err := l.missingLinks(ctx, tx, page)
	if err != nil {
		return 0, err
	}
	if len(links) > 0 {
		r.addLinks(page[0].event)
	}
	for _, d := range links {
		r.dirty = append(r.dirty, dirtyKey{tenant: d.Tenant, key: d.Key})
	}
	for _, d := range differences {
		if _, err := tx.Exec(ctx, `DELETE FROM fact WHERE tenant = ? AND fold_key = ? AND log_id = ?`, d.Tenant, d.Key, d.LogID); err != nil {
			return 0, err
		}
		// what a name is part of may have been told of it as it is put right now, and folded without it since
		if _, err := tx.Exec(ctx, `UPDATE link SET told = 0 WHERE tenant = ? AND link_key = ? AND told <> 0`, d.Tenant, d.Key); err != nil {
			return 0, err
		}
		if d.Body != nil {
			r.facts = append(r.facts, []any{d.Tenant, d.Key, d.LogID, d.EventID, d.Ordinal, d.Seq, d.Body})
		}
		r.dirty = append(r.dirty, dirtyKey{tenant: d.Tenant, key: d.Key})
	}
	return len(differences) + len(links), r.write(ctx, tx)
}

// stored is an event as its row has it.
type stored struct {
	version
	variant int64
	body    []byte
}

// pageOf reads up to most events behind a place of the log, also bodies that are not in force.
func pageOf(ctx context.Context, tx *db.Tx, after int64, most int) ([]*stored, error) {
	rows, err := tx.Query(ctx, `SELECT log_id, variant, epoch_ordinal, seq, body FROM event WHERE log_id > ? ORDER BY log_id LIMIT ?`, after, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []*stored
	for rows.Next() {
		s := &stored{version: version{event: &docklinev1.Event{}}}
		if err := rows.Scan(&s.logID, &s.variant, &s.ordinal, &s.seq, &s.body); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(s.body, s.event); err != nil {
			return nil, fmt.Errorf("event %d cannot be read: %w", s.logID, err)
		}
		page = append(page, s)
	}
	return page, rows.Err()
}

// missingLinks are the links that events of a page say and that have no row. One that no event says does no harm: a fold follows only those
// that a fact of its own names.
func (l *Log) missingLinks(ctx context.Context, tx *db.Tx, page []*stored) (found []FactDifference, err error) {
	r := l.newRows()
	events := make(map[string]*stored)
	for _, s := range page {
		if s.variant == 0 {
			r.addLinks(s.event)
			events[s.event.GetTenant()+"\x00"+s.event.GetId()] = s
		}
	}
	keys := make([][]any, 0, len(r.links))
	missing := make(map[[4]string]bool)
	for _, row := range r.links {
		at := [4]string{row[0].(string), row[1].(string), row[2].(string), row[3].(string)}
		if !missing[at] {
			missing[at] = true
			keys = append(keys, row[:4])
		}
	}
	columns := []string{"tenant", "link_key", "part_of", "event_id"}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "link", Columns: columns, Key: columns, Rows: keys})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		delete(missing, [4]string{row[0].(string), row[1].(string), row[2].(string), row[3].(string)})
	}
	for _, at := range slices.SortedFunc(maps.Keys(missing), func(a, b [4]string) int { return slices.Compare(a[:], b[:]) }) {
		s := events[at[0]+"\x00"+at[3]]
		found = append(found, FactDifference{Tenant: at[0], Key: at[2], EventID: at[3], LogID: s.logID, What: LinkMissing})
	}
	return found, nil
}

// factPlace names a fact row.
type factPlace struct {
	tenant, key string
	logID       int64
}

// compareFacts compares the facts that a page of events should have with the rows from after to through.
func (l *Log) compareFacts(ctx context.Context, tx *db.Tx, page []*stored, after, through int64) (n int64, found []FactDifference, err error) {
	expected, err := l.expectFacts(ctx, tx, page)
	if err != nil {
		return 0, nil, err
	}
	rows, err := tx.Query(ctx, `SELECT tenant, fold_key, log_id, event_id, epoch_ordinal, seq, body FROM fact WHERE log_id > ? AND log_id <= ?`, after, through)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var at factPlace
		var is FactDifference
		if err := rows.Scan(&at.tenant, &at.key, &at.logID, &is.EventID, &is.Ordinal, &is.Seq, &is.Body); err != nil {
			return 0, nil, err
		}
		n++
		should, ok := expected[at]
		delete(expected, at)
		switch {
		case !ok:
			found = append(found, FactDifference{Tenant: at.tenant, Key: at.key, LogID: at.logID, EventID: is.EventID, What: FactExtra})
		case should.EventID != is.EventID || should.Ordinal != is.Ordinal || should.Seq != is.Seq || !sameBody(should.Body, is.Body):
			should.What = FactOther
			found = append(found, should)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, nil, err
	}
	for _, at := range slices.SortedFunc(maps.Keys(expected), compareFactPlaces) {
		should := expected[at]
		should.What = FactMissing
		found = append(found, should)
	}
	return n, found, nil
}

func compareFactPlaces(a, b factPlace) int {
	return slices.Compare([]string{a.tenant, a.key}, []string{b.tenant, b.key})
}

// sameBody compares bodies, which another version of the library may have written in another order of fields.
func sameBody(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y docklinev1.Event
	return proto.Unmarshal(a, &x) == nil && proto.Unmarshal(b, &y) == nil && proto.Equal(&x, &y)
}

// expectFacts are the facts that events have by the code that fills them: those of what each touches, and of what other versions of its
// record do.
func (l *Log) expectFacts(ctx context.Context, tx *db.Tx, page []*stored) (map[factPlace]FactDifference, error) {
	r := l.newRows()
	numbers, inPage := make(map[int64]bool), make(map[int64]bool)
	for _, s := range page {
		if s.variant != 0 {
			continue
		}
		a := &arrival{Recorded: Recorded{Event: s.event, EpochOrdinal: uint64(s.ordinal), Seq: uint64(s.seq)}, logID: s.logID}
		if err := r.addFacts(a, l.touchesAt(s.event, s.logID), s.body); err != nil {
			return nil, err
		}
		inPage[s.logID] = true
		if number, ok := event.RecordNumber(s.event); ok {
			numbers[number] = true
		}
	}
	elsewhere, err := l.expectElsewhere(ctx, tx, slices.Sorted(maps.Keys(numbers)))
	if err != nil {
		return nil, err
	}
	declared, err := l.expectDeclared(ctx, tx, page)
	if err != nil {
		return nil, err
	}
	expected := make(map[factPlace]FactDifference, len(r.facts))
	for _, row := range slices.Concat(r.facts, elsewhere, declared) {
		d := FactDifference{Tenant: row[0].(string), Key: row[1].(string), LogID: row[2].(int64), EventID: row[3].(string), Ordinal: whole(row[4]), Seq: whole(row[5]), Body: row[6].([]byte)}
		if inPage[d.LogID] {
			expected[factPlace{d.Tenant, d.Key, d.LogID}] = d
		}
	}
	return expected, nil
}

// expectElsewhere are the facts of the versions of records for keys that only others of them touch.
func (l *Log) expectElsewhere(ctx context.Context, tx *db.Tx, records []int64) ([][]any, error) {
	several, err := tx.Lookup(ctx, db.Lookup{Table: "record_later", Columns: []string{"record"}, Key: []string{"record"}, Rows: keysOf(records)})
	if err != nil || len(several) == 0 {
		return nil, err
	}
	told := make(map[int64]bool)
	for _, row := range several {
		told[row[0].(int64)] = true
	}
	versions, err := readVersions(ctx, tx, slices.Sorted(maps.Keys(told)))
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		more, err := l.factsElsewhere(versions[name])
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func whole(v any) int64 {
	if n, ok := v.(uint64); ok {
		return int64(n)
	}
	return v.(int64)
}
