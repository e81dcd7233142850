package host_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/host"
	"github.com/dockline/dockline/testenv"
)

// TestAKilledPluginGoesOnWhereItWas kills a plugin at random moments while events come on without end; what is journalled is every
// row once, up to the cursor.
//
// Shows: E14
func TestAKilledPluginGoesOnWhereItWas(t *testing.T) {
	const config = "count: 1000000000\nbatch: 3"
	w := run(t, quick, plugin("wms", config), plugin("other", "count: 10"))
	kills := testenv.Count("host.plugin-kills")
	last := 0
	for range kills {
		var pid, n int
		w.eventually("a new process that captures", func() bool {
			pid = w.pid("wms", "pid")
			return pid != 0 && pid != last && !gone(pid)
		})
		n = len(w.journal.of("wms")) + rand.IntN(200)
		w.eventually("some events", func() bool { return len(w.journal.of("wms")) > n })
		process, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
		last = pid
	}
	n := len(w.journal.of("wms"))
	w.eventually("it goes on", func() bool { return len(w.journal.of("wms")) > n+100 })
	w.stop()
	w.exactly("wms", len(w.journal.of("wms")))
	w.exactly("other", 10)
	if h := w.health("wms"); int(h.GetRestarts()) != kills {
		t.Errorf("%d restarts after %d kills", h.GetRestarts(), kills)
	}
	if h := w.health("other"); h.GetRestarts() != 0 {
		t.Errorf("the other plugin was restarted %d times", h.GetRestarts())
	}
}

func TestTheChildrenOfAPluginEndWithIt(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil {
		testenv.SkipServer(t, "sleep", "no sleep command for the plugin's child")
	}
	w := run(t, quick, plugin("wms", "count: 1\nhabit: child"))
	w.eventually("a child", func() bool { return w.pid("wms", "child") != 0 })
	w.eventually("events", func() bool { return len(w.journal.held()) == 1 })
	child := w.pid("wms", "child")
	w.stop()
	w.eventually("the child is gone", func() bool { return gone(child) })
}

// beAnAgent is this test binary in the part of an agent that will be killed.
func beAnAgent(dir, path string) {
	h, err := host.New(host.Config{Tenant: "acme", Site: "dc-east", DataDir: dir, Journal: &memory{}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Plugins: []host.PluginConfig{{ID: "wms", Path: path, Config: []byte("count: 1000000000\nbatch: 3\nhabit: child")}}})
	if err != nil {
		panic(err)
	}
	h.Run(context.Background())
}

// TestNoPluginOutlivesAKilledAgent kills the agent itself; what the plugin had started ends too.
//
// Shows: E14
func TestNoPluginOutlivesAKilledAgent(t *testing.T) {
	w := &world{t: t, dir: t.TempDir(), journal: &memory{}, log: &logBook{}}
	w.Host, _ = host.New(host.Config{DataDir: w.dir})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(self)
	agent.Env = append(os.Environ(), "DOCKLINE_TEST_AGENT="+w.dir, "DOCKLINE_TEST_PLUGIN="+counter)
	var said strings.Builder
	agent.Stderr = &said
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the plugin captures", func() bool { return w.pid("wms", "pid") != 0 })
	w.eventually("it has a child", func() bool { return runtime.GOOS == "windows" || w.pid("wms", "child") != 0 })
	pid, child := w.pid("wms", "pid"), w.pid("wms", "child")
	if gone(pid) || child != 0 && gone(child) {
		t.Fatalf("the plugin or its child is gone before the agent was killed\n%s", &said)
	}
	agent.Process.Kill()
	agent.Wait()
	deadline := time.Now().Add(2 * time.Second)
	for !gone(pid) || child != 0 && !gone(child) {
		if time.Now().After(deadline) {
			t.Fatalf("plugin %d (gone: %t) or its child %d is still there 2 s after its agent was killed", pid, gone(pid), child)
		}
		<-time.After(2 * time.Millisecond)
	}
}
