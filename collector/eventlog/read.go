package eventlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrNoEvent: the log has no event of this id.
var ErrNoEvent = errors.New("no such event")

// Entry is one event as the log keeps it.
type Entry struct {
	// Offset is its number in the log, from 1.
	Offset uint64
	Event  *docklinev1.Event
	// Variant 0 is in force; 1 is another body under the same id, kept beside it; AcceptedVariant one that counts as an event of its own.
	Variant int
	// Partition is the key by which it is kept together with others.
	Partition    string
	Epoch        string
	EpochOrdinal uint64
	Seq          uint64
	// RecordedAt is when the centre took it into the log, UTC.
	RecordedAt time.Time
}

const entryColumns = `e.log_offset, e.variant, e.partition_key, e.epoch, e.epoch_ordinal, e.seq, e.recorded_at, e.body`

// Read returns up to limit events of all tenants after an offset, in the order of offsets; 0 is the beginning. What is written and has no
// offset yet is not there.
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]Entry, error) {
	return l.entries(ctx, `SELECT `+entryColumns+` FROM event e WHERE e.log_offset > ? ORDER BY e.log_offset LIMIT ?`, after, limit)
}

// Latest returns the newest events of one tenant, newest first.
func (l *Log) Latest(ctx context.Context, tenant string, limit int) ([]Entry, error) {
	return l.entries(ctx, `SELECT `+entryColumns+` FROM event e WHERE e.tenant = ? AND e.log_offset IS NOT NULL ORDER BY e.log_offset DESC LIMIT ?`, tenant, limit)
}

// OfKey returns the events in force that touch a key ("order/SO00017"), whole, in the order of offsets.
func (l *Log) OfKey(ctx context.Context, tenant, key string) ([]Entry, error) {
	return l.entries(ctx, `SELECT `+entryColumns+` FROM fact f JOIN event e ON e.log_id = f.log_id
		WHERE f.tenant = ? AND f.fold_key = ? AND e.log_offset IS NOT NULL ORDER BY e.log_offset`, tenant, key)
}

// FactsOf returns the facts of a key as the fold reads them, within the caller's transaction: also those that have no offset yet.
func FactsOf(ctx context.Context, tx *db.Tx, tenant, key string) (found []Entry, err error) {
	rows, err := tx.Query(ctx, `SELECT epoch_ordinal, seq, body FROM fact WHERE tenant = ? AND fold_key = ? ORDER BY log_id`, tenant, key)
	if err != nil {
		return nil, fmt.Errorf("facts of %s: %w", key, err)
	}
	defer rows.Close()
	for rows.Next() {
		entry := Entry{Event: &docklinev1.Event{}}
		var body []byte
		if err := rows.Scan(&entry.EpochOrdinal, &entry.Seq, &body); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(body, entry.Event); err != nil {
			return nil, fmt.Errorf("a fact of %s cannot be read: %w", key, err)
		}
		found = append(found, entry)
	}
	return found, rows.Err()
}

// OfLinked returns the events in force under keys that are linked to a key and still belong to it, whole, in the order of offsets.
func (l *Log) OfLinked(ctx context.Context, tenant, key string) ([]Entry, error) {
	return l.entries(ctx, `SELECT `+entryColumns+` FROM event e WHERE e.log_offset IS NOT NULL AND e.log_id IN (SELECT f.log_id FROM link k JOIN fact f ON f.tenant = k.tenant AND f.fold_key = k.link_key
		WHERE k.tenant = ? AND k.part_of = ? AND k.in_force = 1) ORDER BY e.log_offset`, tenant, key)
}

// Declarations returns what was declared about an event: that it was told in error.
func (l *Log) Declarations(ctx context.Context, tenant, id string) ([]Entry, error) {
	return l.entries(ctx, `SELECT `+entryColumns+` FROM declared d JOIN event e ON e.log_id = d.log_id WHERE d.tenant = ? AND d.event_id = ? AND e.log_offset IS NOT NULL
		ORDER BY e.log_offset`, tenant, id)
}

// Get returns the bodies under one id, the one in force first, or ErrNoEvent.
func (l *Log) Get(ctx context.Context, tenant, id string) ([]Entry, error) {
	found, err := l.entries(ctx, `SELECT `+entryColumns+` FROM event_identity i JOIN event e ON e.log_id = i.log_id
		WHERE i.tenant = ? AND i.id = ? AND e.log_offset IS NOT NULL
		UNION ALL SELECT `+entryColumns+` FROM event e WHERE e.tenant = ? AND e.id = ? AND e.variant <> 0 AND e.log_offset IS NOT NULL ORDER BY 2, 1`,
		tenant, id, tenant, id)
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("event %s: %w%s", id, ErrNoEvent, l.archivedIn(ctx, tenant, id))
	}
	return found, err
}

// archivedIn says in which archive an event is; "" for none.
func (l *Log) archivedIn(ctx context.Context, tenant, id string) string {
	var in int64
	err := l.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT archive FROM event_identity WHERE tenant = ? AND id = ?`, tenant, id).Scan(&in)
	})
	if err != nil || in == 0 {
		return ""
	}
	return fmt.Sprintf(" any more: it is in archive %d; `dockline-collector retention list` says where", in)
}

// InForce is the event that is in force under an id, within the caller's transaction, or ErrNoEvent.
func (l *Log) InForce(ctx context.Context, tx *db.Tx, tenant, id string) (*docklinev1.Event, error) {
	var body []byte
	err := tx.QueryRow(ctx, `SELECT e.body FROM event_identity i JOIN event e ON e.log_id = i.log_id WHERE i.tenant = ? AND i.id = ?`, tenant, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("event %s: %w", id, ErrNoEvent)
	}
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", id, err)
	}
	e := &docklinev1.Event{}
	return e, proto.Unmarshal(body, e)
}

func (l *Log) entries(ctx context.Context, query string, args ...any) ([]Entry, error) {
	var found []Entry
	err := l.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			entry := Entry{Event: &docklinev1.Event{}}
			var recorded int64
			var body []byte
			if err := rows.Scan(&entry.Offset, &entry.Variant, &entry.Partition, &entry.Epoch, &entry.EpochOrdinal, &entry.Seq, &recorded, &body); err != nil {
				return err
			}
			entry.RecordedAt = time.UnixMicro(recorded).UTC()
			if err := proto.Unmarshal(body, entry.Event); err != nil {
				return err
			}
			found = append(found, entry)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read event log: %w", err)
	}
	return found, nil
}

// Totals is what the log has taken from one tenant's sites since it began.
type Totals struct {
	// Logged, Duplicates and Conflicts are as in AppendResult.
	Logged, Duplicates, Conflicts int64
	// Waiting envelopes are in the inbox, Dead ones there cannot be read.
	Waiting, Dead int64
}

// Totals of a tenant.
func (l *Log) Totals(ctx context.Context, tenant string) (Totals, error) {
	var t Totals
	err := l.DB.Read(ctx, func(tx *db.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT coalesce(sum(logged), 0), coalesce(sum(duplicates), 0), coalesce(sum(conflicts), 0) FROM site_total WHERE tenant = ?`,
			tenant).Scan(&t.Logged, &t.Duplicates, &t.Conflicts); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT coalesce(sum(1 - state), 0), coalesce(sum(state), 0) FROM inbox WHERE tenant = ?`, tenant).Scan(&t.Waiting, &t.Dead)
	})
	if err != nil {
		return Totals{}, fmt.Errorf("totals: %w", err)
	}
	return t, nil
}

// Begins are the ids of a tenant's events that begin so, sorted, at most so many.
func (l *Log) Begins(ctx context.Context, tenant, begin string, limit int) (ids []string, err error) {
	err = l.DB.Read(ctx, func(tx *db.Tx) (err error) {
		ids, err = tx.Texts(ctx, `SELECT id FROM event_identity WHERE tenant = ? AND id >= ? AND id < ? ORDER BY id LIMIT ?`, tenant, begin, begin+"\U0010ffff", limit)
		return err
	})
	return ids, err
}
