package edge_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// One event has one effect, however often and however late it comes: the site's disk is put back twice to where it was, a month of the
// site's clock apart each time, so the agent sends all that it holds a second and a third time. The collector refuses each by its id, and
// the ERP has every goods issue, invoice and adjustment once.
//
// Shows: E04
func TestEdge04(t *testing.T) {
	programs := t.TempDir()
	for name, program := range map[string]string{"dockline-agent": "agent-clock", "dockline-collector": "dockline-collector",
		"dockline-plugin-sim": "dockline-plugin-sim", "dockline-plugin-wms-file": "dockline-plugin-wms-file"} {
		if err := os.Symlink(filepath.Join(bin(t), program), filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	orders := testenv.Count("edge.repeats")
	w, err := world.Open(t.Context(), world.Config{Dir: t.TempDir(), Bin: programs, Seed: 4, Sites: []string{"dc-west"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	s := w.Sites["dc-west"]
	home := filepath.Join(w.Config.Dir, "dc-west")
	s.Agent.Stop()
	clockFile := filepath.Join(home, "clock")
	s.Agent.Env = []string{"DOCKLINE_CLOCK_FILE=" + clockFile}
	addLine(t, filepath.Join(home, "agent.yaml"), "journal: {keep_acknowledged: 8760h}")
	startAgent(t, s.Agent)
	settled := func() *world.Report {
		r, err := w.Settle(t.Context(), 5*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK {
			t.Fatalf("%d mismatches, the first: %q", len(r.Mismatches), r.Mismatches[:min(5, len(r.Mismatches))])
		}
		return r
	}
	if _, err := w.Orders(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
	first := settled()
	journal, kept := filepath.Join(home, "data", "journal"), filepath.Join(home, "kept")
	if err := s.Agent.Frozen(func() error { return copyDir(journal, kept) }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Orders(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	settled()
	for month := 1; month <= 2; month++ {
		s.Agent.Stop()
		if err := os.WriteFile(clockFile, []byte(fmt.Sprint(month*30*24, "h")), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(journal); err != nil {
			t.Fatal(err)
		}
		if err := copyDir(kept, journal); err != nil {
			t.Fatal(err)
		}
		startAgent(t, s.Agent)
		eventually(t, 3*time.Minute, "all that the disk held has come again", func() bool {
			r, err := w.Check(t.Context())
			return err == nil && r.DuplicatesRefused >= int64(month*first.EventsProduced)
		})
	}
	last := settled()
	if last.EventsLogged != last.EventsProduced || last.Postings["confirmed"] < first.Postings["confirmed"] {
		t.Errorf("%+v", last)
	}
	testenv.Figure(t, "orders", last.Orders, "events", last.EventsLogged, "sent again and refused", last.DuplicatesRefused,
		"documents", last.Postings["confirmed"], "documents that should not be there", len(last.Mismatches))
}

func startAgent(t *testing.T, p *world.Process) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
}

func addLine(t *testing.T, path, line string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(line+"\n"+string(text)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyDir(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy: %w: %s", err, out)
	}
	return nil
}

// A record that cannot be taken holds nothing up: one row in a thousand has a quantity that does not read. All the others are in the log,
// the bad one is kept whole as a dead letter and shows as an exception of a class with its reason, and when the row was mended at its source
// and told again, twice, the order line has what was picked once.
//
// Shows: E13
func TestEdge13(t *testing.T) {
	rows := testenv.Count("edge.poison-rows")
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	centre := newCollector(t, broker.URL())
	mended := filepath.Join(t.TempDir(), "mended")
	a := newAgent(t, "dockline-agent", broker.URL(), "", source{id: "wms", config: sprintf("rows: %d, batch: 20, bad_every: %d, mended: %q", rows, rows, mended)})
	a.start()
	eventually(t, 2*time.Minute, "all rows are in the log, one as a dead letter", func() bool { return centre.site().Logged >= int64(rows) })
	good, letters := 0, 0
	for _, e := range centre.logHas(rows) {
		switch {
		case e.Kind == "pick.confirmed" && strings.HasPrefix(e.Event.SourceKey, "row-"):
			good++
		case e.Kind == "record.refused":
			letters++
		}
	}
	if good != rows-1 || letters != 1 {
		t.Errorf("%d rows and %d dead letters in the log, want %d and 1", good, letters, rows-1)
	}
	type shown struct{ Class, Code, Title, Text string }
	var exceptions struct{ Exceptions []shown }
	eventually(t, patience, "the dead letter is an exception", func() bool {
		return centre.get("api/v1/exceptions?state=open&limit=1000", &exceptions) && len(exceptions.Exceptions) > 0
	})
	var found shown
	for _, e := range exceptions.Exceptions {
		if strings.Contains(e.Title, "refused") {
			found = e
		}
	}
	if found.Class == "" || !strings.Contains(found.Text, "a dozen") {
		t.Errorf("no exception names class and reason: %+v", exceptions.Exceptions)
	}
	if err := os.WriteFile(mended, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the mended row is in the log and its second telling refused", func() bool {
		s := centre.site()
		return s.Logged == int64(rows)+1 && s.Duplicates == 1
	})
	folded := foldedPicks(centre, rows)
	if folded != rows {
		t.Errorf("%d of %d rows had their effect once", folded, rows)
	}
	testenv.Figure(t, "rows", rows, "bad", letters, "unaffected", good, "class", found.Class, "rows with one effect after the repair", folded)
}
