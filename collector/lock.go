package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/filelock"
)

// lockWait is how long the lock of a process that has just been killed may still be held.
const lockWait = 2 * time.Second

// lock keeps a second collector off an SQLite database and off the data folder, by locks on files that end with the process. Two on one
// SQLite would post the same things. On PostgreSQL several may work, each with a folder of its own.
func (m *Collector) lock() error {
	if path, ok := db.SQLitePath(m.config.DatabaseURL()); ok {
		if err := m.alone(path + ".lock"); errors.Is(err, filelock.ErrHeld) {
			return fmt.Errorf("database: another collector works on %s (%w): stop it, or give each its own data_dir; several collectors share one PostgreSQL", path, err)
		} else if err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if err := m.alone(m.config.Path("collector.lock")); errors.Is(err, filelock.ErrHeld) {
		return fmt.Errorf("data_dir: another collector works in %s (%w): stop it, or give each its own data_dir", m.config.DataDir, err)
	} else if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}

// alone locks a file until the collector is closed.
func (m *Collector) alone(path string) error {
	file, err := filelock.Take(path, lockWait)
	if err == nil {
		m.locks = append(m.locks, file)
	}
	return err
}
