package edge_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// Space comes back by itself: a long backlog is drained while the agent is killed again and again, and then the journal takes 32 MiB at most,
// within five minutes, has no file left that it began and did not end, takes a write as fast as a new journal does, within a factor of two,
// and every event is at the centre.
//
// Shows: E10
func TestEdge10(t *testing.T) {
	backlog, kills := testenv.Count("edge.backlog"), testenv.Count("edge.drain-kills")
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	c := newCentre(t, broker.URL())
	a := newAgent(t, "dockline-agent", broker.URL(), "journal: {keep_acknowledged: 0s, rotate: 16MiB}", source{id: "new", config: "per_second: 20"})
	a.prefill("wms", backlog)
	folder := filepath.Join(a.dataDir, "journal")
	before := size(t, folder)
	r := rand.New(rand.NewPCG(10, uint64(kills)))
	for done := 0; done < kills; done++ {
		came := c.distinct()
		a.start()
		eventually(t, patience, "the backlog drains", func() bool { return c.distinct() > came })
		moment := time.NewTimer(time.Duration(r.IntN(150)) * time.Millisecond)
		<-moment.C
		a.Kill()
		if c.distinct() >= backlog {
			t.Logf("drained after %d kills", done+1)
			kills = done + 1
		}
	}
	began := time.Now()
	a.start()
	eventually(t, 10*time.Minute, "the backlog is drained", func() bool { s := a.status(); return c.distinct() >= backlog && s != nil && s.GetJournalEvents() < 100 })
	drained := time.Now()
	eventually(t, 5*time.Minute, "the journal is small", func() bool { is := size(t, folder); return is <= 32<<20 && is <= before/4 })
	small, after := time.Since(drained), size(t, folder)
	through := a.acked("new")
	eventually(t, patience, "the new rows are there too", func() bool { return c.through("new") >= through })
	a.Stop()
	missing := wantRows(t, c.arrived(), "wms", 1, backlog) + wantRows(t, c.arrived(), "new", 1, through)
	left, err := filepath.Glob(filepath.Join(folder, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	ratio := writeRatio(t, folder)
	if ratio > 2 && testenv.Full() { // a figure of a quiet machine; a commit only shows that it is measured
		t.Errorf("a write takes %.1f times as long as in a new journal", ratio)
	}
	testenv.Figure(t, "events drained", backlog, "kills on the way", kills, "events missing", missing, "journal before", mib(before), "journal after", mib(after),
		"small again after the drain by", small.Round(time.Millisecond), "drain after the last kill", drained.Sub(began).Round(10*time.Millisecond), "write beside a new journal", sprintf("%.2f times", ratio), "files left behind", len(left))
}

func mib(bytes int64) string { return sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// size is what the files of a journal take; one may be deleted while we look.
func size(t *testing.T, folder string) (bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// writeRatio is how long one synced write takes in a used journal beside a new one on the same disk: the median of turns in pairs, so that
// the machine's other work hits both.
func writeRatio(t *testing.T, folder string) float64 {
	t.Helper()
	var times [2][]time.Duration
	journals := [2]*journal.Journal{}
	for i, dir := range []string{folder, filepath.Join(filepath.Dir(folder), "new")} {
		j, err := journal.Open(dir, journal.Options{Tenant: tenant, Site: site})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		journals[i] = j
	}
	for n := range 400 {
		i := n % 2
		began := time.Now()
		if err := journals[i].Append(t.Context(), journal.Entry{Plugin: "p", Events: []*docklinev1.Event{pick("p", n)}, Cursor: fmt.Append(nil, n)}); err != nil {
			t.Fatal(err)
		}
		times[i] = append(times[i], time.Since(began))
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return float64(times[0][len(times[0])/2]) / float64(times[1][len(times[1])/2])
}

// The service answers before its store has been looked through: over a long backlog, after a clean stop and after an unclean one, the agent
// answers within a second of its start, and sources of both sorts, those that push and those that read, have their first events accepted
// within five. Each is the better of three starts. What the agent says of its own opening is held to the tighter bounds: the journal takes
// events within 100 ms of the process's first line.
//
// Shows: E11
func TestEdge11(t *testing.T) {
	backlog := testenv.Count("edge.backlog")
	a := newAgent(t, "dockline-agent", nowhere, "", source{id: "reader", config: "per_second: 50"}, source{id: "scanner", config: "per_second: 50", push: true})
	a.prefill("wms", backlog)
	var figures []any
	for _, c := range []struct {
		name  string
		crash bool
	}{{"after a clean stop", false}, {"after an unclean one", true}} {
		best := [3]time.Duration{time.Hour, time.Hour, time.Hour}
		for range 3 {
			if c.crash {
				a.start()
				eventually(t, patience, "the agent captures", func() bool { return a.status() != nil && len(a.acks("reader")) > 0 })
				a.Kill()
				quiet(t, a, "reader")
			}
			for i, took := range a.startTimes() {
				best[i] = min(best[i], took)
			}
			a.Stop()
		}
		for i, bound := range []time.Duration{time.Second, 5 * time.Second, 5 * time.Second} {
			if best[i] > bound {
				t.Errorf("%s: %s after %s, %s are allowed", c.name, startSteps[i], best[i], bound)
			}
			figures = append(figures, startSteps[i]+" "+c.name, best[i].Round(time.Millisecond))
		}
	}
	held, gaps := a.held()
	missing := wantRows(t, held, "wms", 1, backlog)
	if len(gaps) > 0 {
		t.Errorf("gaps %v", gaps)
	}
	opened := a.openedWithin()
	if opened > 100*time.Millisecond {
		t.Errorf("the journal was open %s after the agent had begun to open it", opened)
	}
	testenv.Figure(t, append([]any{"backlog", backlog, "journal open for capture within", opened.Round(time.Millisecond)}, append(figures, "events missing", missing)...)...)
}

var startSteps = [3]string{"the agent answers", "a push source is acked", "a pull source is acked"}

// startTimes starts the agent and returns when it answered and each source had its first new ack.
func (a *agent) startTimes() (took [3]time.Duration) {
	a.t.Helper()
	reader, scanner := len(a.acks("reader")), len(a.acks("scanner"))
	began := time.Now()
	a.start()
	steps := [3]func() bool{
		func() bool { return a.status() != nil },
		func() bool { return len(a.acks("scanner")) > scanner },
		func() bool { return len(a.acks("reader")) > reader },
	}
	eventually(a.t, patience, "the agent answers and captures", func() bool {
		all := true
		for i, is := range steps {
			if took[i] == 0 && is() {
				took[i] = time.Since(began)
			}
			all = all && took[i] > 0
		}
		return all
	})
	return took
}

// openedWithin is the shortest opening that the agent has logged: "open" of its line "agent".
func (a *agent) openedWithin() (best time.Duration) {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, "agent.log"))
	if err != nil {
		a.t.Fatal(err)
	}
	best = time.Hour
	for line := range strings.Lines(string(text)) {
		if _, value, ok := strings.Cut(line, " opened_in="); ok && strings.Contains(line, "msg=agent ") {
			if d, err := time.ParseDuration(strings.Fields(value)[0]); err == nil {
				best = min(best, d)
			}
		}
	}
	return best
}
