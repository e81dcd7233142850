package edge_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// killed starts the agent, kills it at a random moment of its work, and again, so many times; it returns when all acks of the source are
// written.
func killed(t *testing.T, a *agent, id string, kills int, longest time.Duration) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(kills)))
	for range kills {
		before := a.acked(id)
		a.start()
		eventually(t, patience, "the source is being acked", func() bool { return a.acked(id) > before })
		moment := time.NewTimer(time.Duration(r.Int64N(int64(longest))))
		<-moment.C
		a.Kill()
	}
	quiet(t, a, id)
}

// quiet waits until a source that outlived its agent for a moment has written its last ack.
func quiet(t *testing.T, a *agent, id string) {
	t.Helper()
	size, since := int64(-1), time.Now()
	eventually(t, patience, "the source is quiet", func() bool {
		info, err := os.Stat(a.acksPath(id))
		if err == nil && info.Size() != size {
			size, since = info.Size(), time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	})
}

// A plugin is answered only when its events would survive the end of the process: the agent is killed at random moments while a source gives
// 500 events a second, and every row whose ack the source had seen is in the journal.
//
// Shows: E01
func TestEdge01(t *testing.T) {
	a := newAgent(t, "dockline-agent", nowhere, "", source{id: "wms", config: "per_second: 500"})
	kills := testenv.Count("edge.ack-kills")
	killed(t, a, "wms", kills, 200*time.Millisecond)
	rows, gaps := a.held()
	acks := a.acks("wms")
	if len(acks) < kills {
		t.Fatalf("%d acks in %d kills: the test shows nothing", len(acks), kills)
	}
	missing := wantRows(t, rows, "wms", 1, a.acked("wms"))
	if len(gaps) > 0 {
		t.Errorf("gaps %v", gaps)
	}
	testenv.Figure(t, "kills", kills, "acked events", len(acks), "acked events missing", missing)
}

// The place up to which a source was read is durable together with what was read: the agent is killed between reading and commit,
// again and again, while it reads a table of numbered rows as fast as it can. In the end each row is in the journal, and once.
//
// Shows: E02
func TestEdge02(t *testing.T) {
	kills, rows := testenv.Count("edge.cursor-kills"), testenv.Count("edge.cursor-rows")
	// The pace makes the table last for all the kills, each of which lets the source work for some tenths of a second.
	pace := max(2000, 5*rows/max(1, kills))
	a := newAgent(t, "dockline-agent", nowhere, "", source{id: "wms", config: sprintf("rows: %d, batch: 7, per_second: %d", rows, pace)})
	done := 0
	r := rand.New(rand.NewPCG(2, uint64(kills)))
	for ; done < kills && a.acked("wms") < rows; done++ {
		before := a.acked("wms")
		a.start()
		eventually(t, patience, "the source is being acked", func() bool { return a.acked("wms") > before })
		moment := time.NewTimer(time.Duration(r.IntN(60)) * time.Millisecond)
		<-moment.C
		a.Kill()
	}
	a.start()
	eventually(t, 5*time.Minute, "all rows are acked", func() bool { return a.acked("wms") == rows })
	a.Stop()
	held, _ := a.held()
	missing := wantRows(t, held, "wms", 1, rows)
	twice := 0
	for key, n := range held {
		if n > 1 {
			if twice++; twice == 1 {
				t.Errorf("%s is held %d times", key, n)
			}
		}
	}
	if done < kills {
		t.Errorf("the table ended after %d of %d kills: the test shows too little", done, kills)
	}
	testenv.Figure(t, "kills", done, "rows", rows, "rows missing", missing, "rows held twice", twice)
}
