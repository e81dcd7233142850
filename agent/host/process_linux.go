package host

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// growthRoom is what a small program may have asked for and not use.
const growthRoom = 256 << 20

// guard ties a plugin to the agent: the kernel kills it when the thread that started it ends, which is held for its lifetime.
// It leads a process group, so that its own children end with it.
type guard struct{}

func (guard) start(cmd *exec.Cmd, memory int64) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	stopGrowth(cmd.Process.Pid, memory)
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

func (guard) usage(cmd *exec.Cmd) (usage, bool) { return usageOf(cmd.Process.Pid) }

// wait ends the group before the leader is reaped: until then no other process can have its number.
func (guard) wait(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	unix.Kill(-pid, unix.SIGKILL)
	return cmd.Wait()
}

func (guard) kill(cmd *exec.Cmd) { cmd.Process.Kill() }
