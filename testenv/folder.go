package testenv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// Folder is t.TempDir, but on Windows emptied name by name: Wine 8 can't do what os.RemoveAll asks of it. As with t.TempDir a file
// that is still open there fails the test. Names that match mayStay are left where they can't be removed.
func Folder(t testing.TB, mayStay ...string) string {
	t.Helper()
	if runtime.GOOS != "windows" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("", "dockline")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := empty(dir, mayStay); err != nil {
			t.Errorf("remove the test's folder: %v", err)
		}
	})
	return dir
}

// empty removes dir and all in it, each name before its folder.
func empty(dir string, mayStay []string) (err error) {
	var paths []string
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	for _, path := range slices.Backward(paths) {
		if e := os.Remove(path); e != nil && !stays(path, mayStay) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// stays says whether path, or all that is still in it, may stay.
func stays(path string, mayStay []string) bool {
	for _, pattern := range mayStay {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok {
			return true
		}
	}
	names, err := os.ReadDir(path)
	return err == nil && len(names) > 0 && !slices.ContainsFunc(names, func(name fs.DirEntry) bool { return !stays(filepath.Join(path, name.Name()), mayStay) })
}
