package eventlog

import (
	"context"
	"database/sql"
	"slices"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// replaceVersion has one body of an id count as a version of its record, and another one, until now in force, no more. They are of one
// record nearly always; a dead letter is of none. The records are held.
func (l *Log) replaceVersion(ctx context.Context, tx *db.Tx, former *docklinev1.Event, formerID int64, e *docklinev1.Event, logID int64) error {
	was, had := event.RecordNumber(former)
	is, has := event.RecordNumber(e)
	var records []int64
	if had {
		records = append(records, was)
	}
	if has && !slices.Contains(records, is) {
		records = append(records, is)
	}
	if len(records) == 0 {
		return nil
	}
	slices.Sort(records)
	if had {
		if err := leaveRecord(ctx, tx, was, formerID); err != nil {
			return err
		}
	}
	if has {
		if err := joinRecord(ctx, tx, is, logID); err != nil {
			return err
		}
	}
	if err := l.dropElsewhere(ctx, tx, records); err != nil {
		return err
	}
	return l.tellVersions(ctx, tx, records)
}

// joinRecord enters an event as a version of a record.
func joinRecord(ctx context.Context, tx *db.Tx, record, logID int64) error {
	n, err := tx.CountAbsent(ctx, db.Insert{Table: "record_first", Columns: []string{"record", "log_id"}, Conflict: []string{"record"}, Rows: [][]any{{record, logID}}})
	if err != nil || n == 1 {
		return err
	}
	_, err = tx.CountAbsent(ctx, db.Insert{Table: "record_later", Columns: []string{"record", "log_id"}, Conflict: []string{"record", "log_id"}, Rows: [][]any{{record, logID}}})
	return err
}

// leaveRecord takes an event out of its record. Where it was the first, a later one is the first from now on.
func leaveRecord(ctx context.Context, tx *db.Tx, record, logID int64) error {
	n, err := tx.Exec(ctx, `DELETE FROM record_later WHERE record = ? AND log_id = ?`, record, logID)
	if err != nil || n > 0 {
		return err
	}
	var next sql.NullInt64
	if err := tx.QueryRow(ctx, `SELECT min(log_id) FROM record_later WHERE record = ?`, record).Scan(&next); err != nil {
		return err
	}
	if !next.Valid {
		_, err := tx.Exec(ctx, `DELETE FROM record_first WHERE record = ? AND log_id = ?`, record, logID)
		return err
	}
	n, err = tx.Exec(ctx, `UPDATE record_first SET log_id = ? WHERE record = ? AND log_id = ?`, next.Int64, record, logID)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM record_later WHERE record = ? AND log_id = ?`, record, next.Int64)
	return err
}

// dropElsewhere takes back what the versions of records were told to keys that none of them touches any more, and marks these keys.
func (l *Log) dropElsewhere(ctx context.Context, tx *db.Tx, records []int64) error {
	versions, err := readVersions(ctx, tx, records)
	if err != nil {
		return err
	}
	for _, of := range versions {
		touched := make(map[string]bool)
		ids := make([]int64, len(of))
		for i, v := range of {
			ids[i] = v.logID
			for _, touch := range l.touchesAt(v.event, v.logID) {
				touched[touch.Key] = true
			}
		}
		facts, err := tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"tenant", "fold_key", "log_id"}, Key: []string{"log_id"}, Rows: keysOf(ids)})
		if err != nil {
			return err
		}
		r := l.newRows()
		for _, fact := range facts {
			tenant, key := fact[0].(string), fact[1].(string)
			if touched[key] {
				continue
			}
			if _, err := tx.Exec(ctx, `DELETE FROM fact WHERE tenant = ? AND fold_key = ? AND log_id = ?`, tenant, key, fact[2]); err != nil {
				return err
			}
			r.dirty = append(r.dirty, dirtyKey{tenant: tenant, key: key})
		}
		if err := r.mark(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}
