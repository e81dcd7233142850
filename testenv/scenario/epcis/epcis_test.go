// Package epcis_test lets a day at the docks leave one collector as an EPCIS document and enter another, with the program itself.
package epcis_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const patience = 4 * time.Minute

// collector is the program with one configuration.
type collector struct{ program, config string }

func (c collector) run(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, append(args, "--config", c.config)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%v: %w: %s", args, err, said.String())
	}
	return out, err
}

func (c collector) must(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := c.run(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// facts are the bodies of all events that EPCIS has a form for, by id.
func (c collector) facts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range bytes.Lines(c.must(t, "export", "--tenant", "main", "--format", "jsonl")) {
		var l struct{ Event json.RawMessage }
		e := &docklinev1.Event{}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(l.Event, e); err != nil {
			t.Fatal(err)
		}
		if epcis.HasForm(e.GetKind()) && e.GetDoubleOf() == "" {
			found[e.GetId()] = fmt.Sprintf("%s at %s from %s: %x", event.KindName(e.GetKind()), e.GetSite(), e.GetSource(), event.BodyHash(e))
		}
	}
	return found
}

// another is a second collector of the same tenant, which runs and has heard of nothing.
func another(t *testing.T, w *world.World) collector {
	t.Helper()
	folder := t.TempDir()
	c := collector{world.Program(w.Config.Bin, "dockline-collector"), filepath.Join(folder, "collector.yaml")}
	broker, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	web, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("data_dir: %q\nmqtt: {listen: \"127.0.0.1:%d\"}\nhttp: {listen: \"127.0.0.1:%d\"}\n", filepath.Join(folder, "data"), broker, web)
	if err := os.WriteFile(c.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	process := world.NewProcess("another", folder, c.program, "run", "--config", c.config)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Stop() })
	return c
}

// A day leaves one collector as an EPCIS document while it is at work, and enters another as the same facts; a second time nothing changes.
//
// Shows: A13
func TestADayLeavesAsEPCISAndEntersElsewhere(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 13, MovementsPerSecond: 10})
	worldtest.Orders(t, w, testenv.Count("epcis.orders"))
	worldtest.Settle(t, w, patience)
	here := collector{world.Program(w.Config.Bin, "dockline-collector"), filepath.Join(w.Config.Dir, "collector.yaml")}
	file := filepath.Join(t.TempDir(), "day.jsonld")
	here.must(t, "export", "--tenant", "main", "--format", "epcis", "--out", file)
	want := here.facts(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
		events++
		if !epcis.Matches(c.Event.Get("eventID").(string), c.Event, c.Context) {
			t.Errorf("%s has an id that is not its hash", c.Where)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) < 50 || events < len(want) {
		t.Fatalf("too little happened: %d events, %d of EPCIS", len(want), events)
	}

	there := another(t, w)
	type result struct{ Read, Taken, Known, Refused int }
	var first, second result
	worldtest.Until(t, "the other collector to take the document", patience, func() (bool, error) {
		out, err := there.run(t, "import", "--tenant", "main", "--json", file)
		if err != nil {
			return false, nil // it is starting
		}
		return true, json.Unmarshal(out, &first)
	})
	if first.Read != events || first.Taken+first.Known != len(want) || first.Refused != 0 {
		t.Errorf("of %d events in %d of EPCIS: %+v", len(want), events, first)
	}
	if err := json.Unmarshal(there.must(t, "import", "--tenant", "main", "--json", file), &second); err != nil {
		t.Fatal(err)
	}
	if second.Taken != 0 || second.Known != len(want) {
		t.Errorf("imported again: %+v", second)
	}
	var got map[string]string
	worldtest.Until(t, "the other collector to give every event its place", patience, func() (bool, error) {
		got = there.facts(t)
		return len(got) >= len(want), nil
	})
	for id, fact := range want {
		if got[id] != fact {
			t.Errorf("%s became %q", fact, got[id])
		}
	}
	again := there.must(t, "export", "--tenant", "main", "--format", "epcis")
	if ids(t, again) != ids(t, text) {
		t.Error("exported there it has other ids than here")
	}
	testenv.Figure(t, "events of a day", len(want), "events of EPCIS", events, "KiB", len(text)>>10)
}

// ids are the ids of a document's events, whatever their order.
func ids(t *testing.T, text []byte) string {
	t.Helper()
	found := map[string]int{}
	if err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
		found[c.Event.Get("eventID").(string)]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(found)
}
