package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
)

// Backup writes the configured database as of now into a new file, also beside a collector at work: of SQLite a database file, or where portable
// is set, and of PostgreSQL always, a copy of which a database of either kind is restored.
func Backup(ctx context.Context, c *Config, path string, portable bool) (*db.CopyInfo, error) {
	d, err := OpenDatabase(ctx, c)
	if err != nil {
		return nil, err
	}
	info, err := d.Backup(ctx, path, portable)
	return info, errors.Join(err, d.Close())
}

// Restore puts a backup in the place of the configured database, of which no collector may be at work, and marks it. kept names the file or the
// schema of the database that was there.
func Restore(ctx context.Context, c *Config, from, by string) (kept string, err error) {
	marked := func(ctx context.Context, tx *db.Tx) error { return mark(ctx, tx, by, from) }
	if path, ok := db.SQLitePath(c.DatabaseURL()); ok {
		return restoreFile(ctx, c, from, path, marked)
	}
	if !db.IsCopy(from) {
		return "", fmt.Errorf("%s is no copy that backup made of PostgreSQL, or of SQLite with --portable; what pg_dump wrote is put back by pg_restore, and then dockline-collector restore --mark", from)
	}
	return db.RestorePostgres(ctx, from, c.DatabaseURL(), time.Now(), marked)
}

// restoreFile restores an SQLite database, which no collector opens meanwhile.
func restoreFile(ctx context.Context, c *Config, from, path string, marked db.Mark) (kept string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil { // a new machine has no data folder yet
		return "", fmt.Errorf("restore: %w", err)
	}
	m := &Collector{config: c}
	if err := m.alone(path + ".lock"); err != nil {
		return "", fmt.Errorf("restore: %w: one works on %s (%w)", db.ErrInUse, path, err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return db.Restore(ctx, from, path, time.Now(), marked)
}

// MarkRestored tells the configured database that it was put back to an older state by other means.
func MarkRestored(ctx context.Context, c *Config, by string) error {
	d, err := OpenDatabase(ctx, c)
	if err != nil {
		return err
	}
	err = d.Write(ctx, func(tx *db.Tx) error { return mark(ctx, tx, by, "") })
	return errors.Join(err, d.Close())
}

// Restored brings what the database tells others in line with its having been put back by now; its new incarnation it has already.
func Restored(ctx context.Context, tx *db.Tx, now time.Time) error {
	if err := downlink.Restored(ctx, tx); err != nil {
		return err
	}
	if err := master.Restored(ctx, tx); err != nil {
		return err
	}
	return posting.Restored(ctx, tx, now)
}

// mark gives a new incarnation, so that sites send again what is missing, and has the postings look before they send.
func mark(ctx context.Context, tx *db.Tx, by, from string) error {
	now := time.Now()
	if err := people.AllowEverywhere(ctx, tx, by, people.SystemAct); err != nil {
		return err
	}
	if _, err := tx.NewIncarnation(ctx, now); err != nil {
		return err
	}
	if err := Restored(ctx, tx, now); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Tenant: audit.Everywhere, By: by, Action: "database.restore", Object: from}, now)
}
