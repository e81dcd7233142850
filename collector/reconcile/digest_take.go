package reconcile

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// incoming is a fact that comes into a digest.
type incoming struct {
	factRow
	event  *docklinev1.Event
	record int64
	// contested: another fact of the key names its record or its event, or it names another.
	contested bool
}

// take brings facts in that the digest does not have. What they contest is taken out of its group.
func (d *digest) take(ctx context.Context, tx *db.Tx, rows []factRow) error {
	list, byLogID := make([]incoming, len(rows)), make(map[int64]*incoming, len(rows))
	for i, row := range rows {
		e := &docklinev1.Event{}
		if err := proto.Unmarshal(row.body, e); err != nil {
			return &foldError{d.foldKey, fmt.Errorf("a fact cannot be read: %w", err)}
		}
		list[i] = incoming{factRow: row, event: e}
		byLogID[row.logID] = &list[i]
	}
	contested, err := d.contests(ctx, tx, list)
	if err != nil {
		return err
	}
	var others []int64
	for _, id := range contested {
		if in := byLogID[id]; in != nil {
			in.contested = true
		} else {
			others = append(others, id)
		}
	}
	if err := d.takeOut(ctx, tx, others); err != nil {
		return err
	}
	for i := range list {
		if err := d.add(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// contests are the log ids of facts that cannot be in a group for what these facts say: the versions of their records, and what they double or
// declare an error. It marks those of the list that have other versions.
func (d *digest) contests(ctx context.Context, tx *db.Tx, list []incoming) (ids []int64, err error) {
	var records, named [][]any
	asked := make(map[any]bool)
	for i := range list {
		in := &list[i]
		if number, ok := event.RecordNumber(in.event); ok {
			in.record = number
			if !asked[number] {
				asked[number] = true
				records = append(records, []any{number})
			}
		}
		for _, id := range []string{in.event.GetDoubleOf(), in.event.GetErrorDeclaration().GetEventId()} {
			if id != "" && !asked[id] {
				asked[id] = true
				named = append(named, []any{d.tenant, id})
			}
		}
	}
	versions := make(map[int64][]int64)
	for _, table := range []string{"record_first", "record_later"} {
		found, err := tx.Lookup(ctx, db.Lookup{Table: table, Columns: []string{"record", "log_id"}, Key: []string{"record"}, Rows: records})
		if err != nil {
			return nil, err
		}
		for _, row := range found {
			versions[row[0].(int64)] = append(versions[row[0].(int64)], row[1].(int64))
		}
	}
	for i := range list {
		for _, id := range versions[list[i].record] {
			if id != list[i].logID && list[i].record != 0 {
				list[i].contested = true
				ids = append(ids, id)
			}
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "event_identity", Columns: []string{"log_id"}, Key: []string{"tenant", "id"}, Rows: named})
	for _, row := range found {
		ids = append(ids, row[0].(int64))
	}
	return ids, err
}

// add brings one fact in.
func (d *digest) add(in *incoming) error {
	like, quantity, ok := state.Grouped(in.event)
	if !ok || in.contested || d.named[in.event.GetId()] {
		d.setApart(in.factRow, in.event)
		d.members = append(d.members, []any{d.id, in.logID, int64(0)})
		return nil
	}
	g, err := d.groupOf(like)
	if err != nil {
		return err
	}
	g.changed = true
	g.tally.add(in.event, quantity)
	d.members = append(d.members, []any{d.id, in.logID, g.part})
	return nil
}

func (d *digest) setApart(row factRow, e *docklinev1.Event) {
	d.apart = append(d.apart, row)
	d.apartCount++
	d.names(e)
}

// names notes what a fact apart names.
func (d *digest) names(e *docklinev1.Event) {
	for _, id := range []string{e.GetDoubleOf(), e.GetErrorDeclaration().GetEventId()} {
		if id != "" {
			if d.named == nil {
				d.named = make(map[string]bool)
			}
			d.named[id] = true
		}
	}
}

// takeOut takes facts out of their groups, as far as they are in one.
func (d *digest) takeOut(ctx context.Context, tx *db.Tx, logIDs []int64) error {
	if len(logIDs) == 0 {
		return nil
	}
	var members, facts [][]any
	seen := make(map[int64]bool)
	for _, id := range logIDs {
		if !seen[id] {
			seen[id] = true
			members = append(members, []any{d.id, id})
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "digest_fact", Columns: []string{"log_id", "part"}, Key: []string{"digest", "log_id"}, Rows: members, Where: "t.part > 0"})
	if err != nil {
		return err
	}
	parts := make(map[int64]int64)
	for _, row := range found {
		parts[row[0].(int64)] = row[1].(int64)
		facts = append(facts, []any{d.tenant, d.key, row[0]})
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: factColumns, Key: []string{"tenant", "fold_key", "log_id"}, Rows: facts})
	if err != nil {
		return err
	}
	d.short = d.short || len(rows) < len(parts) // one is gone meanwhile, and was said to be
	for _, row := range rows {
		if err := d.remove(factRowOf(row), parts[row[0].(int64)]); err != nil {
			return err
		}
	}
	return nil
}

// remove takes one fact out of its group.
func (d *digest) remove(row factRow, part int64) error {
	e := &docklinev1.Event{}
	if err := proto.Unmarshal(row.body, e); err != nil {
		return &foldError{d.foldKey, fmt.Errorf("a fact cannot be read: %w", err)}
	}
	like, quantity, ok := state.Grouped(e)
	if !ok || part > int64(len(d.groups)) {
		d.short = true
		return nil
	}
	g, err := d.groupOf(like)
	if err != nil {
		return err
	}
	g.changed = true
	d.short = d.short || g.part != part || !g.tally.remove(e, quantity)
	d.left = append(d.left, row.logID)
	d.setApart(row, e)
	return nil
}

var factColumns = []string{"log_id", "epoch_ordinal", "seq", "body"}

func factRowOf(row []any) factRow {
	return factRow{row[0].(int64), row[1].(int64), row[2].(int64), row[3].([]byte)}
}
