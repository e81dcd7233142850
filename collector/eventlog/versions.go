package eventlog

import (
	"context"
	"slices"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Versions are all versions of an event's record that the log has, in the order of offsets; none where there is but one.
func (l *Log) Versions(ctx context.Context, e *docklinev1.Event) ([]Entry, error) {
	record, ok := event.RecordNumber(e)
	if !ok {
		return nil, nil
	}
	var more bool
	err := l.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM record_later WHERE record = ?)`, record).Scan(&more)
	})
	if err != nil || !more {
		return nil, err
	}
	found, err := l.entries(ctx, `SELECT `+entryColumns+` FROM event e
		WHERE e.log_id IN (SELECT log_id FROM record_first WHERE record = ? UNION ALL SELECT log_id FROM record_later WHERE record = ?)
		AND e.tenant = ? AND e.variant = 0 AND e.log_offset IS NOT NULL ORDER BY e.log_offset`, record, record, e.GetTenant())
	name := event.Record(e)
	return slices.DeleteFunc(found, func(v Entry) bool { return event.Record(v.Event) != name }), err
}
