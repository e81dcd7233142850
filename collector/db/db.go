package db

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// DB is one open database. It is safe for concurrent use and starts no goroutine of its own.
type DB struct {
	// Now is the clock of leases; nil is the clock of the database's machine, which several collectors share.
	Now func() time.Time
	// Random is where the database's name comes from; nil is crypto/rand. It does not fail.
	Random io.Reader
	// Fault lets a transaction fail at a point, so that a test can fail exactly one: "begin", "commit" where nothing of it stays, and
	// "committed" where all of it does and only the answer is lost. Nil: none fails.
	Fault func(point string, write bool) error

	pool     *sql.DB
	readPool *sql.DB
	postgres bool
	path     string // the file of SQLite
	write    chan *session
	first    chan *session // from who is done to WriteFirst, before those who wait at write
	read     chan *session
	burst    burst
	hope     hope
	ran      atomic.Int64
}

// Statements is how many have been run since the database was opened, COPY not counted: what a loop costs a database that is a network away.
func (d *DB) Statements() int64 { return d.ran.Load() }

// sqliteReaders is how many reads run side by side on SQLite; each holds a connection with its page cache.
const sqliteReaders = 4

// Open opens "sqlite:PATH" or "postgres://...". It does not migrate. An SQLite file is made when it is not there; its folder
// must be. Commits are synchronous on both: SQLite by synchronous FULL in WAL mode, PostgreSQL by synchronous_commit on.
func Open(ctx context.Context, url string) (*DB, error) {
	var d *DB
	var err error
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		d, err = openSQLite(strings.TrimPrefix(url, "sqlite:"))
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		d, err = openPostgres(url)
	default:
		return nil, errors.New(`database: the URL must begin with "sqlite:" or "postgres://"`)
	}
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	for try := 1; ; try++ {
		err := d.pool.PingContext(ctx)
		if err == nil {
			return d, nil
		}
		// A new file is given its mode by whoever comes first, and is busy for the other.
		if try == openTries || !retryable(err) {
			d.Close()
			return nil, fmt.Errorf("database: open: %w", d.advised(err))
		}
		time.Sleep(time.Duration(try) * 10 * time.Millisecond)
	}
}

const openTries = 20

// Close ends every connection; transactions must have ended.
func (d *DB) Close() error {
	err := errors.Join(closeSessions(d.write), closeSessions(d.read), d.pool.Close())
	if d.readPool != nil {
		err = errors.Join(err, d.readPool.Close())
	}
	return err
}

// Engine is "sqlite" or "postgres", for people.
func (d *DB) Engine() string {
	if d.postgres {
		return "postgres"
	}
	return "sqlite"
}

// attempts is how often a transaction is tried again before its error is returned.
const attempts = 20

// Write runs f in one transaction and commits it. When the engine asks for it (a serialization failure, a deadlock, a busy
// file) the whole of f runs again, so f must set what it hands out, never add to it. An error of f rolls back and is returned.
// f must not call Write or Read: on SQLite there is one writer, and it would wait for itself.
func (d *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	d.giveWay(ctx)
	return d.writeAgain(ctx, access{write: true}, f)
}

// WriteFirst is Write for what somebody waits for: it does not give way to a burst (Burst), and on SQLite it has its turn before every
// Write that waits.
func (d *DB) WriteFirst(ctx context.Context, f func(tx *Tx) error) error {
	return d.writeAgain(ctx, access{write: true, first: true}, f)
}

// writeAgain runs f until the engine no longer asks for another try.
func (d *DB) writeAgain(ctx context.Context, a access, f func(tx *Tx) error) error {
	for try := 1; ; try++ {
		err := d.run(ctx, a, f)
		if err == nil || try == attempts || !retryable(err) {
			return d.advised(err)
		}
		pause := time.Duration(1+rand.IntN(5*try)) * time.Millisecond
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// Read runs f in one read-only transaction, which sees one state of the database throughout.
func (d *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	return d.run(ctx, access{}, f)
}

func (d *DB) run(ctx context.Context, a access, f func(tx *Tx) error) (err error) {
	s, release, err := d.session(ctx, a)
	if err != nil {
		return fmt.Errorf("database: connect: %w", err)
	}
	defer release()
	if err := d.fault("begin", a); err != nil {
		return fmt.Errorf("database: begin: %w", err)
	}
	options := &sql.TxOptions{ReadOnly: !a.write && d.postgres}
	if options.ReadOnly {
		options.Isolation = sql.LevelRepeatableRead
	}
	// The transaction must end here and nowhere else: one that ended itself with ctx would leave later statements outside of it.
	t, err := s.conn.BeginTx(context.WithoutCancel(ctx), options)
	if err != nil {
		return fmt.Errorf("database: begin: %w", err)
	}
	if d.postgres {
		s.tx = t
	}
	done := false
	defer func() {
		if !done {
			t.Rollback()
		}
	}()
	if err := f(&Tx{d: d, s: s}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.fault("commit", a); err != nil {
		return fmt.Errorf("database: commit: %w", err)
	}
	done = true
	if err := t.Commit(); err != nil {
		t.Rollback()
		return fmt.Errorf("database: commit: %w", err)
	}
	if err := d.fault("committed", a); err != nil {
		return fmt.Errorf("database: commit: %w", err)
	}
	return nil
}

func (d *DB) fault(point string, a access) error {
	if d.Fault == nil {
		return nil
	}
	return d.Fault(point, a.write)
}

// Incarnation is the random name that this database got when it was first used. Sites compare it: a database that was
// restored gets a new one by NewIncarnation.
func (d *DB) Incarnation(ctx context.Context) (string, error) {
	var name string
	err := d.Write(ctx, func(tx *Tx) error {
		fresh := Insert{Table: "meta", Columns: []string{"name", "value"}, Conflict: []string{"name"},
			Rows: [][]any{{"incarnation", d.randomName()}}}
		if _, err := tx.InsertAbsent(ctx, fresh); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT value FROM meta WHERE name = ?`, "incarnation").Scan(&name); err != nil {
			return err
		}
		return tx.RememberIncarnation(ctx, name)
	})
	if err != nil {
		return "", fmt.Errorf("incarnation: %w", err)
	}
	return name, nil
}

// NewIncarnation is called once after the database was restored from a backup; every site then sends again what is missing.
func (d *DB) NewIncarnation(ctx context.Context) error {
	return d.Write(ctx, func(tx *Tx) error {
		_, err := tx.NewIncarnation(ctx, d.clock())
		return err
	})
}

func (d *DB) clock() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

// NewIncarnation gives the database a new name, for it was put back to an older state by now, and returns it.
func (tx *Tx) NewIncarnation(ctx context.Context, now time.Time) (string, error) {
	name := tx.d.randomName()
	err := tx.Upsert(ctx, Insert{Table: "meta", Columns: []string{"name", "value"}, Conflict: []string{"name"}, Update: []string{"value"},
		Rows: [][]any{{"incarnation", name}, {"restored_at", strconv.FormatInt(now.UnixMicro(), 10)}}})
	if err != nil {
		return "", err
	}
	return name, tx.RememberIncarnation(ctx, name)
}

// RememberIncarnation notes a name that this database has had, or is known to have lost. One that it does not remember is of a time that
// it has forgotten.
func (tx *Tx) RememberIncarnation(ctx context.Context, name string) error {
	_, err := tx.InsertAbsent(ctx, Insert{Table: "meta", Columns: []string{"name", "value"}, Conflict: []string{"name"}, Rows: [][]any{{"incarnation/" + name, ""}}})
	return err
}

// RemembersIncarnation says whether the database has had that name, or knows that it has lost it.
func (tx *Tx) RemembersIncarnation(ctx context.Context, name string) (bool, error) {
	rows, err := tx.Lookup(ctx, Lookup{Table: "meta", Columns: []string{"name"}, Key: []string{"name"}, Rows: [][]any{{"incarnation/" + name}}})
	return len(rows) > 0, err
}

// LeastVersion is the lowest version that what is told to others may have, 0 for any. Where the database was put back to an older state
// others know versions that nothing here remembers: what is made since is newer by the time of that.
func (tx *Tx) LeastVersion(ctx context.Context) (int64, error) {
	_, restored, err := tx.Incarnation(ctx, false)
	if err != nil || restored.IsZero() {
		return 0, err
	}
	return restored.UnixMilli(), nil
}

// Incarnation is what DB.Incarnation says, as of this transaction, and when the database was last known to have been put back to an older
// state, zero for never. Nobody changes it until the transaction ends where hold is set.
func (tx *Tx) Incarnation(ctx context.Context, hold bool) (name string, restored time.Time, err error) {
	rows, err := tx.Lookup(ctx, Lookup{Table: "meta", Columns: []string{"name", "value"}, Key: []string{"name"},
		Rows: [][]any{{"incarnation"}, {"restored_at"}}, Hold: hold})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("incarnation: %w", err)
	}
	for _, row := range rows {
		if row[0].(string) == "incarnation" {
			name = row[1].(string)
			continue
		}
		micros, err := strconv.ParseInt(row[1].(string), 10, 64)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("incarnation: restored_at: %w", err)
		}
		restored = time.UnixMicro(micros)
	}
	return name, restored, nil
}

func (d *DB) randomName() string {
	random := d.Random
	if random == nil {
		random = crand.Reader // it never fails: it ends the process where the system has no randomness
	}
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		panic("database: no randomness: " + err.Error())
	}
	return hex.EncodeToString(b)
}
