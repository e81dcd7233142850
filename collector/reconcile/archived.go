package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/proto/event"
)

// CodeLate is the case that something was told of a key that is archived.
const CodeLate = "told_after_archive"

// LateOrigin is what the case of a key names as its origin. Who puts the key back closes it.
func LateOrigin(key string) string { return "archive/" + key }

// archivedAmong are those of some keys that are in an archive, with its number: without their facts nothing can be said of them.
func archivedAmong(ctx context.Context, tx *db.Tx, keys []foldKey) (map[foldKey]int64, error) {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "archive_key", Columns: []string{"tenant", "fold_key", "archive"}, Key: byKey, Rows: rowsOf(keys)})
	if err != nil {
		return nil, fmt.Errorf("archived keys: %w", err)
	}
	archived := make(map[foldKey]int64, len(found))
	for _, row := range found {
		archived[keyOf(row)] = row[2].(int64)
	}
	return archived, nil
}

// leaveArchived takes the archived ones out of keys that are to be folded. What was told of them stays as it is, and is a case for a person:
// a fold without what was told before would take back what follows from that.
func (b *batch) leaveArchived(ctx context.Context, keys []foldKey) ([]foldKey, error) {
	archived, err := archivedAmong(ctx, b.tx, keys)
	if err != nil || len(archived) == 0 {
		return keys, err
	}
	var late [][]any
	for _, key := range keys {
		if archived[key] != 0 {
			late = append(late, []any{key.tenant, key.key})
		}
	}
	facts, err := b.tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"tenant", "fold_key", "event_id"}, Key: byKey, Rows: late})
	if err != nil {
		return nil, err
	}
	events := make(map[foldKey][]string)
	for _, fact := range facts {
		events[keyOf(fact)] = append(events[keyOf(fact)], fact[2].(string))
	}
	for key, ids := range events {
		slices.Sort(ids)
		if err := b.reportLate(ctx, key, archived[key], ids); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(keys, func(key foldKey) bool { return archived[key] != 0 }), nil
}

func (b *batch) reportLate(ctx context.Context, key foldKey, archive int64, ids []string) error {
	order := ""
	if kind, parts, err := event.ParseKey(key.key); err == nil && kind == "order" {
		order = parts[0]
	}
	late := exception.Desired{Code: CodeLate, Subject: key.key, Order: order, EventIDs: ids, Title: "Something was told of what is archived",
		Text: fmt.Sprintf("%s of %s about %s came after that was taken into archive %d. Nothing follows from it, and nothing that was told to other systems is taken back. "+
			"To have it count: dockline-collector retention restore --tenant %s --key %s puts back what is archived, and everything is folded together. "+
			"Where it need not count, waive this.", event.Several(len(ids), "event"), key.tenant, key.key, archive, key.tenant, key.key)}.Owned(b.worker.inForce(), key.tenant)
	_, err := exception.Sync(ctx, b.tx, key.tenant, LateOrigin(key.key), []exception.Desired{late}, b.now)
	return err
}
