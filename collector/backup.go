package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
)

// Backup writes the configured database as of now into a new file, also beside a collector at work. A PostgreSQL database is not ours to
// copy: the error says how.
func Backup(ctx context.Context, c *Config, path string) error {
	if _, ok := db.SQLitePath(c.DatabaseURL()); !ok {
		return fmt.Errorf("%w: pg_dump --format=custom --file=%s DATABASE, at any time", db.ErrNotHere, path)
	}
	d, err := OpenDatabase(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(d.Backup(ctx, path), d.Close())
}

// Restore puts a backup in the place of the configured SQLite database, of which no collector may be at work, and marks it. kept names the
// database that was there.
func Restore(ctx context.Context, c *Config, from, by string) (kept string, err error) {
	path, ok := db.SQLitePath(c.DatabaseURL())
	if !ok {
		return "", fmt.Errorf("%w: stop every collector, pg_restore --clean --if-exists --dbname=DATABASE %s, then dockline-collector restore --mark", db.ErrNotHere, from)
	}
	return db.Restore(ctx, from, path, time.Now(), func(d *db.DB) error { return mark(ctx, d, by, from) })
}

// MarkRestored tells the configured database that it was put back to an older state by other means.
func MarkRestored(ctx context.Context, c *Config, by string) error {
	d, err := OpenDatabase(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(mark(ctx, d, by, ""), d.Close())
}

// Restored brings what the database tells others in line with its having been put back by now; its new incarnation it has already.
func Restored(ctx context.Context, tx *db.Tx, now time.Time) error {
	if err := downlink.Restored(ctx, tx); err != nil {
		return err
	}
	return posting.Restored(ctx, tx, now)
}

// mark gives a new incarnation, so that sites send again what is missing, and has the postings look before they send.
func mark(ctx context.Context, d *db.DB, by, from string) error {
	now := time.Now()
	return d.Write(ctx, func(tx *db.Tx) error {
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
	})
}
