package bench

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

var needed = testenv.Programs{List: []testenv.Program{testenv.CollectorProgram, {Name: sitesProgram, Package: module + "testenv/bench/sites"}}}

func TestMain(m *testing.M) { needed.Main(m) }

// TestManySitesOnTheAgentsOwnPackages is the bench's ten thousand in small: sites with the agent's own journal and uplink on one collector. All
// are shown as they are, an outage ends for all at once, what each has captured meanwhile is in the log once, and what each captures after it.
//
// Shows: S73
func TestManySitesOnTheAgentsOwnPackages(t *testing.T) {
	s, made := suite()
	s.Dir, s.Bin, s.Rounds = t.TempDir(), needed.Dir(t), 1
	s.Progress = testLog{t}
	small := scaleConfig{stages: []int{50, 200}, rest: 2 * time.Second, outage: time.Second, trickle: 2 * time.Second, events: 20, heartbeat: 500 * time.Millisecond, limit: 3 * time.Minute}
	r, err := s.scaleRun(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(200 * small.events); r.drain.events != want || r.live.events != 200 {
		t.Errorf("%d events of the backlog and %d after it are in the log, want %d and 200", r.drain.events, r.live.events, want)
	}
	for _, p := range r.rests {
		if p.right != p.sites {
			t.Errorf("of %d sites at rest %d were shown online at one look", p.sites, p.right)
		}
	}
	r.measures(s)
	if len(s.faults) > 0 || len(*made) < 15 {
		t.Errorf("%d measures, %v", len(*made), s.faults)
	}
	dir := filepath.Join(t.TempDir(), "plots")
	if err := r.plots(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"storm", "drain", "rest"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(text, new(struct{})); err != nil || len(text) > 8<<10 || bytes.Contains(text, []byte("NaN")) {
			t.Errorf("%s has %d bytes, %v", name, len(text), err)
		}
	}
}

type testLog struct{ t *testing.T }

// Write implements io.Writer.
func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(p[:len(p)-1]))
	return len(p), nil
}
