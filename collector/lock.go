package collector

import (
	"fmt"
	"os"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// lockWait is how long the lock of a process that has just been killed may still be held.
const lockWait = 2 * time.Second

// alone keeps a second collector off an SQLite database, by a lock on a file beside it that ends with the process. Two of them would
// post the same things. On PostgreSQL several may work, and there is no lock.
func alone(url string) (*os.File, error) {
	path, ok := db.SQLitePath(url)
	if !ok {
		return nil, nil
	}
	file, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if err = lockFile(file); err == nil {
			return file, nil
		}
		if time.Since(began) > lockWait {
			_ = file.Close() // nothing was written to it
			return nil, fmt.Errorf("database: another collector works on %s (%w): stop it, or give each its own data_dir; several collectors share one PostgreSQL", path, err)
		}
	}
}
