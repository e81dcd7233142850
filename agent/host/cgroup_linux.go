package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxTasks is how many processes and threads a plugin may have in its control group.
const maxTasks = 1024

// groups is where every plugin gets a control group of its own (cgroup v2): what it starts cannot leave it, and is counted and ended with it.
type groups struct {
	root   string
	number atomic.Int64
}

// delegated is the agent's own control group, where the service manager has handed it over (Delegate= in the unit), with the agent moved
// aside within it. Elsewhere a plugin has a process group and no more: the tree of a machine or a container is not the agent's to change.
var delegated = sync.OnceValues(func() (*groups, error) {
	own, err := ownGroup()
	if err != nil {
		return nil, err
	}
	if !isDelegated(own) {
		return nil, errors.New("the service manager has not delegated the agent's control group (Delegate= in its unit)")
	}
	return newGroups(own)
})

// ownGroup is the folder of the control group that this process is in.
func ownGroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	of, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	path := ""
	for line := range strings.Lines(string(of)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = rest
		}
	}
	for line := range strings.Lines(string(mounts)) {
		// proc(5): the mount point is field 5, the kind of file system the first behind the dash.
		fields := strings.Fields(line)
		_, kind, _ := strings.Cut(line, " - ")
		if len(fields) > 4 && strings.HasPrefix(kind, "cgroup2 ") && path != "" {
			return filepath.Join(fields[4], path), nil
		}
	}
	return "", errors.New("this system has no control groups of version 2")
}

func isDelegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// newGroups prepares a folder: only groups without processes of their own can have groups with limits below them, so this process goes into one.
func newGroups(root string) (*groups, error) {
	own := filepath.Join(root, "agent")
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := put(own, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return nil, err
	}
	g := &groups{root: root}
	left, _ := filepath.Glob(filepath.Join(root, "plugin-*"))
	for _, dir := range left {
		(&group{dir: dir}).end()
	}
	for _, controller := range []string{"memory", "pids"} {
		_ = put(root, "cgroup.subtree_control", "+"+controller) // one that is not there sets no limits
	}
	return g, nil
}

// group is the control group of one life of a plugin.
type group struct {
	dir string
	fd  *os.File
}

// open makes a group for a plugin that may take so much memory; 0 is no limit.
func (g *groups) open(plugin string, memory int64) (*group, error) {
	dir := filepath.Join(g.root, fmt.Sprintf("plugin-%s-%d", plugin, g.number.Add(1)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	_ = put(dir, "pids.max", strconv.Itoa(maxTasks))
	if memory > 0 {
		_ = put(dir, "memory.max", strconv.FormatInt(2*memory+growthRoom, 10))
		_ = put(dir, "memory.swap.max", "0")
	}
	fd, err := os.Open(dir)
	if err != nil {
		_ = os.Remove(dir)
		return nil, err
	}
	return &group{dir: dir, fd: fd}, nil
}

// processes are those in the group, whatever they call themselves and whoever is their parent now.
func (g *group) processes() (pids []int) {
	text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	for _, word := range bytes.Fields(text) {
		if pid, err := strconv.Atoi(string(word)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends everything in the group.
func (g *group) kill() { _ = put(g.dir, "cgroup.kill", "1") }

// end removes the group; what is still in it is ended. One that cannot be removed yet is when the agent next starts.
func (g *group) end() {
	if g.fd != nil {
		_ = g.fd.Close()
	}
	g.kill()
	_ = os.Remove(g.dir)
}

func put(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0)
}
