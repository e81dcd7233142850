package edge_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// The broker's word deletes nothing. A broker takes what the agent may send ahead, its own answers included, and loses it all with its
// disk while the collector is away. When the collector is back every event reaches it, and the count of what waits at the site never fell
// below what had not.
//
// Shows: E03
func TestEdge03(t *testing.T) {
	rows := testenv.Count("edge.forgotten")
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{Persistent: true})
	c := newCentre(t, broker.URL())
	ready := filepath.Join(t.TempDir(), "go")
	a := newAgent(t, "dockline-agent", broker.URL(), "uplink: {heartbeat: 1s}", source{id: "wms", config: sprintf("rows: %d, batch: 50, after: %q", rows, ready)})
	a.start()
	eventually(t, patience, "the agent is greeted", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.heartbeats > 1 })
	c.setSilent(true)
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Minute, "all rows are acked", func() bool { return a.acked("wms") == rows })
	eventually(t, patience, "the broker has taken envelopes", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.heard > 0 })
	if waits := a.status().GetJournalEvents(); waits != uint64(rows) {
		t.Errorf("%d events wait, %d were taken and none acknowledged", waits, rows)
	}
	broker.Stop()
	if err := broker.Wipe(); err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	c.setSilent(false)
	early := 0
	eventually(t, 5*time.Minute, "nothing waits any more", func() bool {
		s := a.status()
		if s == nil {
			return false
		}
		// What is gone from the site by now was at the centre before.
		if gone := rows - int(s.GetJournalEvents()); gone > c.distinct() {
			early = max(early, gone-c.distinct())
		}
		return s.GetJournalEvents() == 0
	})
	if early > 0 {
		t.Errorf("up to %d events were deleted before the centre had them", early)
	}
	missing := wantRows(t, c.arrived(), "wms", 1, rows)
	testenv.Figure(t, "events behind a broker that forgot", rows, "missing", missing, "deleted too early", early)
}

// What happens now goes first, also with a long backlog on a thin line: while it drains at 256 kbit/s a shipment leaves every second, and 95
// of 100 are at the centre within five seconds. Without the limit the backlog drains at 2,000 events a second at least.
//
// Shows: E12
func TestEdge12(t *testing.T) {
	backlog, ships := testenv.Count("edge.backlog"), testenv.Count("edge.live-ships")
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	c := newCentre(t, broker.URL())
	line, err := testenv.OpenLine(strings.TrimPrefix(broker.URL(), "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	line.Shape(256, 0)
	ready := filepath.Join(t.TempDir(), "go")
	a := newAgent(t, "dockline-agent", "mqtt://"+line.Addr(), "", source{id: "dock", config: sprintf("ship: true, rows: %d, per_second: 1, after: %q", ships, ready)})
	a.prefill("wms", backlog)
	a.start()
	eventually(t, patience, "the backlog drains", func() bool { return c.distinct() > 0 })
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	departures := func() []time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return slices.Clone(c.late) }
	eventually(t, time.Duration(ships)*time.Second+2*time.Minute, "all shipments are at the centre", func() bool { return len(departures()) == ships })
	drained := c.distinct() - ships
	if drained >= backlog {
		t.Fatalf("the backlog was gone before the last shipment: the test shows nothing")
	}
	late := departures()
	slices.Sort(late)
	p95 := late[len(late)*95/100]
	if p95 >= 5*time.Second {
		t.Errorf("95 of 100 shipments were at the centre after %s, 5 s are allowed; all: %v", p95, late)
	}
	line.Shape(0, 0)
	began, before := time.Now(), c.distinct()
	eventually(t, 10*time.Minute, "the backlog is drained", func() bool { return c.distinct() == backlog+ships })
	rate := float64(backlog+ships-before) / time.Since(began).Seconds()
	if rate < 2000 {
		t.Errorf("%.0f events/s without the limit, 2,000 are due", rate)
	}
	testenv.Figure(t, "backlog", backlog, "shipments", ships, "95 of 100 at the centre within", p95.Round(time.Millisecond), "drain on loopback", sprintf("%.0f events/s", rate))
}
