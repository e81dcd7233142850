package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	// ErrNotHere: the operation is PostgreSQL's own.
	ErrNotHere = errors.New("a PostgreSQL database is backed up and restored with its own tools")
	// ErrInUse: another process has the database open.
	ErrInUse = errors.New("the database is in use: stop the collector first")
	// ErrDamaged: the file is no whole database.
	ErrDamaged = errors.New("not a whole database")
)

// SQLitePath is the file of an "sqlite:PATH" URL.
func SQLitePath(url string) (path string, ok bool) { return strings.CutPrefix(url, "sqlite:") }

// Backup writes the database as of one moment into a new file, while it is at work; PostgreSQL is ErrNotHere. The file is whole and
// synced when it has its name.
func (d *DB) Backup(ctx context.Context, path string) error {
	if d.postgres {
		return ErrNotHere
	}
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("backup: %w: %s", os.ErrExist, path)
	}
	unfinished := path + ".tmp"
	if err := os.Remove(unfinished); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("backup: %w", err)
	}
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `VACUUM INTO ?`, unfinished); err != nil {
		os.Remove(unfinished)
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.Chmod(unfinished, 0o600); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return place(unfinished, path)
}

// Restore puts a backup in the place of the SQLite database at path, which nobody may have open. The backup is checked, brought to this
// version's tables and given to mark first; nothing is touched where any of that fails. The database that was there is kept under the
// name returned, "" where there was none.
func Restore(ctx context.Context, from, path string, now time.Time, mark func(*DB) error) (kept string, err error) {
	fresh := path + ".restoring"
	if err := removeDatabase(fresh); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := copyFile(from, fresh); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := prepare(ctx, fresh, mark); err != nil {
		return "", errors.Join(fmt.Errorf("restore %s: %w", from, err), removeDatabase(fresh))
	}
	if _, err := os.Stat(path); err == nil {
		if err := foldInto(ctx, path); err != nil {
			return "", errors.Join(fmt.Errorf("restore: %w", err), removeDatabase(fresh))
		}
		kept = path + ".before-restore-" + now.UTC().Format("20060102T150405")
		if err := os.Rename(path, kept); err != nil {
			return "", fmt.Errorf("restore: %w", err)
		}
	}
	return kept, place(fresh, path)
}

// prepare checks a copy, migrates it and marks it, and leaves one file.
func prepare(ctx context.Context, path string, mark func(*DB) error) error {
	d, err := openSQLite(path)
	if err != nil {
		return err
	}
	err = func() error {
		var said string
		if err := d.readPool.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if said != "ok" {
			return fmt.Errorf("%w: %s", ErrDamaged, said)
		}
		var tables int
		if err := d.readPool.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'event_identity'`).Scan(&tables); err != nil || tables != 1 {
			return fmt.Errorf("%w of a collector", ErrDamaged)
		}
		if err := d.Migrate(ctx); err != nil {
			return err
		}
		return mark(d)
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
