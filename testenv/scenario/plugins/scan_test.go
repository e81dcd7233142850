package plugins_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// station is a packing station at an agent.
type station struct {
	*agent
	scans, display string
	began          time.Time
}

func newStation(t *testing.T, rules string) *station {
	t.Helper()
	dir := t.TempDir()
	s := &station{scans: filepath.Join(dir, "scans"), display: filepath.Join(dir, "display"), began: time.Now()}
	s.agent = newAgent(t, fmt.Sprintf("  - {id: station, path: PROGRAMS/scans, config: {scans: %q, display: %q}}\n%s", s.scans, s.display, rules))
	return s
}

// scan packs an item so many seconds after the beginning, and returns what the station shows.
func (s *station) scan(key, unit, item string, second int) string {
	s.t.Helper()
	file, err := os.OpenFile(s.scans, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintln(file, key, unit, item, s.began.Add(time.Duration(second)*time.Second).Unix())
	if err := file.Close(); err != nil {
		s.t.Fatal(err)
	}
	var shown string
	eventually(s.t, patience, "an answer to scan "+key, func() bool {
		text, _ := os.ReadFile(s.display)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, key+" ") {
				shown = strings.TrimSpace(strings.TrimPrefix(line, key))
			}
		}
		return shown != ""
	})
	return shown
}

// Without any line to the centre, a carton that is scanned twice at one step is kept twice and counts once; the packer is told, also when the
// agent was killed in between. A carton with other content, and one scanned later, count.
func TestASecondScanIsSeenOffline(t *testing.T) {
	s := newStation(t, "rules: {double_scan: [{step: pack.confirmed, within: 20s}]}")
	want := func(key, shown, want string) {
		t.Helper()
		if shown != want {
			t.Errorf("scan %s shows %q, want %q", key, shown, want)
		}
	}
	want("a", s.scan("a", "LPN-1", "SKU-1", -60), "kept")
	want("b", s.scan("b", "LPN-1", "SKU-1", -57), "kept double_scan")
	want("c", s.scan("c", "LPN-2", "SKU-1", -56), "kept")
	want("d", s.scan("d", "LPN-1", "SKU-2", -55), "kept double_scan_differs")
	s.Kill()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	// The line is tried once the journal is taken up and the rules know what it has.
	eventually(t, patience, "the journal is taken up", func() bool { return strings.Count(s.Log(), "no link to the broker") == 2 })
	want("e", s.scan("e", "LPN-2", "SKU-1", -50), "kept double_scan")
	want("f", s.scan("f", "LPN-1", "SKU-1", -10), "kept")
	s.Stop()
	rows, _ := s.held()
	for key, double := range map[string]string{"a": "", "b": "a", "c": "", "d": "", "e": "c", "f": ""} {
		held := rows["station/"+key]
		if len(held) != 1 {
			t.Errorf("scan %s is held %d times", key, len(held))
			continue
		}
		first := ""
		if double != "" {
			first = idOf(rows["station/"+double][0])
		}
		if held[0].GetDoubleOf() != first || held[0].GetPack() == nil {
			t.Errorf("scan %s is marked %q, want %q", key, held[0].GetDoubleOf(), first)
		}
	}
}

// What the centre has told of items is known at the site while the line is down: a code that is not among them is warned of, or refused where
// the rule says so, and the event is kept either way.
func TestUnknownCodesAreSeenOffline(t *testing.T) {
	for answer, shows := range map[string]string{"warn": "kept unknown_item", "refuse": "refused", "ignore": "kept"} {
		t.Run(answer, func(t *testing.T) {
			s := newStation(t, "rules: {unknown: {item: "+answer+"}}")
			if shown := s.scan("a", "LPN-1", "SKU-9", 0); shown != "kept" {
				t.Errorf("before the centre has told of any item: %q", shown)
			}
			s.Stop()
			s.master("SKU-1")
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			if shown := s.scan("b", "LPN-2", "SKU-1", 1); shown != "kept" {
				t.Errorf("a known item: %q", shown)
			}
			if shown := s.scan("c", "LPN-3", "SKU-9", 2); shown != shows {
				t.Errorf("an unknown item: %q, want %q", shown, shows)
			}
			if c := s.condition("unknown_item", "item"); (c != nil) != (answer != "ignore") || c != nil && !strings.Contains(c.GetText(), "SKU-9") && !strings.Contains(c.GetText(), " more") { // the other plugin's items come first
				t.Errorf("condition %v", c)
			}
			s.Stop()
			rows, _ := s.held()
			letter := rows["station/c"][0].GetDeadLetter()
			if (letter != nil) != (answer == "refuse") || letter != nil && (letter.GetCode() != "unknown_item" || len(letter.GetRefusedEvent()) == 0) {
				t.Errorf("dead letter %v", letter)
			}
			if warned := len(rows["station/c"][0].GetWarnings()) > 0; warned != (answer == "warn") {
				t.Errorf("the event carries a warning: %v", warned)
			}
		})
	}
}

// master is what the stopped agent's inbox has been told of items.
func (s *station) master(items ...string) {
	s.t.Helper()
	inbox, err := downlink.Open(filepath.Join(s.dataDir, "inbox.db"), downlink.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	list := &docklinev1.MasterList{}
	for i, code := range items {
		list.Records = append(list.Records, &docklinev1.MasterRecord{Kind: docklinev1.MasterKind_MASTER_KIND_ITEM, Code: code, Version: uint64(i + 1)})
	}
	if err := inbox.PutMaster(list); err != nil {
		s.t.Fatal(err)
	}
	if err := inbox.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// idOf is an event's id, which does not travel where it follows from the rest.
func idOf(e *docklinev1.Event) string {
	event.Restore(e)
	return e.GetId()
}
