// Package kinds_test shows that everything a site may tell goes the whole road: from a row of a file, by agent and collector, to the event log and out.
package kinds_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/cloudevent"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const (
	patience = 4 * time.Minute
	plugin   = "../../../plugins/wms-file"
)

// A WMS writes one journal with a row of every kind that a site may tell. The real agent reads it with the sample configuration and sends it; the
// log then has one event of each kind, whole and with its own id, nothing is refused, and an export gives each as a CloudEvent that tells the same.
//
// Shows: S39
func TestEveryKindOfASiteReachesTheLog(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	for _, folder := range []string{out, filepath.Join(dir, "in")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := worldtest.Open(t, world.Config{Seed: 39, Sites: []string{world.FileSite}, Plugins: map[string][]world.Plugin{
		world.FileSite: {{ID: "journal", Program: "wms-file", Config: journalConfig(t, dir)}}}})
	sample, err := os.ReadFile(filepath.Join(plugin, "testdata/sample/journal-0001.csv"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "journal-0001.csv"), sample, 0o644)
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, "journal-0001.csv"), filepath.Join(out, "journal-0001.csv"))
	}
	if err != nil {
		t.Fatal(err)
	}
	told := map[docklinev1.EventKind][]*docklinev1.Event{}
	after := uint64(0)
	worldtest.Until(t, fmt.Sprintf("%d kinds in the log", len(mapping.Kinds())), patience, func() (bool, error) {
		events, next, err := w.Events(t.Context(), after)
		if err != nil {
			return false, err
		}
		after = next
		for _, e := range events {
			if e.GetSource() == "journal" {
				told[e.GetKind()] = append(told[e.GetKind()], e)
			}
		}
		return len(told) >= len(mapping.Kinds()), nil
	})
	exported := export(t, w)
	for _, kind := range mapping.Kinds() {
		events := told[kind]
		if len(events) != 1 {
			t.Errorf("%s: %d events", event.KindName(kind), len(events))
			continue
		}
		e := events[0]
		whole := proto.CloneOf(e)
		whole.Id, whole.Traceparent = "", ""
		event.Restore(whole)
		if f := event.Validate(e); f != nil || e.GetSite() != world.FileSite || e.GetId() != whole.Id || e.GetTraceparent() != whole.Traceparent || e.GetSubject() == "" {
			t.Errorf("%s: %v, %v", event.KindName(kind), e, f)
		}
		if !proto.Equal(exported[e.GetId()], e) {
			t.Errorf("%s was exported as %v\nand is %v", event.KindName(kind), exported[e.GetId()], e)
		}
	}
	if refused := told[docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED]; len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

// journalConfig is the plugin's sample with folders of its own.
func journalConfig(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(plugin, "sample-journal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^outbound: .*$`).ReplaceAll(text, fmt.Appendf(nil, "outbound: %q\npoll: 100ms\ncomplete: {by: rename}", filepath.Join(dir, "out")))
	return string(regexp.MustCompile(`(?m)^inbound: .*$`).ReplaceAll(text, fmt.Appendf(nil, "inbound: %q", filepath.Join(dir, "in"))))
}

// export is what the command writes, by id, after it was read as CloudEvents.
func export(t *testing.T, w *world.World) map[string]*docklinev1.Event {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.jsonl")
	said, err := world.RunProgram(t.Context(), world.Program(w.Config.Bin, "dockline-collector"), "export", "--tenant", w.Config.Tenant, "--site", world.FileSite, "--out", path,
		"--config", filepath.Join(w.Config.Dir, "collector.yaml"))
	if err != nil {
		t.Fatalf("%v %s", err, said)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*docklinev1.Event{}
	for line := range bytes.Lines(text) {
		var c cloudevent.Event
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		e, _, err := c.Dockline()
		if err != nil {
			t.Fatal(err)
		}
		all[e.GetId()] = e
	}
	return all
}
