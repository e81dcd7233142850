package host_test

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAPluginThatHangsIsStartedAgain(t *testing.T) {
	limits := quick
	limits.Ping = 50 * time.Millisecond
	w := run(t, limits, plugin("wms", "count: 100000000\nbatch: 3"))
	w.eventually("events", func() bool { return len(w.journal.held()) > 20 })
	pid := w.pid("wms", "pid")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.eventually("the reason", func() bool { return strings.Contains(w.log.String(), "no sign of life") })
	n := len(w.journal.held())
	w.eventually("it goes on", func() bool { return len(w.journal.held()) > n+20 })
	w.stop()
	if !gone(pid) {
		t.Errorf("process %d is still there", pid)
	}
	w.exactly("wms", len(w.journal.held()))
}
