package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
)

// young is how old a backup may be that is put back: sites keep what was acknowledged for longer, and so nothing is lost.
const young = 40 * time.Minute

// backupOrRestore copies the database, or puts the copy in its place.
func (c *centre) backupOrRestore(ctx context.Context) error {
	w := c.world
	return c.quietly(func() error {
		if c.backup != "" && w.now.Sub(c.backedUp) < young && w.r.IntN(2) == 0 {
			return c.restore(ctx)
		}
		if c.backup != "" {
			if err := os.Remove(c.backup); err != nil {
				return err
			}
		}
		c.backup, c.backedUp, c.backedActs = filepath.Join(w.dir, "backup.db"), w.now, w.acts
		w.trace.add(w.now, "centre: the database is backed up")
		_, err := c.db.Backup(ctx, c.backup, false)
		return err
	})
}

// restore ends every collector, puts the copy in the place of the database, and starts them; the database is told, as
// dockline-collector restore does, or nobody tells it.
func (c *centre) restore(ctx context.Context) error {
	w := c.world
	told := w.r.IntN(2) == 0
	w.unsaid = w.unsaid || !told
	for _, s := range w.sites {
		s.lossy = s.lossy || w.keep == 0 // what a younger database had acknowledged is nowhere any more
	}
	w.fault(databaseRestored)
	w.trace.add(w.now, "centre: the database is put back to %s, and told so: %t", c.backedUp.Format(time.TimeOnly), told)
	if err := c.db.Close(); err != nil {
		return err
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(c.path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	body, err := os.ReadFile(c.backup)
	if err == nil {
		err = os.WriteFile(c.path, body, 0o600)
	}
	if err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	if c.db, err = db.Open(ctx, "sqlite:"+c.path); err != nil {
		return err
	}
	c.adopt()
	w.acts = c.backedActs
	if told {
		err := c.db.Write(ctx, func(tx *db.Tx) error {
			if _, err := tx.NewIncarnation(ctx, w.now); err != nil {
				return err
			}
			return collector.Restored(ctx, tx, w.now)
		})
		if err != nil {
			return err
		}
	}
	return c.startAll(ctx)
}
