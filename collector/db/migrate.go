package db

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationTable is where it stands which migrations have run.
const migrationTable = "goose_db_version"

// Migrate brings the tables to the newest version that this build knows; those of a newer one stay, if it can work with them. Several
// collectors may call it at once, and others may be at work meanwhile.
func (d *DB) Migrate(ctx context.Context) error {
	provider, err := d.migrations()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for try := 1; ; try++ {
		err := d.onlyOnce(ctx, provider)
		if err == nil {
			_, err = provider.Up(ctx)
		}
		if err == nil {
			err := d.Read(ctx, func(tx *Tx) error { return tx.Tolerates(ctx) })
			if err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			return nil
		}
		// On SQLite a command that came at the same moment may have run the same step.
		if d.postgres || noRoom(err) || try == migrateTries {
			return fmt.Errorf("migrate: %w", d.advised(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 30 * time.Millisecond):
		}
	}
}

// onlyOnce keeps two that come to an SQLite database at the same moment from running the same step, some of which would take away what a later
// one has made: goose has no lock for SQLite, but a step and the row that says it has run are one transaction, and a second such row is refused.
func (d *DB) onlyOnce(ctx context.Context, provider *goose.Provider) error {
	if d.postgres {
		return nil // a session's lock is over all of it
	}
	if _, err := provider.GetDBVersion(ctx); err != nil { // makes the table
		return err
	}
	const index = `CREATE UNIQUE INDEX IF NOT EXISTS ` + migrationTable + `_once ON ` + migrationTable + ` (version_id)`
	if _, err := d.pool.ExecContext(ctx, index); err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		return err
	}
	// An older build has run a step twice. What came of it is as it is; the second row only keeps this one from starting.
	_, err := d.pool.ExecContext(ctx, `DELETE FROM `+migrationTable+` WHERE id NOT IN (SELECT min(id) FROM `+migrationTable+` GROUP BY version_id)`)
	if err == nil {
		_, err = d.pool.ExecContext(ctx, index)
	}
	return err
}

// migrations runs the steps from one version of the tables to the next.
func (d *DB) migrations() (*goose.Provider, error) {
	dialect := goose.DialectSQLite3
	// A step may be younger than its number: a build between two versions has later ones and lacks it. Steps stand by themselves, so it runs then.
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true)}
	if d.postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, d.pool, rendered{folder, d.types()}, options...)
}

// version of the tables.
func (d *DB) version(ctx context.Context) (int64, error) {
	provider, err := d.migrations()
	if err != nil {
		return 0, err
	}
	return provider.GetDBVersion(ctx)
}

// ErrNewer: a copy is of a newer version of the collector than this one.
var ErrNewer = errors.New("made by a newer version of the collector")

// migrateTo makes the tables of a version, in a database that has none.
func (d *DB) migrateTo(ctx context.Context, version int64) error {
	provider, err := d.migrations()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	known := false
	for _, source := range provider.ListSources() {
		known = known || source.Version == version
	}
	if !known {
		return fmt.Errorf("tables of version %d: %w", version, ErrNewer)
	}
	if _, err = provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

const migrateTries = 12

// rendered is a folder of migrations with the dialect's types filled in.
type rendered struct {
	fs.FS
	types map[string]string
}

// Open opens a file with its types filled in.
func (r rendered) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	defer f.Close()
	text, err := fs.ReadFile(r.FS, name)
	if err != nil {
		return nil, err
	}
	for from, to := range r.types {
		text = bytes.ReplaceAll(text, []byte(from), []byte(to))
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &renderedFile{bytes.NewReader(text), info}, nil
}

// renderedFile is a rendered migration. Its FileInfo has the size before rendering, which nobody asks for.
type renderedFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *renderedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *renderedFile) Close() error               { return nil }
