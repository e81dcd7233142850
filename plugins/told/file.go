// Package told remembers, for a source that reads the same records again and again, what it told of them: what has not changed is not told twice, and
// what was corrected or is gone is taken back.
package told

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// OpenFile opens a database file of a plugin's own, or begins another where it is damaged: the damaged one is set aside. Use makes the tables.
func OpenFile(ctx context.Context, path string, use func(context.Context, *sql.DB) error) (*sql.DB, error) {
	db, err := tryFile(ctx, path, use)
	if err == nil || ctx.Err() != nil {
		return db, err
	}
	if _, statErr := os.Stat(path); statErr != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", filepath.Base(path), err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is damaged and cannot be set aside: %w", filepath.Base(path), err)
		}
	}
	if err := os.Rename(path, path+".damaged"); err != nil {
		return nil, fmt.Errorf("%s is damaged and cannot be set aside: %w", filepath.Base(path), err)
	}
	return tryFile(ctx, path, use)
}

func tryFile(ctx context.Context, path string, use func(context.Context, *sql.DB) error) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	address := filepath.ToSlash(absolute)
	if address[0] != '/' {
		address = "/" + address // C:\...
	}
	file := url.URL{Scheme: "file", Path: address}
	db, err := sql.Open("sqlite", file.String()+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_pragma=cache_size(-4096)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := use(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
