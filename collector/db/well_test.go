package db_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

// Well must change something each time: a row set to what it holds is not written, and says nothing of the disk.
func TestWellMakesARealChange(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
		d.Now = func() time.Time { return now }
		seen := map[int64]bool{}
		for range 3 {
			if err := d.Well(t.Context()); err != nil {
				t.Fatal(err)
			}
			var value int64
			if err := d.Read(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT expires_at FROM lease WHERE name = ?`, "well").Scan(&value)
			}); err != nil {
				t.Fatal(err)
			}
			if len(seen) > 0 && seen[value] {
				t.Errorf("the row holds %d again", value)
			}
			clear(seen)
			seen[value] = true
		}
	})
}

func TestWellSaysThatNothingCanBeWritten(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		if err := d.Well(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(t.Context(), `UPDATE lease SET holder = ? WHERE name = ?`, "somebody", "well"); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if d.Well(ctx) == nil {
				t.Error("called well while another holds the row")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A database without room says where to make some: the bare error names neither the disk nor what becomes of what is there.
func TestNoRoomSaysWhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "collector.db")
	migrate(t, "sqlite:"+path)
	d, err := db.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		var pages int64
		if err := tx.QueryRow(t.Context(), `PRAGMA max_page_count = 1`).Scan(&pages); err != nil { // as many as it has now
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO meta (name, value) VALUES (?, ?)`, "large", strings.Repeat("x", 1<<20))
		return err
	})
	if !db.Away(err) || !strings.Contains(err.Error(), "make room on the disk of "+path) {
		t.Errorf("%v", err)
	}
}
