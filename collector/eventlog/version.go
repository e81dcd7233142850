package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// The versions of one record may touch different keys: a pick that is corrected to another order, bin or item. Every key that any of them
// touches gets a fact of each, one without a payload where the version does not touch the key, so that every fold sees which one counts.

// linkVersions enters new events as versions of their records, and where a record had one before tells the keys of all of them.
func (l *Log) linkVersions(ctx context.Context, tx *db.Tx, fresh []*arrival) error {
	first := db.Insert{Table: "record_first", Columns: []string{"record", "log_id"}, Conflict: []string{"record"}}
	for _, a := range fresh {
		if a.versioned {
			first.Rows = append(first.Rows, []any{a.record, a.logID})
		}
	}
	slices.SortFunc(first.Rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(int64), b[0].(int64)), cmp.Compare(a[1].(int64), b[1].(int64)))
	})
	claimed, err := tx.CountAbsent(ctx, first)
	if err != nil || claimed == int64(len(first.Rows)) {
		return err
	}
	firsts, err := tx.Lookup(ctx, db.Lookup{Table: "record_first", Columns: []string{"log_id"}, Key: first.Conflict, Rows: recordsOf(first.Rows)})
	if err != nil {
		return err
	}
	byLogID := make(map[int64]int64, len(first.Rows))
	for _, row := range first.Rows {
		byLogID[row[1].(int64)] = row[0].(int64)
	}
	for _, row := range firsts {
		delete(byLogID, row[0].(int64))
	}
	if len(byLogID) == 0 {
		return nil
	}
	later := db.Insert{Table: "record_later", Columns: []string{"record", "log_id"}}
	records := make(map[int64]bool, len(byLogID))
	for _, id := range slices.Sorted(maps.Keys(byLogID)) {
		later.Rows = append(later.Rows, []any{byLogID[id], id})
		records[byLogID[id]] = true
	}
	told := slices.Sorted(maps.Keys(records))
	if err := holdRecords(ctx, tx, told); err != nil {
		return err
	}
	if err := tx.InsertAll(ctx, later); err != nil {
		return err
	}
	return l.tellVersions(ctx, tx, told)
}

// recordsOf is each record of rows that are sorted by it, once.
func recordsOf(rows [][]any) [][]any {
	var records [][]any
	for i, row := range rows {
		if i == 0 || row[0] != rows[i-1][0] {
			records = append(records, row[:1])
		}
	}
	return records
}

// version is one event of a record, as its row has it.
type version struct {
	logID, ordinal, seq int64
	event               *docklinev1.Event
}

// tellVersions gives every key of each record a fact of every version, and marks the keys that got one.
func (l *Log) tellVersions(ctx context.Context, tx *db.Tx, records []int64) error {
	versions, err := readVersions(ctx, tx, records)
	if err != nil {
		return fmt.Errorf("versions of a record: %w", err)
	}
	facts := db.Insert{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id", "event_id", "epoch_ordinal", "seq", "body"},
		Conflict: []string{"tenant", "fold_key", "log_id"}, Returning: []string{"tenant", "fold_key", "log_id"}}
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		rows, err := l.factsElsewhere(versions[name])
		if err != nil {
			return err
		}
		facts.Rows = append(facts.Rows, rows...)
	}
	told, err := tx.InsertAbsent(ctx, facts)
	if err != nil {
		return err
	}
	r := l.newRows()
	for _, row := range told {
		r.dirty = append(r.dirty, dirtyKey{row[0].(string), row[1].(string), row[2].(int64), row[2].(int64)})
	}
	if err := r.mark(ctx, tx); err != nil || len(told) == 0 {
		return err
	}
	return l.tellDeclared(ctx, tx, eventsOf(versions), nil)
}

// eventsOf is the events of versions.
func eventsOf(versions map[string][]version) []identityKey {
	var ids []identityKey
	for _, of := range versions {
		for _, v := range of {
			ids = append(ids, identityKey{v.event.GetTenant(), v.event.GetId()})
		}
	}
	return ids
}

// factsElsewhere are the facts of each version for the keys that only others touch.
func (l *Log) factsElsewhere(versions []version) ([][]any, error) {
	touched := make([]map[string]bool, len(versions))
	all := make(map[string]bool)
	for i, v := range versions {
		touched[i] = make(map[string]bool)
		for _, touch := range l.touchesAt(v.event, v.logID) {
			touched[i][touch.Key], all[touch.Key] = true, true
		}
	}
	var rows [][]any
	for i, v := range versions {
		if len(touched[i]) == len(all) {
			continue
		}
		body, err := proto.Marshal(event.Elsewhere(v.event))
		if err != nil {
			return nil, err
		}
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if !touched[i][key] {
				rows = append(rows, []any{v.event.GetTenant(), key, v.logID, v.event.GetId(), v.ordinal, v.seq, body})
			}
		}
	}
	return rows, nil
}

// holdRecords keeps another collector, until the end of the transaction, from entering versions of records that have one: else neither would
// see the other's, and their keys would not be told of it.
func holdRecords(ctx context.Context, tx *db.Tx, records []int64) error {
	_, err := tx.Lookup(ctx, db.Lookup{Table: "record_first", Columns: []string{"log_id"}, Key: []string{"record"}, Rows: keysOf(records), Hold: true})
	return err
}

// holdRecordsOf holds the records of events whose place or body is about to change: who tells of them at the same time must see what they become.
func holdRecordsOf(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	var records []int64
	for _, e := range events {
		if record, ok := event.RecordNumber(e); ok {
			records = append(records, record)
		}
	}
	slices.Sort(records)
	return holdRecords(ctx, tx, slices.Compact(records))
}

func keysOf(numbers []int64) [][]any {
	keys := make([][]any, len(numbers))
	for i, n := range numbers {
		keys[i] = []any{n}
	}
	return keys
}

// readVersions reads the events in force of records, by tenant and record.
func readVersions(ctx context.Context, tx *db.Tx, records []int64) (map[string][]version, error) {
	var ids [][]any
	for _, table := range []string{"record_first", "record_later"} {
		found, err := tx.Lookup(ctx, db.Lookup{Table: table, Columns: []string{"log_id"}, Key: []string{"record"}, Rows: keysOf(records)})
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "event", Columns: []string{"log_id", "epoch_ordinal", "seq", "body"}, Key: []string{"log_id"}, Rows: ids})
	if err != nil {
		return nil, err
	}
	versions := make(map[string][]version)
	for _, row := range found {
		v := version{row[0].(int64), row[1].(int64), row[2].(int64), &docklinev1.Event{}}
		if err := proto.Unmarshal(row[3].([]byte), v.event); err != nil {
			return nil, err
		}
		name := v.event.GetTenant() + "\x00" + event.Record(v.event)
		versions[name] = append(versions[name], v)
	}
	return versions, nil
}
