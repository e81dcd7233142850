package child

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Tie is the guard by what the system has. The kernel kills the program when the thread that started it ends, which is held for the program's
// lifetime. That signal is not inherited, so what the program has started ends by a watcher in its process group: a shell that reads until the host
// is gone, and then ends the group that it is in. A process that has left the group is not reached; a control group does that.
type Tie struct {
	// Unwatched is for a host that has another way to end what the program has started.
	Unwatched bool

	watcher *exec.Cmd
	alive   *os.File // our end of what the watcher reads
}

// Start starts the program as the leader of a process group. What the caller has set in SysProcAttr stays.
func (t *Tie) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig, cmd.SysProcAttr.Setpgid = syscall.SIGKILL, true
	if err := cmd.Start(); err != nil {
		return err
	}
	if !t.Unwatched {
		t.watch(cmd.Process.Pid)
	}
	return nil
}

// watch starts the watcher. As long as it lives, the group's number is nobody else's, whatever becomes of the leader. Where there is no shell, as in a
// container of one program, the end of the container ends what is in it.
func (t *Tie) watch(group int) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return
	}
	defer theirs.Close()
	watcher := exec.Command("/bin/sh", "-c", "read _; kill -9 0")
	watcher.Env, watcher.Dir, watcher.Stdin = []string{}, "/", theirs
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
	if err := watcher.Start(); err != nil {
		_ = ours.Close()
		return
	}
	t.watcher, t.alive = watcher, ours
}

// Wait ends the group before the leader is reaped: until then no other process can have its number.
func (t *Tie) Wait(cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-pid, unix.SIGKILL)
	err := cmd.Wait()
	if t.watcher != nil {
		_ = t.watcher.Wait()
		_ = t.alive.Close()
	}
	return err
}

// Kill ends the program; Wait ends what it had started.
func (t *Tie) Kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
