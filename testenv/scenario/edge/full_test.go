package edge_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// A full disk is a state, not an end. On a disk of 64 MiB that something else has filled the process lives, says within five seconds that the
// journal is full, and stops its source by leaving it without acks: by count, since no more batches than the window are on their
// way, and by bytes, since nothing of a batch is kept that does not fit. Acknowledgements from the centre still empty the journal, and when
// there is room again the source goes on, without a restart and without a row missing.
//
// Shows: E07, A5
func TestEdge07(t *testing.T) {
	if os.Getuid() != 0 {
		testenv.SkipServer(t, "tmpfs", "needs root to mount a disk of its own")
	}
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	c := newCentre(t, broker.URL())
	c.setSilent(true)
	a := newAgent(t, "dockline-agent", broker.URL(), "uplink: {heartbeat: 1s}\njournal: {keep_acknowledged: 0s}", source{id: "wms", config: "batch: 50"})
	if err := os.MkdirAll(a.dataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "lossless", a.dataDir).CombinedOutput(); err != nil {
		testenv.SkipServer(t, "tmpfs", string(out))
	}
	t.Cleanup(func() {
		a.Stop()
		if out, err := exec.Command("umount", a.dataDir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	a.start()
	eventually(t, patience, "rows are acked", func() bool { return a.acked("wms") > 1000 })
	filler := filepath.Join(a.dataDir, "filler")
	fillDisk(t, filler)
	full := time.Now()
	eventually(t, time.Minute, "the disk is full for the journal", func() bool { return stands(a) })
	// The first refusal came while the acks stood still already.
	said := time.Now()
	eventually(t, 5*time.Second, "health says that the journal is full", func() bool { return a.condition("journal_full") })
	health := time.Since(said)
	taken := a.acked("wms")
	waiting := a.status().GetJournalEvents()
	if waiting > uint64(taken)+16*50 {
		t.Errorf("%d events are held, %d are acked: more than a window came after the last ack", waiting, taken)
	}
	if !a.Running() {
		t.Fatal("the agent has ended")
	}
	c.setSilent(false)
	eventually(t, 2*time.Minute, "the centre's acknowledgements empty the journal", func() bool { s := a.status(); return s != nil && s.GetJournalEvents() < waiting/2 })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, "the source goes on", func() bool { return a.acked("wms") > taken+2000 })
	eventually(t, time.Minute, "health says that all is well", func() bool { return !a.condition("journal_full") })
	restarts := a.status().GetPlugins()[0].GetRestarts()
	through := a.acked("wms")
	eventually(t, 2*time.Minute, "all that was acked is at the centre", func() bool { return c.arrived()[sprintf("wms/row-%d", through)] > 0 && c.through("wms") >= through })
	missing := wantRows(t, c.arrived(), "wms", 1, through)
	testenv.Figure(t, "disk", "64 MiB", "full after", time.Since(full).Round(time.Second), "health says so within", health.Round(time.Millisecond),
		"events held when full", waiting, "rows acked", through, "rows missing", missing, "plugin restarts", restarts)
}

// fillDisk writes until there is no room left for as much as a page.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil || st.Bavail > 16 {
		t.Fatalf("%d blocks are free: %v", st.Bavail, err)
	}
}

// stands says whether no ack comes for half a second.
func stands(a *agent) bool {
	before := a.acked("wms")
	timer := time.NewTimer(500 * time.Millisecond)
	<-timer.C
	return a.acked("wms") == before
}
