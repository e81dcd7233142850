package wmshttp

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/plugins/told"
)

// store is http.db in the plugin's data folder: what was answered to keys, capture jobs, and what became of work.
type store struct{ db *sql.DB }

const storeSchema = `
CREATE TABLE IF NOT EXISTS request (
  place TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, received INTEGER NOT NULL,
  status INTEGER NOT NULL, location TEXT NOT NULL, answer BLOB NOT NULL, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS request_received ON request (received);
CREATE TABLE IF NOT EXISTS job (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, finished INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS work (
  key TEXT NOT NULL, version INTEGER NOT NULL, outcome TEXT NOT NULL, said TEXT NOT NULL, PRIMARY KEY (key, version)) WITHOUT ROWID;`

func openStore(ctx context.Context, dir string) (*store, error) {
	db, err := told.OpenFile(ctx, filepath.Join(dir, "http.db"), func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, storeSchema)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// answered is what became of a request with a key; status 0: it was begun, and no answer is known to have been given.
type answered struct {
	body     []byte
	received time.Time
	status   int
	location string
	answer   []byte
}

// begin notes a request under its key, or gives the one that is there.
func (s *store) begin(ctx context.Context, place, key string, body []byte, now time.Time) (answered, error) {
	now = now.UTC().Truncate(time.Microsecond)
	if _, err := s.db.ExecContext(ctx, "INSERT INTO request (place, key, body, received, status, location, answer) VALUES (?, ?, ?, ?, 0, '', x'') ON CONFLICT DO NOTHING", place, key, body, now.UnixMicro()); err != nil {
		return answered{}, err
	}
	var a answered
	var received int64
	err := s.db.QueryRowContext(ctx, "SELECT body, received, status, location, answer FROM request WHERE place = ? AND key = ?", place, key).Scan(&a.body, &received, &a.status, &a.location, &a.answer)
	a.received = time.UnixMicro(received).UTC()
	return a, err
}

// finish keeps the answer.
func (s *store) finish(ctx context.Context, place, key string, status int, location string, answer []byte) error {
	_, err := s.db.ExecContext(ctx, "UPDATE request SET status = ?, location = ?, answer = ? WHERE place = ? AND key = ?", status, location, answer, place, key)
	return err
}

// putJob writes a job; finished is 0 while it runs.
func (s *store) putJob(ctx context.Context, id string, created time.Time, finished time.Time, document []byte) error {
	end := int64(0)
	if !finished.IsZero() {
		end = finished.UnixMicro()
	}
	_, err := s.db.ExecContext(ctx, "INSERT INTO job (id, created, finished, document) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, document = excluded.document",
		id, created.UnixMicro(), end, document)
	return err
}

// dropJob forgets one that came to no end: who brought it was told so, and brings it again.
func (s *store) dropJob(ctx context.Context, id string) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM job WHERE id = ?", id)
	return err
}

// job is one by its id; nil where there is none.
func (s *store) job(ctx context.Context, id string) ([]byte, error) {
	var document []byte
	err := s.db.QueryRowContext(ctx, "SELECT document FROM job WHERE id = ?", id).Scan(&document)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return document, err
}

// jobs are the newest below a number, and the number of the last; below 0 is from the newest.
func (s *store) jobs(ctx context.Context, below int64, most int) (documents [][]byte, last int64, err error) {
	if below <= 0 {
		below = 1 << 62
	}
	rows, err := s.db.QueryContext(ctx, "SELECT number, document FROM job WHERE number < ? ORDER BY number DESC LIMIT ?", below, most)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var document []byte
		if err := rows.Scan(&last, &document); err != nil {
			return nil, 0, err
		}
		documents = append(documents, document)
	}
	return documents, last, rows.Err()
}

// forget drops what is older, and at the start of a life the jobs that the last one left running.
func (s *store) forget(ctx context.Context, before time.Time, running bool) error {
	for _, statement := range []string{"DELETE FROM request WHERE received < ?", "DELETE FROM job WHERE created < ?"} {
		if _, err := s.db.ExecContext(ctx, statement, before.UnixMicro()); err != nil {
			return err
		}
	}
	if !running {
		return nil
	}
	_, err := s.db.ExecContext(ctx, "DELETE FROM job WHERE finished = 0")
	return err
}

// Outcomes of work in the ledger.
const (
	outcomeSending = "sending" // it was sent, or was about to be, and it is not known what became of it
	outcomeApplied = "applied"
	outcomeRefused = "refused"
)

// decided is the highest version of a key that was decided, and what became of it. version 0: none.
func (s *store) decided(ctx context.Context, key string) (version uint64, outcome, said string, err error) {
	var v int64
	err = s.db.QueryRowContext(ctx, "SELECT version, outcome, said FROM work WHERE key = ? AND outcome <> ? ORDER BY version DESC LIMIT 1", key, outcomeSending).Scan(&v, &outcome, &said)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return uint64(v), outcome, said, err
}

// applied is the highest version that was; 0: none.
func (s *store) applied(ctx context.Context, key string) (uint64, error) {
	var v sql.NullInt64
	err := s.db.QueryRowContext(ctx, "SELECT MAX(version) FROM work WHERE key = ? AND outcome = ?", key, outcomeApplied).Scan(&v)
	return uint64(v.Int64), err
}

func (s *store) note(ctx context.Context, key string, version uint64, outcome, said string) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO work (key, version, outcome, said) VALUES (?, ?, ?, ?) ON CONFLICT (key, version) DO UPDATE SET outcome = excluded.outcome, said = excluded.said",
		key, int64(version), outcome, said)
	return err
}
