package wmssql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// memory is what was told, by key: told.db in the plugin's data folder. Each entry belongs to the numbered batch that tells it and is written
// before that batch is given to the host; the cursor, which the host makes durable with the events, holds the number of its batch. So what is
// remembered beyond the cursor was never told, and is forgotten at the start. If the file is lost, rows of the overlap are told again, as the
// same events; what was told of rows that were then deleted is not taken back.
type memory struct {
	db   *sql.DB
	find *sql.Stmt
}

// remembered is one event that was told.
type remembered struct {
	stream, key string
	// id is the event's; kind, occurred and watermark are what is needed to take it back.
	id        string
	kind      int32
	occurred  int64
	watermark string
	// declared counts the declarations about it: with an odd one in force it does not count.
	declared int64
}

const memorySchema = `
CREATE TABLE IF NOT EXISTS told (
  stream TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, occurred INTEGER NOT NULL, watermark TEXT NOT NULL,
  declared INTEGER NOT NULL, batch INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (stream, key, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS told_batch ON told (batch);
CREATE INDEX IF NOT EXISTS told_at ON told (at);`

// openMemory opens the file, or begins another where it is damaged: it is set aside.
func openMemory(ctx context.Context, dir string, batch uint64) (*memory, error) {
	path := filepath.Join(dir, "told.db")
	m, err := tryMemory(ctx, path, batch)
	if err == nil {
		return m, nil
	}
	if _, statErr := os.Stat(path); statErr != nil {
		return nil, fmt.Errorf("what was told cannot be remembered: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("what was told cannot be remembered: %w", err)
		}
	}
	if err := os.Rename(path, path+".damaged"); err != nil {
		return nil, fmt.Errorf("what was told cannot be remembered: %w", err)
	}
	return tryMemory(ctx, path, batch)
}

func tryMemory(ctx context.Context, path string, batch uint64) (*memory, error) {
	db, err := sql.Open("sqlite", fileURL(path)+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=cache_size(-4096)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	m := &memory{db: db}
	if _, err = db.ExecContext(ctx, memorySchema); err == nil {
		_, err = db.ExecContext(ctx, "DELETE FROM told WHERE batch > ?", int64(batch))
	}
	if err == nil {
		m.find, err = db.PrepareContext(ctx, "SELECT id, kind, occurred, watermark, declared FROM told WHERE stream = ? AND key = ?")
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return m, nil
}

func (m *memory) close() error { return errors.Join(m.find.Close(), m.db.Close()) }

// of gives what was told of a key.
func (m *memory) of(ctx context.Context, stream, key string) ([]remembered, error) {
	rows, err := m.find.QueryContext(ctx, stream, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []remembered
	for rows.Next() {
		r := remembered{stream: stream, key: key}
		if err := rows.Scan(&r.id, &r.kind, &r.occurred, &r.watermark, &r.declared); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// ofAll gives what was told of some keys, by key; those of which nothing was told are not in it.
func (m *memory) ofAll(ctx context.Context, stream string, keys []string) (map[string][]remembered, error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	rows, err := m.db.QueryContext(ctx, "SELECT key, id, kind, occurred, watermark, declared FROM told WHERE stream = ? AND key IN (SELECT value FROM json_each(?))", stream, string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string][]remembered{}
	for rows.Next() {
		r := remembered{stream: stream}
		if err := rows.Scan(&r.key, &r.id, &r.kind, &r.occurred, &r.watermark, &r.declared); err != nil {
			return nil, err
		}
		out[r.key] = append(out[r.key], r)
	}
	return out, rows.Err()
}

// keep is durable when it returns.
func (m *memory) keep(ctx context.Context, batch uint64, at time.Time, entries []remembered) error {
	if len(entries) == 0 {
		return nil
	}
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for some := range slices.Chunk(entries, keptAtOnce) {
		values := make([]any, 0, 9*len(some))
		for _, e := range some {
			values = append(values, e.stream, e.key, e.id, e.kind, e.occurred, e.watermark, e.declared, int64(batch), at.UnixMilli())
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO told (stream, key, id, kind, occurred, watermark, declared, batch, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`+
			strings.Repeat(", (?, ?, ?, ?, ?, ?, ?, ?, ?)", len(some)-1)+`
ON CONFLICT (stream, key, id) DO UPDATE SET watermark = excluded.watermark, declared = excluded.declared, batch = excluded.batch, at = excluded.at`, values...)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// keptAtOnce is how many entries one statement writes; SQLite takes 32,766 parameters.
const keptAtOnce = 200

// forget drops what was told before a time.
func (m *memory) forget(ctx context.Context, before time.Time) error {
	_, err := m.db.ExecContext(ctx, "DELETE FROM told WHERE at < ?", before.UnixMilli())
	return err
}

// since gives what was told of a stream from a time on and still counts, in pieces by key: after is the last key of the piece before.
func (m *memory) since(ctx context.Context, stream, after string, from time.Time, limit int) ([]remembered, error) {
	rows, err := m.db.QueryContext(ctx, "SELECT key, id, kind, occurred, watermark, declared FROM told WHERE stream = ? AND key > ? AND at >= ? AND declared % 2 = 0 ORDER BY key LIMIT ?",
		stream, after, from.UnixMilli(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []remembered
	for rows.Next() {
		r := remembered{stream: stream}
		if err := rows.Scan(&r.key, &r.id, &r.kind, &r.occurred, &r.watermark, &r.declared); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// forgetSince drops what was told at a time or later.
func (m *memory) forgetSince(ctx context.Context, from time.Time) error {
	_, err := m.db.ExecContext(ctx, "DELETE FROM told WHERE at >= ?", from.UnixMilli())
	return err
}
