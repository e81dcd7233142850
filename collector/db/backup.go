package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	// ErrInUse: another process has the database open.
	ErrInUse = errors.New("the database is in use: stop every collector first")
	// ErrDamaged: the file is no whole database.
	ErrDamaged = errors.New("not a whole database")
)

// SQLitePath is the file of an "sqlite:PATH" URL.
func SQLitePath(url string) (path string, ok bool) { return strings.CutPrefix(url, "sqlite:") }

// Backup writes the database as of one moment into a new file, while it is at work: an SQLite database as such a file, or, where portable is set
// and always of PostgreSQL, as a copy of which either engine is restored. The file is whole, synced and read back when it has its name.
func (d *DB) Backup(ctx context.Context, path string, portable bool) (*CopyInfo, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("backup: %w: %s", os.ErrExist, path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil { // SQLite names a file that nobody has asked for
		return nil, fmt.Errorf("backup: the folder of %s: %w; make it, or write the backup elsewhere", path, err)
	}
	unfinished := path + ".tmp"
	if err := os.Remove(unfinished); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("backup: %w", err)
	}
	info, err := d.backupInto(ctx, unfinished, portable || d.postgres)
	if err != nil {
		os.Remove(unfinished)
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := place(unfinished, path); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return info, nil
}

func (d *DB) backupInto(ctx context.Context, path string, portable bool) (*CopyInfo, error) {
	if portable {
		return d.copyInto(ctx, path)
	}
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `VACUUM INTO ?`, path); noRoom(err) {
		return nil, fmt.Errorf("%w; make room on the disk of %s, or on that of SQLite's temporary files, or write it elsewhere", err, path)
	} else if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return lookInto(ctx, path)
}

// lookInto opens a backup of SQLite, checks it and counts its rows.
func lookInto(ctx context.Context, path string) (*CopyInfo, error) {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	pool, err := sql.Open("sqlite", name+"?mode=ro&_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	b := &DB{pool: pool, readPool: pool, write: slots(1), first: make(chan *session), read: slots(1)}
	defer b.Close()
	info := &CopyInfo{CopyHead: CopyHead{Engine: "sqlite"}, Rows: make(map[string]int64)}
	err = b.Read(ctx, func(tx *Tx) error {
		if err := tx.whole(ctx); err != nil {
			return err
		}
		if info.Incarnation, _, err = tx.Incarnation(ctx, false); err != nil {
			return err
		}
		tables, err := tx.tables(ctx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			var n int64
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
				return err
			}
			info.Rows[table] = n
		}
		return tx.QueryRow(ctx, `SELECT max(version_id) FROM `+migrationTable).Scan(&info.Version)
	})
	if err != nil {
		return nil, err
	}
	at, err := os.Stat(path)
	if err == nil {
		info.Bytes, info.At = at.Size(), at.ModTime().UTC()
	}
	return info, err
}

// whole says whether an SQLite file is a whole database of a collector.
func (tx *Tx) whole(ctx context.Context) error {
	var said string
	if err := tx.QueryRow(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if said != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, said)
	}
	var tables int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'event_identity'`).Scan(&tables); err != nil || tables != 1 {
		return fmt.Errorf("%w of a collector", ErrDamaged)
	}
	return nil
}

// copyInto writes a copy, syncs it and reads it back.
func (d *DB) copyInto(ctx context.Context, path string) (*CopyInfo, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	written, err := d.WriteCopy(ctx, file)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, err
	}
	back, err := ReadCopy(path, nil, nil)
	if err != nil {
		return nil, err
	}
	if back.SHA256 != written.SHA256 || !maps.Equal(back.Rows, written.Rows) {
		return nil, fmt.Errorf("%w: what was written reads back otherwise", ErrDamaged)
	}
	return back, nil
}

// Look says what a backup holds, and whether it is whole.
func Look(ctx context.Context, path string) (*CopyInfo, error) {
	if IsCopy(path) {
		return ReadCopy(path, nil, nil)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	back, err := lookInto(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return back, nil
}

// Restore puts a backup, of either form, in the place of the SQLite database at path, which nobody may have open. The backup is checked, brought to this
// version's tables and given to mark first; nothing is touched where any of that fails. The database that was there is kept under the
// name returned, "" where there was none.
func Restore(ctx context.Context, from, path string, now time.Time, mark Mark) (kept string, err error) {
	fresh := path + ".restoring"
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil { // a new machine has no data folder yet
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := removeDatabase(fresh); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := fillFresh(ctx, from, fresh); err != nil {
		return "", errors.Join(fmt.Errorf("restore: %w", err), removeDatabase(fresh))
	}
	if err := prepare(ctx, fresh, mark); err != nil {
		return "", errors.Join(fmt.Errorf("restore %s: %w", from, err), removeDatabase(fresh))
	}
	if _, err := os.Stat(path); err == nil {
		if err := foldInto(ctx, path); err != nil {
			return "", errors.Join(fmt.Errorf("restore: %w", err), removeDatabase(fresh))
		}
		kept = path + ".before-restore-" + now.UTC().Format("20060102T150405")
		if err := keep(path, kept); err != nil {
			return "", fmt.Errorf("restore: %w", err)
		}
	}
	return kept, place(fresh, path)
}

// keep gives a database a second name. It has the first one until another file takes it: were there none in between, a restore that is cut off then
// would leave the next collector to begin with an empty database. Where files cannot have two names it is moved.
func keep(path, kept string) error {
	if err := os.Link(path, kept); err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Rename(path, kept)
}

// fillFresh makes a database of a backup.
func fillFresh(ctx context.Context, from, fresh string) error {
	if !IsCopy(from) {
		return copyFile(from, fresh)
	}
	d, err := openSQLite(fresh)
	if err != nil {
		return err
	}
	return errors.Join(d.load(ctx, from), d.Close())
}

// prepare checks a copy, migrates it and marks it, and leaves one file.
func prepare(ctx context.Context, path string, mark Mark) error {
	d, err := openSQLite(path)
	if err != nil {
		return err
	}
	err = func() error {
		if err := d.Read(ctx, func(tx *Tx) error { return tx.whole(ctx) }); err != nil {
			return err
		}
		if err := d.Migrate(ctx); err != nil {
			return err
		}
		return d.Write(ctx, func(tx *Tx) error { return mark(ctx, tx) })
	}()
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	return foldInto(ctx, path)
}

// foldInto brings what the WAL holds into the file itself, which needs it alone: ErrInUse where it is not.
func foldInto(ctx context.Context, path string) error {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	pool, err := sql.Open("sqlite", name+"?_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	var mode string
	if err := pool.QueryRowContext(ctx, `PRAGMA journal_mode = DELETE`).Scan(&mode); err != nil {
		if retryable(err) {
			return ErrInUse
		}
		return err
	}
	if mode != "delete" {
		return ErrInUse
	}
	return pool.Close()
}

func removeDatabase(path string) error {
	var errs []error
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + end); err != nil && !os.IsNotExist(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// place syncs a file and gives it its name.
func place(unfinished, path string) error {
	file, err := os.OpenFile(unfinished, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
