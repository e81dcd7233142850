package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// rekey moves facts of the stock ledger that lie under a code which the mapping did not know to the buckets where they belong, as far as
// it knows them now, and has both folded again.
func rekey(ctx context.Context, tx *db.Tx, tenant string, m state.Mapping) error {
	// What moved such goods is folded again and writes the difference.
	if _, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key, due_at) SELECT tenant, fold_key, 1 FROM state WHERE tenant = ? AND status = ? AND fold_key IN
		(SELECT record FROM ledger WHERE tenant = ? AND item >= 'unmapped:' AND item < 'unmapped;')`, tenant, statusUnmapped, tenant); err != nil {
		return fmt.Errorf("movements of unmapped stock: %w", err)
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT fold_key FROM fact WHERE tenant = ? AND fold_key >= 'stock/' AND fold_key < 'stock0'
		AND fold_key LIKE 'stock/%/%/unmapped:%' ORDER BY fold_key`, tenant)
	if err != nil {
		return fmt.Errorf("unmapped stock: %w", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return err
		}
		if b, err := state.ParseBucket(key); err == nil && strings.HasPrefix(b.Item, state.UnmappedPrefix) {
			found = append(found, key)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, key := range found {
		if err := moveFacts(ctx, tx, tenant, key, m); err != nil {
			return fmt.Errorf("move %s: %w", key, err)
		}
	}
	return nil
}

// whole is an event with a fact under an unmapped code, as the log has it. The stock keys are worked out from the whole of it, since a
// bucket may get lines from several.
type whole struct {
	logID        int64
	id           string
	ordinal, seq int64
	event        *docklinev1.Event
	touches      []state.Touch
}

// moveFacts gives the facts under an unmapped code the stock keys that they have under a mapping. Versions of one record move together: each
// is told of to every bucket that another one touches.
func moveFacts(ctx context.Context, tx *db.Tx, tenant, from string, m state.Mapping) error {
	records, err := wholesOf(ctx, tx, tenant, from, m)
	if err != nil {
		return err
	}
	facts := db.Insert{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id", "event_id", "epoch_ordinal", "seq", "body"},
		Conflict: []string{"tenant", "fold_key", "log_id"}, Update: []string{"body"}}
	marks := map[string]bool{}
	about := declaredIn(records)
	for _, name := range slices.Sorted(maps.Keys(records)) {
		versions, targets := records[name], map[string]bool{}
		if versions[0].event.GetErrorDeclaration() != nil {
			continue // goes with what it is about
		}
		for _, w := range versions {
			for _, touch := range w.touches {
				targets[touch.Key] = true
			}
		}
		if targets[from] {
			continue // still not known
		}
		for _, w := range withDeclarations(versions, about) {
			for _, key := range slices.Sorted(maps.Keys(targets)) {
				part, err := proto.Marshal(w.partFor(key))
				if err != nil {
					return err
				}
				facts.Rows = append(facts.Rows, []any{tenant, key, w.logID, w.id, w.ordinal, w.seq, part})
				marks[key] = true
			}
			if _, err := tx.Exec(ctx, `DELETE FROM fact WHERE tenant = ? AND fold_key = ? AND log_id = ?`, tenant, from, w.logID); err != nil {
				return err
			}
			marks[from] = true
		}
	}
	if err := tx.Upsert(ctx, facts); err != nil {
		return err
	}
	dirty := db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key"}}
	for _, key := range slices.Sorted(maps.Keys(marks)) {
		dirty.Rows = append(dirty.Rows, []any{tenant, key})
	}
	return tx.InsertAll(ctx, dirty)
}

// declaredIn are the declarations among events, by what they are about.
func declaredIn(records map[string][]*whole) map[string][]*whole {
	about := make(map[string][]*whole)
	for _, versions := range records {
		for _, w := range versions {
			if d := w.event.GetErrorDeclaration(); d != nil {
				about[d.GetEventId()] = append(about[d.GetEventId()], w)
			}
		}
	}
	return about
}

// withDeclarations adds to events what was declared about them, and about that.
func withDeclarations(events []*whole, about map[string][]*whole) []*whole {
	all := slices.Clone(events)
	for i := 0; i < len(all); i++ {
		for _, d := range about[all[i].id] {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

func (w *whole) partFor(key string) *docklinev1.Event {
	if w.event.GetErrorDeclaration() != nil {
		return w.event
	}
	for _, touch := range w.touches {
		if touch.Key == key {
			return touch.Event
		}
	}
	return event.Elsewhere(w.event)
}

// wholesOf reads the events with a fact under a key, by record; one that has none stands alone.
func wholesOf(ctx context.Context, tx *db.Tx, tenant, key string, m state.Mapping) (map[string][]*whole, error) {
	rows, err := tx.Query(ctx, `SELECT e.log_id, e.id, e.epoch_ordinal, e.seq, e.body FROM fact f JOIN event e ON e.log_id = f.log_id
		WHERE f.tenant = ? AND f.fold_key = ? ORDER BY e.log_id`, tenant, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	records := make(map[string][]*whole)
	for rows.Next() {
		w, body := &whole{event: &docklinev1.Event{}}, []byte(nil)
		if err := rows.Scan(&w.logID, &w.id, &w.ordinal, &w.seq, &body); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(body, w.event); err != nil {
			return nil, err
		}
		for _, touch := range state.Keys(w.event, m) {
			if strings.HasPrefix(touch.Key, state.KindStock+"/") {
				w.touches = append(w.touches, touch)
			}
		}
		name := cmp.Or(event.Record(w.event), "\x00"+w.id)
		records[name] = append(records[name], w)
	}
	return records, rows.Err()
}
