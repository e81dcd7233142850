package remote

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// guard ties a program to the collector: the kernel kills it when the thread that started it ends, which is held for its lifetime. It leads a process
// group, so that its own children end with it.
type guard struct{}

func (*guard) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd.Start()
}

// wait ends the group before the leader is reaped: until then no other process can have its number.
func (*guard) wait(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-pid, unix.SIGKILL)
	return cmd.Wait()
}

func (*guard) kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
