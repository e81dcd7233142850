package edge_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// clock is what a clock-stepped agent takes its wrong time from.
type clock struct {
	t    *testing.T
	path string
}

func newClock(t *testing.T, a *agent) *clock {
	c := &clock{t: t, path: filepath.Join(a.dir, "clock")}
	a.Env = append(a.Env, "DOCKLINE_CLOCK_FILE="+c.path)
	c.set(0)
	return c
}

// set makes the agent's time of day wrong by that much, at once.
func (c *clock) set(step time.Duration) {
	c.t.Helper()
	if err := os.WriteFile(c.path+".new", []byte(step.String()), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(c.path+".new", c.path); err != nil {
		c.t.Fatal(err)
	}
}

// Order comes from the sequence, not from a clock: while rows of many orders are told, the agent's clock goes back by two hours and then
// forward by three days. In the log every order's rows stand in the order in which its source told them, although the times in
// them jump, and the fold counts each of them.
//
// Shows: E05
func TestEdge05(t *testing.T) {
	rows := testenv.Count("edge.clock-rows")
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	centre := newCollector(t, broker.URL())
	a := newAgent(t, "agent-clock", broker.URL(), "", source{id: "wms", config: sprintf("rows: %d, per_second: 200", rows)})
	c := newClock(t, a)
	a.start()
	for i, step := range []time.Duration{-2 * time.Hour, 72 * time.Hour, 0} {
		eventually(t, 5*time.Minute, "a part of the rows is acked", func() bool { return a.acked("wms") >= (i+1)*rows/5 })
		c.set(step)
	}
	eventually(t, 5*time.Minute, "all rows are in the log", func() bool { return centre.site().Logged >= int64(rows) })
	byPlace := map[string]map[uint64]logged{}
	for _, e := range centre.logHas(rows) {
		if byPlace[e.Epoch] == nil {
			byPlace[e.Epoch] = map[uint64]logged{}
		}
		byPlace[e.Epoch][e.Seq] = e
	}
	if len(byPlace) != 1 {
		t.Fatalf("%d epochs, want the one of this agent", len(byPlace))
	}
	inversions, back := 0, 0
	last, before := map[string]int{}, ""
	for _, places := range byPlace {
		for seq := uint64(1); seq <= uint64(len(places)); seq++ {
			e := places[seq]
			movement, err := strconv.Atoi(e.Event.Movement)
			if err != nil {
				t.Fatalf("seq %d: %+v", seq, e)
			}
			if movement <= last[e.Event.Subject] {
				inversions++
			}
			last[e.Event.Subject] = movement
			if e.Event.CapturedAt < before {
				back++
			}
			before = e.Event.CapturedAt
		}
	}
	if inversions > 0 {
		t.Errorf("%d rows stand before an earlier one of their order", inversions)
	}
	if back < 2 {
		t.Errorf("the time of capture went back %d times: the clock was not stepped", back)
	}
	folded := foldedPicks(centre, rows)
	if folded != rows {
		t.Errorf("the fold has %d of %d picks", folded, rows)
	}
	testenv.Figure(t, "rows", rows, "orders", len(last), "times the clock went back", back, "inversions", inversions, "picks folded", folded)
}

// foldedPicks waits until the fold has taken every row and counts those whose order line shows just what was picked.
func foldedPicks(c *collector, rows int) (folded int) {
	c.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for folded < rows && time.Now().Before(deadline) {
		folded = 0
		for after := ""; ; {
			var page struct {
				Orders []struct {
					Number string
					State  struct {
						Lines []struct {
							OrderLine string `json:"order_line"`
							Line      string
							Picked    string
						}
					}
				}
				Next string
			}
			if !c.get("api/v1/orders?limit=500&after="+after, &page) {
				c.t.Fatal("the collector does not give its orders")
			}
			if len(page.Orders) == 0 {
				break
			}
			for _, o := range page.Orders {
				number, _ := strconv.Atoi(strings.TrimPrefix(o.Number, "SO"))
				for _, l := range o.State.Lines {
					line, _ := strconv.Atoi(l.OrderLine + l.Line)
					if n := number*5 + line - 1; l.Picked == sprintf("%d", n%40+1) {
						folded++
					}
				}
			}
			after = page.Next
		}
	}
	return folded
}

// A wrong clock is measured, shown and harmless: within a minute of a step by ten minutes the collector shows it, right to a second, and
// nothing that was captured before, during or after it is lost or expires.
//
// Shows: E06
func TestEdge06(t *testing.T) {
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	centre := newCollector(t, broker.URL())
	const rows = 600
	a := newAgent(t, "agent-clock", broker.URL(), "uplink: {heartbeat: 1s}", source{id: "wms", config: sprintf("rows: %d, per_second: 50", rows)})
	c := newClock(t, a)
	a.start()
	eventually(t, patience, "rows are in the log", func() bool { return centre.site().Logged > 0 })
	measured := map[string]time.Duration{}
	for _, step := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		way := map[bool]string{true: "ahead of", false: "behind"}[step > 0]
		c.set(step)
		began := time.Now()
		var shown time.Duration
		eventually(t, time.Minute, "the step is shown", func() bool {
			for _, condition := range centre.site().Conditions {
				words := strings.Fields(condition.Title)
				if condition.Code == "clock_wrong" && strings.Contains(condition.Title, way) {
					shown, _ = time.ParseDuration(words[1])
					return true
				}
			}
			return false
		})
		if off := (shown - step.Abs()).Abs(); off > time.Second {
			t.Errorf("a step by %s is shown as %s", step, shown)
		}
		measured[way] = time.Since(began).Round(10 * time.Millisecond)
	}
	c.set(0)
	eventually(t, time.Minute, "nothing is shown any more", func() bool {
		s := centre.site()
		return s.Logged > 0 && !strings.Contains(sprintf("%v", s.Conditions), "clock_wrong")
	})
	eventually(t, 2*time.Minute, "all rows are in the log", func() bool { return centre.site().Logged >= rows })
	arrived := map[string]int{}
	for _, e := range centre.logHas(rows) {
		arrived[e.Event.Source+"/"+e.Event.SourceKey]++
	}
	missing := wantRows(t, arrived, "wms", 1, rows)
	testenv.Figure(t, "a step of +10 min shown after", measured["ahead of"], "a step of -10 min shown after", measured["behind"], "events missing", missing)
}
