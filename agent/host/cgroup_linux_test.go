package host

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testGroups are groups in a folder of the test's own, as if it had been delegated. This process goes back to where it was.
func testGroups(t *testing.T) *groups {
	t.Helper()
	own, err := ownGroup()
	if err != nil {
		t.Skip(err)
	}
	root := filepath.Join(own, fmt.Sprintf("dockline-test-%d", os.Getpid()))
	if err := os.Mkdir(root, 0o755); errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "read-only") {
		t.Skipf("this process may not make control groups: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := put(own, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
			t.Error(err)
		}
		for _, dir := range []string{filepath.Join(root, "agent"), root} {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	g, err := newGroups(root)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A child that leaves the plugin's process group and is left by its parent is still in the control group: it is counted, and ends with it.
func TestWhatAPluginStartsCannotLeaveItsControlGroup(t *testing.T) {
	g := &guard{plugin: "wms", memory: 64 << 20, within: testGroups(t)}
	cmd := exec.Command("sh", "-c", "setsid sh -c 'echo $$; exec sleep 600' & exec sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if g.group == nil {
		t.Fatal("it has no control group")
	}
	in := bufio.NewScanner(out)
	in.Scan()
	child, err := strconv.Atoi(in.Text())
	if err != nil {
		t.Fatal(err)
	}
	if pids := g.group.processes(); len(pids) != 2 {
		t.Errorf("in the group are %v, want %d and %d", pids, cmd.Process.Pid, child)
	}
	if u, ok := g.usage(cmd.Process.Pid); !ok || u.memory == 0 {
		t.Errorf("usage %+v %v", u, ok)
	}
	dir := g.group.dir
	g.Kill(cmd)
	_ = g.Wait(cmd)
	deadline := time.Now().Add(10 * time.Second)
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil || strings.Contains(string(text), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlives the plugin that started it", child)
		}
		<-time.After(5 * time.Millisecond)
	}
	// What could not be removed at once, a zombie being in it, is by the next start.
	if _, err := newGroups(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
}

// Where nobody has delegated a control group, none is touched.
func TestAForeignControlGroupIsNotTouched(t *testing.T) {
	if own, err := ownGroup(); err == nil && isDelegated(own) {
		t.Skip("the control group of this test is delegated")
	}
	if g, err := delegated(); err == nil {
		t.Errorf("the agent took %s, which was not given to it", g.root)
	}
}
