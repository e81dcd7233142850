package told

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"time"
)

// Memory is what was told, by key: told.db in the plugin's data folder. Each entry belongs to the numbered batch that tells it and is written before
// that batch is given to the host; the cursor, which the host makes durable with the events, holds the number of its batch. So what is remembered
// beyond the cursor was never told, and is forgotten at the start. If the file is lost, records are told again, as the same events; what was told of
// records that were then deleted is not taken back.
type Memory struct {
	db   *sql.DB
	find *sql.Stmt
}

// Entry is one event that was told.
type Entry struct {
	Stream, Key string
	// ID is the event's; Kind and Occurred (in microseconds) are what is needed to take it back.
	ID       string
	Kind     int32
	Occurred int64
	// Declared counts the declarations about it: with an odd one in force it does not count.
	Declared int64
}

const schema = `
CREATE TABLE IF NOT EXISTS told (
  stream TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, occurred INTEGER NOT NULL,
  declared INTEGER NOT NULL, batch INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (stream, key, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS told_batch ON told (batch);
CREATE INDEX IF NOT EXISTS told_at ON told (at);`

// Open opens the memory in a folder, as of a batch.
func Open(ctx context.Context, dir string, batch uint64) (*Memory, error) {
	m := &Memory{}
	var err error
	m.db, err = OpenFile(ctx, filepath.Join(dir, "told.db"), func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, schema)
		if err == nil {
			_, err = db.ExecContext(ctx, "DELETE FROM told WHERE batch > ?", int64(batch))
		}
		if err == nil {
			m.find, err = db.PrepareContext(ctx, "SELECT id, kind, occurred, declared FROM told WHERE stream = ? AND key = ?")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Close lets go of the file.
func (m *Memory) Close() error { return errors.Join(m.find.Close(), m.db.Close()) }

// of gives what was told of a key.
func (m *Memory) of(ctx context.Context, stream, key string) ([]Entry, error) {
	rows, err := m.find.QueryContext(ctx, stream, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		e := Entry{Stream: stream, Key: key}
		if err := rows.Scan(&e.ID, &e.Kind, &e.Occurred, &e.Declared); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// keep is durable when it returns. What was seen again counts as told now.
func (m *Memory) keep(ctx context.Context, batch uint64, at time.Time, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	put, err := tx.PrepareContext(ctx, `INSERT INTO told (stream, key, id, kind, occurred, declared, batch, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stream, key, id) DO UPDATE SET declared = excluded.declared, batch = excluded.batch, at = excluded.at`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, e := range entries {
		if _, err := put.ExecContext(ctx, e.Stream, e.Key, e.ID, e.Kind, e.Occurred, e.Declared, int64(batch), at.UnixMilli()); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Forget drops what was told before a time.
func (m *Memory) Forget(ctx context.Context, stream string, before time.Time) error {
	_, err := m.db.ExecContext(ctx, "DELETE FROM told WHERE stream = ? AND at < ?", stream, before.UnixMilli())
	return err
}

// ForgetSince drops what was told at a time or later, so that it is told again.
func (m *Memory) ForgetSince(ctx context.Context, from time.Time) error {
	_, err := m.db.ExecContext(ctx, "DELETE FROM told WHERE at >= ?", from.UnixMilli())
	return err
}
