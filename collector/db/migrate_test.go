package db_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dockline/dockline/collector/db"
)

// A collector and a command that come to a new SQLite database at the same moment both find it ready.
func TestTwoMakeTheTablesAtOnce(t *testing.T) {
	for n := range 5 {
		url := "sqlite:" + filepath.Join(t.TempDir(), fmt.Sprint(n, ".db"))
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				d, err := db.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				defer d.Close()
				if err := d.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
}
