package world

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent lets the kernel kill the child when we die, however that happens.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// startLocked starts from a thread that never ends: the kernel watches the thread, not the process.
func startLocked(cmd *exec.Cmd) error {
	started := make(chan error)
	starts <- func() { started <- cmd.Start() }
	return <-started
}

var starts = func() chan func() {
	queue := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range queue {
			start()
		}
	}()
	return queue
}()

func interrupt(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }
