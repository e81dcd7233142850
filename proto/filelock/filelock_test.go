package filelock_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/filelock"
)

// TestOneHasTheLock: whoever comes second is refused, with the file's name, until the first gives it back.
func TestOneHasTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Take(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Take(path, 0); !errors.Is(err, filelock.ErrHeld) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second holder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := filelock.Take(path, 0)
	if err != nil {
		t.Fatalf("given back, and still taken: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Take(filepath.Join(path, "under a file"), 0); err == nil || errors.Is(err, filelock.ErrHeld) {
		t.Errorf("a lock where no file can be: %v", err)
	}
}
