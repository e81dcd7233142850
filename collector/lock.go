package collector

import (
	"fmt"
	"os"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// lockWait is how long the lock of a process that has just been killed may still be held.
const lockWait = 2 * time.Second

// lock keeps a second collector off an SQLite database and off the data folder, by locks on files that end with the process. Two on one
// SQLite would post the same things. On PostgreSQL several may work, each with a folder of its own.
func (m *Collector) lock() error {
	if path, ok := db.SQLitePath(m.config.DatabaseURL()); ok {
		if err := m.alone(path + ".lock"); err != nil {
			return fmt.Errorf("database: another collector works on %s (%w): stop it, or give each its own data_dir; several collectors share one PostgreSQL", path, err)
		}
	}
	if err := m.alone(m.config.Path("collector.lock")); err != nil {
		return fmt.Errorf("data_dir: another collector works in %s (%w): stop it, or give each its own data_dir", m.config.DataDir, err)
	}
	return nil
}

// alone locks a file until the collector is closed.
func (m *Collector) alone(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if err = lockFile(file); err == nil {
			m.locks = append(m.locks, file)
			return nil
		}
		if time.Since(began) > lockWait {
			_ = file.Close() // nothing was written to it
			return err
		}
	}
}
