// Package member says which collectors work on a database: each is there once, under a name of its own, and each knows which part of the
// work is its own while all of them are well.
package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Term is how long a collector counts without another word from it. One that was killed is missed for so long at most; of one that was
// halted, or cut off, the others then end the sessions at the database, since what these have locked stays locked.
const Term = 12 * time.Second

// renewEvery is how often it gives word.
const renewEvery = 3 * time.Second

// Session is the name of the sessions of a run of a collector at its database (db.Named).
func Session(process string) string { return "dockline-collector " + process }

// ErrTaken is wrapped where another process works under the name.
var ErrTaken = errors.New("another collector works under this name")

// Member is this collector among those of its database.
type Member struct {
	DB *db.DB
	// Name is the collector's, Process this run of it.
	Name, Process string
	// Former is the run before, where it is known to have ended: its place is free at once.
	Former string
	// Version of the program, for people.
	Version string
	// Log may be nil.
	Log *slog.Logger

	wake  db.Signal
	share atomic.Pointer[share]
}

// share is a collector's place among so many.
type share struct{ place, of int }

// Join takes the name. One that another process holds is waited for as long as it takes to see whether that one is still at work.
func (m *Member) Join(ctx context.Context) error {
	look := time.NewTicker(Term / 20)
	defer look.Stop()
	for began := time.Now(); ; {
		held, err := m.step(ctx, true)
		if err != nil || held {
			return err
		}
		if time.Since(began) > Term+Term/3 {
			return fmt.Errorf("%w: %q; give each its own (name in collector.yaml)", ErrTaken, m.Name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// Run keeps the name until ctx ends, and then gives it back. It ends unasked where another process has taken it meanwhile, as after a long
// halt, or where the database has become another one than this build can work with.
func (m *Member) Run(ctx context.Context) error {
	defer m.leave(ctx)
	var lost error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := db.Poll(ctx, &m.wake, renewEvery, m.Log, "tell that this collector is at work", func(ctx context.Context) (bool, error) {
		held, err := m.step(ctx, false)
		if err == nil && !held {
			err = fmt.Errorf("%w: %q, and has taken its place", ErrTaken, m.Name)
		}
		if errors.Is(err, ErrTaken) || errors.Is(err, db.ErrTooNew) {
			lost = err
			stop()
		}
		return false, err
	})
	return errors.Join(lost, err)
}

// step takes or prolongs the place, and looks who else there is.
func (m *Member) step(ctx context.Context, join bool) (held bool, err error) {
	var names []string
	err = m.DB.WriteFirst(ctx, func(tx *db.Tx) (err error) {
		if err := tx.Tolerates(ctx); err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		counted, err := m.counted(ctx, tx, now)
		if err != nil {
			return err
		}
		if held, err = m.take(ctx, tx, now, join); err != nil || !held {
			return err
		}
		if counted { // else the database was away, for the others too
			if err := m.fence(ctx, tx, now); err != nil {
				return err
			}
		}
		names, err = alive(ctx, tx, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("members: %w", err)
	}
	if held {
		m.share.Store(&share{slices.Index(names, m.Name), len(names)})
	}
	return held, nil
}

// counted says whether this collector's last word still holds.
func (m *Member) counted(ctx context.Context, tx *db.Tx, now time.Time) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM member WHERE name = ? AND process = ? AND until_at > ?`, m.Name, m.Process, now.UnixMicro()).Scan(&n)
	return n > 0, err
}

func (m *Member) take(ctx context.Context, tx *db.Tx, now time.Time, join bool) (bool, error) {
	var process string
	var until int64
	err := tx.QueryRow(ctx, `SELECT process, until_at FROM member WHERE name = ?`, m.Name).Scan(&process, &until)
	switch {
	case errors.Is(err, sql.ErrNoRows): // nobody has it, or it was pruned
	case err != nil:
		return false, err
	case process != m.Process && !join, process != m.Process && process != m.Former && until > now.UnixMicro():
		return false, nil
	}
	if process != "" && process != m.Process {
		if _, err := tx.EndSessions(ctx, Session(process)); err != nil {
			return false, err
		}
	}
	n, err := tx.Exec(ctx, `INSERT INTO member (name, process, version, schema, since, until_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET process = excluded.process, version = excluded.version, schema = excluded.schema, until_at = excluded.until_at,
		since = CASE WHEN member.process = excluded.process THEN member.since ELSE excluded.since END WHERE member.process IN (?, ?)`,
		m.Name, m.Process, m.Version, db.Schema(), now.UnixMicro(), now.Add(Term).UnixMicro(), m.Process, process)
	return n == 1, err
}

// fence ends what is left at the database of those whose term is over.
func (m *Member) fence(ctx context.Context, tx *db.Tx, now time.Time) error {
	rows, err := tx.Claim(ctx, `SELECT name, process FROM member WHERE until_at <= ?`, now.UnixMicro())
	if err != nil {
		return err
	}
	defer rows.Close()
	gone := map[string]string{}
	for rows.Next() {
		var name, process string
		if err := rows.Scan(&name, &process); err != nil {
			return err
		}
		gone[name] = process
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for name, process := range gone {
		n, err := tx.EndSessions(ctx, Session(process))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM member WHERE name = ? AND process = ?`, name, process); err != nil {
			return err
		}
		if m.Log != nil {
			m.Log.Warn("a collector has given no word for longer than its term; the others do its work", "collector", name, "sessions ended", n)
		}
	}
	return nil
}

func alive(ctx context.Context, tx *db.Tx, now time.Time) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT name FROM member WHERE until_at > ? ORDER BY name`, now.UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func (m *Member) leave(ended context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ended), 2*time.Second)
	defer cancel()
	_ = m.DB.Write(ctx, func(tx *db.Tx) error { // else it runs out by itself
		_, err := tx.Exec(ctx, `DELETE FROM member WHERE name = ? AND process = ?`, m.Name, m.Process)
		return err
	})
}

// Mine says whether a piece of work, by its name, is this collector's own: of all that are at work exactly one has it, but for the moments
// in which one comes or goes. It spares collectors each other's way and protects nothing: whoever has nothing of his own to do takes what is
// left lying.
func (m *Member) Mine(work string) bool {
	s := m.share.Load()
	if s == nil || s.of < 2 || s.place < 0 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(work)) // it never fails
	return int(h.Sum32()%uint32(s.of)) == s.place
}

// One is a collector of a database.
type One struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Schema is the newest migration that its build knows.
	Schema int64     `json:"schema"`
	Since  time.Time `json:"since"`
	// Until is when it is given up unless there is another word of it.
	Until time.Time `json:"heard_until"`
}

// List is all that are at work.
func List(ctx context.Context, tx *db.Tx) ([]One, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT name, version, schema, since, until_at FROM member WHERE until_at > ? ORDER BY name`, now.UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []One
	for rows.Next() {
		var one One
		var since, until int64
		if err := rows.Scan(&one.Name, &one.Version, &one.Schema, &since, &until); err != nil {
			return nil, err
		}
		one.Since, one.Until = time.UnixMicro(since), time.UnixMicro(until)
		all = append(all, one)
	}
	return all, rows.Err()
}
