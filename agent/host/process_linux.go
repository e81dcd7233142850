package host

import (
	"errors"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dockline/dockline/proto/child"
)

// containment says by what a plugin is held, for the log.
func containment() string {
	if _, err := delegated(); err != nil {
		return "parent-death signal and process group; no control group of their own: " + err.Error()
	}
	return "parent-death signal and control group"
}

// guard ties a plugin to the agent. Where the agent may make one, a plugin has a control group of its own, so that whatever it starts ends with it and
// is counted; who ends an agent that was killed, the service manager or the next agent, ends what is in it. Elsewhere it has a process group.
type guard struct {
	child.Tie
	plugin string
	memory int64 // the most that it may take; 0 is no limit
	// within is where control groups are made; nil has the agent's own looked for.
	within *groups
	group  *group // nil where there is none
}

// Start implements child.Guard.
func (g *guard) Start(cmd *exec.Cmd) error {
	within := g.within
	if within == nil {
		within, _ = delegated()
	}
	if within != nil {
		g.group, _ = within.open(g.plugin, g.memory) // without one, the process group must do
	}
	err := g.launch(cmd)
	if err != nil && g.group != nil {
		g.group.end()
	}
	if err == nil {
		stopGrowth(cmd.Process.Pid, g.memory)
	}
	return err
}

// launch starts the process in its control group, or moves it there at once where a filter of system calls does not let it be born there.
func (g *guard) launch(cmd *exec.Cmd) error {
	if g.group == nil {
		return g.Tie.Start(cmd)
	}
	g.Unwatched = true
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.group.fd.Fd())}
	err := g.Tie.Start(cmd)
	if !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	*cmd = exec.Cmd{Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir, Stdin: cmd.Stdin, Stdout: cmd.Stdout, Stderr: cmd.Stderr}
	if err := g.Tie.Start(cmd); err != nil {
		return err
	}
	_ = put(g.group.dir, "cgroup.procs", strconv.Itoa(cmd.Process.Pid))
	return nil
}

// stopGrowth bounds what a process may ask for, for one that grows faster than the agent looks. A program asks for more than it uses, so
// this lies well above the limit by which it is ended with a reason. Where the system does not let it be, looking must do.
func stopGrowth(pid int, memory int64) {
	if memory > 0 {
		most := uint64(2*memory) + growthRoom
		_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}, nil)
	}
}

func (g *guard) usage(pid int) (usage, bool) {
	if g.group == nil {
		return usageOf(pid)
	}
	var all usage
	found := false
	for _, pid := range g.group.processes() {
		if u, ok := usageOfOne(pid); ok {
			all.memory += u.memory
			all.cpu += u.cpu
			found = true
		}
	}
	return all, found
}

// Wait implements child.Guard.
func (g *guard) Wait(cmd *exec.Cmd) error {
	err := g.Tie.Wait(cmd)
	if g.group != nil {
		g.group.end()
	}
	return err
}
