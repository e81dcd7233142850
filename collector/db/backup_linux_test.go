package db_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dockline/dockline/collector/db"
)

// A restore never leaves its place empty, be it for a moment: who is cut off then would have the next collector begin with an empty database.
func TestARestoreNeverLeavesItsPlaceEmpty(t *testing.T) {
	folder := t.TempDir()
	path, backup := filepath.Join(folder, "collector.db"), filepath.Join(t.TempDir(), "backup.db")
	migrate(t, "sqlite:"+path)
	d, err := db.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Backup(t.Context(), backup, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, folder, unix.IN_MOVED_FROM|unix.IN_MOVED_TO|unix.IN_DELETE); err != nil {
		t.Fatal(err)
	}
	kept, err := db.Restore(t.Context(), backup, path, time.Date(2026, 11, 27, 5, 0, 0, 0, time.UTC), mark(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	seen := make([]byte, 64<<10)
	n, err := unix.Read(watch, seen)
	if err != nil {
		t.Fatal(err)
	}
	placed := false
	for at := 0; at < n; {
		mask := uint32(seen[at+4]) | uint32(seen[at+5])<<8 | uint32(seen[at+6])<<16 | uint32(seen[at+7])<<24 // the machines that this runs on begin with the lowest byte
		length := int(seen[at+12]) | int(seen[at+13])<<8
		name := string(bytes.TrimRight(seen[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+length], "\x00"))
		at += unix.SizeofInotifyEvent + length
		if name != filepath.Base(path) {
			continue
		}
		placed = placed || mask&unix.IN_MOVED_TO != 0
		if mask&(unix.IN_MOVED_FROM|unix.IN_DELETE) != 0 {
			t.Errorf("its name was free for a while (%#x)", mask)
		}
	}
	if !placed {
		t.Error("nothing was put in its place")
	}
}
