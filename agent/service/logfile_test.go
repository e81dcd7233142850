package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log that has grown is set beside and emptied while it is open; who writes goes on at its new end.
func TestBoundLog(t *testing.T) {
	folder := t.TempDir()
	file, err := openLog(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	old := strings.Repeat("a line of the log\n", 10)
	if _, err := file.WriteString(old); err != nil {
		t.Fatal(err)
	}
	if err := boundLog(folder, 1000); err != nil {
		t.Fatal(err)
	}
	is := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if is(LogFile) != old {
		t.Fatal("a short log was cut")
	}
	if err := boundLog(folder, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("after\n"); err != nil {
		t.Fatal(err)
	}
	if is(LogFile) != "after\n" || is(LogFile+".1") != old {
		t.Fatalf("log %q, beside it %q", is(LogFile), is(LogFile+".1"))
	}
}

// A log that is too long when the service starts is set beside whole, in place of the one before.
func TestOpenLog(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "logs")
	for range 2 {
		file, err := openLog(folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Truncate(logLimit + 1); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	file, err := openLog(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() != 0 {
		t.Fatalf("%v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(folder, LogFile+".1")); err != nil || info.Size() != logLimit+1 {
		t.Fatalf("%v, %v", info, err)
	}
}
