package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// An event may be declared to be told in error. Every key that has a fact of that event gets one of the declaration, so that every fold in which the event counted sees
// that it no longer does, whichever of the two came first. The declaration's own key is told of the event in turn, without its payload. A declaration can be
// declared an error itself, and is then taken back in the same way.

// declarationKey is the fold key of what was declared about an event.
func declarationKey(id string) string { return event.Key("declaration", id) }

// declarations enters the declarations among new events, and tells those whose event is there; and of new events those that somebody declared before they came.
func (l *Log) declarations(ctx context.Context, tx *db.Tx, fresh []*arrival) error {
	declared := db.Insert{Table: "declared", Columns: []string{"tenant", "event_id", "log_id", "waiting"}}
	var about []identityKey
	isNew := make(map[int64]bool)
	for _, a := range fresh {
		if d := a.Event.GetErrorDeclaration(); d != nil {
			about = append(about, identityKey{a.Event.GetTenant(), d.GetEventId()})
			declared.Rows = append(declared.Rows, []any{a.Event.GetTenant(), d.GetEventId(), a.logID, 1})
			isNew[a.logID] = true
		}
	}
	if err := tx.InsertAll(ctx, declared); err != nil {
		return err
	}
	if err := awaitOthers(ctx, tx, about); err != nil {
		return err
	}
	awaited, err := awaitedAmong(ctx, tx, fresh)
	if err != nil {
		return err
	}
	// What was declared of an event before was told then.
	if err := l.tellDeclared(ctx, tx, about, isNew); err != nil {
		return err
	}
	return l.tellDeclared(ctx, tx, awaited, nil)
}

// awaitOthers waits for a collector that puts one of these ids in at this moment, by putting it in, and taking it out again where it was not there. It then sees
// the event; or that one, who looks for declarations after putting in its ids, sees what was declared.
func awaitOthers(ctx context.Context, tx *db.Tx, ids []identityKey) error {
	if len(ids) == 0 {
		return nil
	}
	rows := idRows(ids)
	claim := db.Insert{Table: "event_identity", Columns: []string{"tenant", "id", "body_hash", "log_id", "epoch_ordinal", "seq", "captured_at"}, Conflict: []string{"tenant", "id"},
		Returning: []string{"tenant", "id"}}
	for _, row := range rows {
		claim.Rows = append(claim.Rows, []any{row[0], row[1], []byte{}, 0, 0, 0, 0})
	}
	absent, err := tx.InsertAbsent(ctx, claim)
	if err != nil {
		return err
	}
	return tx.DeleteAll(ctx, "event_identity", []string{"tenant", "id"}, absent)
}

// idRows is ids as keys of a table, each once, in their order.
func idRows(ids []identityKey) [][]any {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, compareKeys)
	var rows [][]any
	for _, id := range slices.Compact(sorted) {
		rows = append(rows, []any{id.tenant, id.id})
	}
	return rows
}

// awaitedAmong are those of new events that were declared before they came. Mostly no declaration waits for anything, and nothing is looked up.
func awaitedAmong(ctx context.Context, tx *db.Tx, fresh []*arrival) ([]identityKey, error) {
	var waits int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 AS one FROM declared WHERE waiting = 1 LIMIT 1) AS found`).Scan(&waits); err != nil || waits == 0 {
		return nil, err
	}
	ids := make([]identityKey, len(fresh))
	for i, a := range fresh {
		ids[i] = a.key()
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "declared", Columns: []string{"tenant", "event_id"}, Key: []string{"tenant", "event_id"}, Rows: idRows(ids), Where: "t.waiting = 1"})
	if err != nil {
		return nil, err
	}
	var awaited []identityKey
	for _, row := range found {
		awaited = append(awaited, identityKey{row[0].(string), row[1].(string)})
	}
	return awaited, nil
}

// tellDeclared gives every key that has a fact of an event a fact of each declaration about it, and so on for what is declared about these. Where some are named, it
// tells of these alone: of what very many have declared before, nobody hears again.
func (l *Log) tellDeclared(ctx context.Context, tx *db.Tx, ids []identityKey, some map[int64]bool) error {
	for len(ids) > 0 {
		declarations, err := declarationsOf(ctx, tx, ids, some)
		if err != nil || len(declarations) == 0 {
			return err
		}
		facts, err := l.declaredFacts(ctx, tx, declarations)
		if err != nil {
			return err
		}
		told, err := tx.InsertAbsent(ctx, db.Insert{Table: "fact", Columns: factColumns, Conflict: []string{"tenant", "fold_key", "log_id"}, Returning: []string{"tenant", "fold_key", "log_id"}, Rows: facts})
		if err != nil {
			return fmt.Errorf("tell of what was told in error: %w", err)
		}
		r := l.newRows()
		for _, row := range told {
			r.dirty = append(r.dirty, dirtyKey{row[0].(string), row[1].(string), row[2].(int64), row[2].(int64)})
		}
		if err := r.mark(ctx, tx); err != nil || len(told) == 0 {
			return err
		}
		ids, some = nil, nil
		for _, d := range declarations {
			ids = append(ids, identityKey{d.event.GetTenant(), d.event.GetId()})
		}
	}
	return nil
}

var factColumns = []string{"tenant", "fold_key", "log_id", "event_id", "epoch_ordinal", "seq", "body"}

// declarationsOf reads the declarations in force about events: some of them, or all where some is nil.
func declarationsOf(ctx context.Context, tx *db.Tx, ids []identityKey, some map[int64]bool) ([]version, error) {
	if some != nil {
		var rows [][]any
		for logID := range some {
			rows = append(rows, []any{logID})
		}
		return readRows(ctx, tx, rows)
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "declared", Columns: []string{"log_id"}, Key: []string{"tenant", "event_id"}, Rows: idRows(ids)})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return readRows(ctx, tx, found)
}

// readRows reads events by their numbers.
func readRows(ctx context.Context, tx *db.Tx, logIDs [][]any) ([]version, error) {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "event", Columns: []string{"log_id", "epoch_ordinal", "seq", "body"}, Key: []string{"log_id"}, Rows: logIDs})
	if err != nil {
		return nil, err
	}
	var list []version
	for _, row := range found {
		v := version{row[0].(int64), row[1].(int64), row[2].(int64), &docklinev1.Event{}}
		if err := proto.Unmarshal(row[3].([]byte), v.event); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b version) int { return cmp.Compare(a.logID, b.logID) })
	return list, nil
}

// declaredFacts makes the facts of declarations for the keys of what they are about, as far as that is there, and that of the event for their own. What is there waits no longer.
func (l *Log) declaredFacts(ctx context.Context, tx *db.Tx, declarations []version) ([][]any, error) {
	var ids []identityKey
	for _, d := range declarations {
		ids = append(ids, identityKey{d.event.GetTenant(), d.event.GetErrorDeclaration().GetEventId()})
	}
	known, err := identities(ctx, tx, idRows(ids), false)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	told, keys, err := aboutEvents(ctx, tx, known)
	if err != nil {
		return nil, err
	}
	var rows, waited [][]any
	slim := make(map[identityKey]bool)
	for i, d := range declarations {
		x := told[ids[i]]
		if x == nil {
			continue
		}
		raw, err := proto.Marshal(d.event)
		if err != nil {
			return nil, err
		}
		own := declarationKey(ids[i].id)
		if !slim[ids[i]] {
			slim[ids[i]] = true
			part, err := proto.Marshal(event.Elsewhere(x.event))
			if err != nil {
				return nil, err
			}
			rows = append(rows, []any{ids[i].tenant, own, x.logID, ids[i].id, x.ordinal, x.seq, part})
		}
		rows = append(rows, []any{ids[i].tenant, own, d.logID, d.event.GetId(), d.ordinal, d.seq, raw})
		for _, key := range keys[x.logID] {
			rows = append(rows, []any{ids[i].tenant, key, d.logID, d.event.GetId(), d.ordinal, d.seq, raw})
		}
		waited = append(waited, []any{ids[i].tenant, ids[i].id, d.logID, 0})
	}
	_, err = tx.UpdateAll(ctx, db.Update{Table: "declared", Key: []string{"tenant", "event_id", "log_id"}, Set: []string{"waiting"}, Rows: waited})
	return rows, err
}

// aboutEvents reads events that are there, by id, and the keys that have facts of them, by their numbers.
func aboutEvents(ctx context.Context, tx *db.Tx, known map[identityKey]identity) (told map[identityKey]*version, keys map[int64][]string, err error) {
	ids := make(map[int64]identityKey, len(known))
	var rows [][]any
	for id, is := range known {
		ids[is.logID] = id
		rows = append(rows, []any{is.logID})
	}
	events, err := readRows(ctx, tx, rows)
	if err != nil {
		return nil, nil, err
	}
	told = make(map[identityKey]*version, len(events))
	for i := range events {
		told[ids[events[i].logID]] = &events[i]
	}
	facts, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"log_id", "fold_key"}, Key: []string{"log_id"}, Rows: rows})
	keys = make(map[int64][]string)
	for _, fact := range facts {
		keys[fact[0].(int64)] = append(keys[fact[0].(int64)], fact[1].(string))
	}
	return told, keys, err
}

// retellDeclared tells of declarations anew where the keys of the events have changed that they are about.
func (l *Log) retellDeclared(ctx context.Context, tx *db.Tx, ids []identityKey) error {
	if err := l.forgetDeclared(ctx, tx, ids, make(map[int64]bool)); err != nil {
		return err
	}
	return l.tellDeclared(ctx, tx, ids, nil)
}

// forgetDeclared takes back what keys were told of declarations about events, and of what is declared about these, but for the declarations' own keys.
func (l *Log) forgetDeclared(ctx context.Context, tx *db.Tx, ids []identityKey, done map[int64]bool) error {
	for len(ids) > 0 {
		declarations, err := declarationsOf(ctx, tx, ids, nil)
		if err != nil {
			return err
		}
		ids = nil
		own := make(map[int64]string)
		var logIDs, drop [][]any
		for _, d := range declarations {
			if !done[d.logID] {
				done[d.logID] = true
				own[d.logID] = declarationKey(d.event.GetErrorDeclaration().GetEventId())
				logIDs, ids = append(logIDs, []any{d.logID}), append(ids, identityKey{d.event.GetTenant(), d.event.GetId()})
			}
		}
		facts, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id"}, Key: []string{"log_id"}, Rows: logIDs})
		if err != nil {
			return err
		}
		r := l.newRows()
		for _, fact := range facts {
			r.dirty = append(r.dirty, dirtyKey{fact[0].(string), fact[1].(string), fact[2].(int64), fact[2].(int64)})
			if fact[1].(string) != own[fact[2].(int64)] {
				drop = append(drop, fact)
			}
		}
		if err := r.mark(ctx, tx); err != nil {
			return err
		}
		if err := tx.DeleteAll(ctx, "fact", []string{"tenant", "fold_key", "log_id"}, drop); err != nil {
			return err
		}
	}
	return nil
}

// expectDeclared are the facts that the declarations of a page of events have beside their own, and those that its events have with the declarations about them.
func (l *Log) expectDeclared(ctx context.Context, tx *db.Tx, page []*stored) ([][]any, error) {
	var ids, about []identityKey
	for _, s := range page {
		if s.variant == 0 {
			ids = append(ids, identityKey{s.event.GetTenant(), s.event.GetId()})
			if d := s.event.GetErrorDeclaration(); d != nil {
				about = append(about, identityKey{s.event.GetTenant(), d.GetEventId()})
			}
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "declared", Columns: []string{"tenant", "event_id"}, Key: []string{"tenant", "event_id"}, Rows: idRows(ids)})
	if err != nil {
		return nil, err
	}
	for _, row := range found {
		about = append(about, identityKey{row[0].(string), row[1].(string)})
	}
	var rows [][]any
	for _, id := range idRows(about) {
		more, err := l.expectOf(ctx, tx, identityKey{id[0].(string), id[1].(string)})
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// expectOf are the facts of the declarations about one event, and that of the event with them.
func (l *Log) expectOf(ctx context.Context, tx *db.Tx, id identityKey) ([][]any, error) {
	declarations, err := declarationsOf(ctx, tx, []identityKey{id}, nil)
	if err != nil || len(declarations) == 0 {
		return nil, err
	}
	keys, x, err := l.keysTold(ctx, tx, id, make(map[identityKey]bool))
	if err != nil || x == nil {
		return nil, err
	}
	slim, err := proto.Marshal(event.Elsewhere(x.event))
	if err != nil {
		return nil, err
	}
	rows := [][]any{{id.tenant, declarationKey(id.id), x.logID, id.id, x.ordinal, x.seq, slim}}
	for _, d := range declarations {
		raw, err := proto.Marshal(d.event)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			rows = append(rows, []any{id.tenant, key, d.logID, d.event.GetId(), d.ordinal, d.seq, raw})
		}
	}
	return rows, nil
}

// keysTold is every key that has a fact of an event in force, with that of the declarations about it; x is nil where the event is not there.
func (l *Log) keysTold(ctx context.Context, tx *db.Tx, id identityKey, seen map[identityKey]bool) (keys []string, x *version, err error) {
	known, err := identities(ctx, tx, idRows([]identityKey{id}), false)
	if err != nil || len(known) == 0 || seen[id] {
		return nil, nil, err
	}
	seen[id] = true
	found, err := readRows(ctx, tx, [][]any{{known[id].logID}})
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	x, keys = &found[0], []string{declarationKey(id.id)}
	for _, touch := range l.touchesAt(x.event, x.logID) {
		keys = append(keys, touch.Key)
	}
	if number, ok := event.RecordNumber(x.event); ok {
		versions, err := readVersions(ctx, tx, []int64{number})
		if err != nil {
			return nil, nil, err
		}
		for _, v := range versions[x.event.GetTenant()+"\x00"+event.Record(x.event)] {
			for _, touch := range l.touchesAt(v.event, v.logID) {
				keys = append(keys, touch.Key)
			}
		}
	}
	if d := x.event.GetErrorDeclaration(); d != nil {
		more, _, err := l.keysTold(ctx, tx, identityKey{id.tenant, d.GetEventId()}, seen)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, more...)
	}
	slices.Sort(keys)
	return slices.Compact(keys), x, nil
}
