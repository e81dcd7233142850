package host

import (
	"errors"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// containment says by what a plugin is held, for the log.
func containment() string {
	if _, err := delegated(); err != nil {
		return "parent-death signal and process group; no control group of their own: " + err.Error()
	}
	return "parent-death signal and control group"
}

// growthRoom is what a small program may have asked for and not use.
const growthRoom = 256 << 20

// guard ties a plugin to the agent: the kernel kills it when the thread that started it ends, which is held for its lifetime. It leads a
// process group, and where the agent may make one it has a control group of its own, so that its own children end with it.
type guard struct {
	// within is where control groups are made; nil has the agent's own looked for.
	within *groups
	group  *group // nil where there is none
}

func (g *guard) start(cmd *exec.Cmd, plugin string, memory int64) error {
	within := g.within
	if within == nil {
		within, _ = delegated()
	}
	if within != nil {
		g.group, _ = within.open(plugin, memory) // without one, the process group must do
	}
	err := g.launch(cmd)
	if err != nil && g.group != nil {
		g.group.end()
	}
	if err == nil {
		stopGrowth(cmd.Process.Pid, memory)
	}
	return err
}

// launch starts the process in its control group, or moves it there at once where a filter of system calls does not let it be born there.
func (g *guard) launch(cmd *exec.Cmd) error {
	attributes := syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if g.group == nil {
		cmd.SysProcAttr = &attributes
		return cmd.Start()
	}
	within := attributes
	within.UseCgroupFD, within.CgroupFD = true, int(g.group.fd.Fd())
	cmd.SysProcAttr = &within
	err := cmd.Start()
	if !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	again := exec.Cmd{Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir, Stdin: cmd.Stdin, Stdout: cmd.Stdout, Stderr: cmd.Stderr, SysProcAttr: &attributes}
	*cmd = again
	if err := cmd.Start(); err != nil {
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

func (g *guard) usage(cmd *exec.Cmd) (usage, bool) {
	if g.group == nil {
		return usageOf(cmd.Process.Pid)
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

// wait ends the group before the leader is reaped: until then no other process can have its number.
func (g *guard) wait(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	unix.Kill(-pid, unix.SIGKILL)
	if g.group != nil {
		g.group.kill()
	}
	err := cmd.Wait()
	if g.group != nil {
		g.group.end()
	}
	return err
}

func (g *guard) kill(cmd *exec.Cmd) { cmd.Process.Kill() }
