package plugins_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// An agent that is killed takes its plugins with it, at once.
//
// Shows: E14
func TestEdge14Orphans(t *testing.T) {
	a := newAgent(t, "  - {id: more, path: PROGRAMS/rows, config: {per_second: 20}}\n  - {id: frozen, path: PROGRAMS/naughty, config: {habit: freeze}}")
	var pids []int
	eventually(t, patience, "all plugins capture", func() bool {
		pids = childrenOf(a.PID())
		// Where plugins have no control group each has a watcher beside it: that must be gone too.
		return len(pids) >= 3 && a.plugin("good").GetAcceptedTotal() > 0 && a.plugin("more").GetAcceptedTotal() > 0 && a.plugin("frozen").GetState() == "running"
	})
	a.Kill()
	killed := time.Now()
	eventually(t, 2*time.Second, fmt.Sprintf("the plugins %v are gone after their agent", pids), func() bool {
		for _, pid := range pids {
			if alive(pid) {
				return false
			}
		}
		return true
	})
	testenv.Figure(t, "plugins", len(pids), "ms until the last was gone", time.Since(killed).Milliseconds())
}

// A plugin is killed at random moments, again and again, while it tells rows without end. It comes back each time, later and later, and when
// it is taken for a crash loop a person releases it. What the agent then holds is each row once, up to the cursor. After every death another
// process gets the number that the plugin had: none of these is ever signalled.
//
// Shows: E14
func TestEdge14(t *testing.T) {
	a := newAgent(t, "  - {id: wms, path: PROGRAMS/rows-killed, config: {batch: 7}}")
	kills, released := testenv.Count("host.plugin-kills"), 0
	canaries := &canaries{t: t}
	r := rand.New(rand.NewPCG(14, uint64(kills)))
	for n := range kills {
		var pid int
		eventually(t, patience, "it works", func() bool {
			switch a.plugin("wms").GetState() {
			case "quarantined":
				if _, err := a.control("plugin", "release", "wms"); err != nil {
					t.Fatal(err)
				}
				released++
			case "running":
				pid = runs(a.PID(), "rows-killed")
			}
			return pid != 0
		})
		before, more := a.plugin("wms").GetAcceptedTotal(), uint64(1+r.IntN(2000))
		eventually(t, patience, "some rows", func() bool { return a.plugin("wms").GetAcceptedTotal() > before+more })
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "its end is seen", func() bool { return int(a.plugin("wms").GetRestarts()) == n+1 && !alive(pid) })
		canaries.take(pid)
	}
	a.flows()
	eventually(t, patience, "it goes on", func() bool {
		if a.plugin("wms").GetState() == "quarantined" {
			_, _ = a.control("plugin", "release", "wms") // asked again until it runs
		}
		return a.plugin("wms").GetState() == "running"
	})
	a.Stop()
	rows, cursors := a.held()
	told, twice := 0, 0
	for key, events := range rows {
		if strings.HasPrefix(key, "wms/") {
			told++
			twice += len(events) - 1
		}
	}
	missing := 0
	for n := 1; n <= told; n++ {
		if len(rows[fmt.Sprintf("wms/row-%d", n)]) == 0 {
			missing++
		}
	}
	if missing > 0 || twice > 0 || cursors["wms"] != strconv.Itoa(told) {
		t.Errorf("of %d rows %d are missing and %d held twice; the cursor is %q", told, missing, twice, cursors["wms"])
	}
	if released == 0 {
		t.Error("it never was taken for a crash loop: the test shows too little")
	}
	if backoffs := strings.Count(a.Log(), `msg="plugin ended"`); backoffs < kills {
		t.Errorf("the log tells of %d ends after %d kills", backoffs, kills)
	}
	reused, harmed := canaries.count()
	if harmed > 0 {
		t.Errorf("%d foreign processes were signalled", harmed)
	}
	testenv.Figure(t, "kills", kills, "rows", told, "rows missing", missing, "rows held twice", twice, "times released from quarantine", released,
		"foreign processes with a dead plugin's number", reused, "of them signalled", harmed)
}

// canaries are processes that took the numbers of dead plugins.
type canaries struct {
	t      *testing.T
	all    []*exec.Cmd
	reused int
}

// take starts a process that has this number, if the system lets us choose, and it is not taken already.
func (c *canaries) take(pid int) {
	for range 20 {
		if os.WriteFile("/proc/sys/kernel/ns_last_pid", strconv.AppendInt(nil, int64(pid-1), 10), 0) != nil {
			break
		}
		canary := exec.Command("sleep", "3600")
		canary.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := canary.Start(); err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { _, _ = canary.Process.Kill(), canary.Wait() })
		if canary.Process.Pid == pid {
			c.all = append(c.all, canary)
			c.reused++
			return
		}
		_, _ = canary.Process.Kill(), canary.Wait() // another process was quicker
	}
}

// count says how many took a number, and how many of them do not live any more.
func (c *canaries) count() (reused, harmed int) {
	for _, canary := range c.all {
		if !alive(canary.Process.Pid) {
			harmed++
		}
	}
	return c.reused, harmed
}

// alive says whether a process is there and no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(text, []byte(") Z "))
}

func childrenOf(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			continue
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// runs is the child of the agent that runs a program, 0 where there is none.
func runs(agent int, program string) int {
	for _, pid := range childrenOf(agent) {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && filepath.Base(exe) == program {
			return pid
		}
	}
	return 0
}
