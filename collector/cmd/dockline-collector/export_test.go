package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/proto/event"
)

func TestAnExportIsChosenByItsFlags(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	var c exportLogCommand
	parser := kong.Must(&c, kong.Vars{"formats": strings.Join(export.Names(), ",")})
	if _, err := parser.Parse(strings.Fields("--tenant main --after 7 --upto 9 --since 36h --before 2026-03-02T06:00:00Z --site dc-east,centre --kind pick.*,order.held --order SO1,SO/2")); err != nil {
		t.Fatal(err)
	}
	s, err := c.selection(now)
	if err != nil || s.Tenant != "main" || s.After != 7 || s.Upto != 9 || !s.Since.Equal(now.Add(-36*time.Hour)) || s.Before.Hour() != 6 || !slices.Equal(s.Sites, []string{"dc-east", ""}) ||
		len(s.Kinds) != 4 || !slices.Equal(s.Keys, []string{event.OrderKey("SO1"), event.OrderKey("SO/2")}) || c.Format != "cloudevents" {
		t.Errorf("%+v, %v", s, err)
	}
	for flags, says := range map[string]string{"--kind parcel.lost": "--kind", "--since yesterday": "--since", "--before 2026": "--before"} {
		var c exportLogCommand
		if _, err := kong.Must(&c, kong.Vars{"formats": strings.Join(export.Names(), ",")}).Parse(append([]string{"--tenant", "main"}, strings.Fields(flags)...)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.selection(now); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", flags, err)
		}
	}
	if _, err := parser.Parse([]string{"--tenant", "main", "--format", "xml"}); err == nil || !strings.Contains(err.Error(), "jsonl") {
		t.Errorf("an unknown form: %v", err)
	}
}

// A file takes its name only when it is whole: one that is there stays as it was, and nothing half lies beside it.
func TestAnExportIsThereWhenItIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no space left on device")
	if err := into(path, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "before" {
		t.Errorf("the file holds %q", text)
	}
	if err := into(path, func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(path)
	if left, _ := os.ReadDir(filepath.Dir(path)); string(text) != "whole" || len(left) != 1 {
		t.Errorf("the file holds %q, and beside it lie %v", text, left)
	}
}
