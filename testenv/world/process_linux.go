package world

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/dockline/dockline/testenv"
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

// Frozen stops the process for as long as do takes, without its knowledge: what it has on disk is then as a power cut would leave it.
func (p *Process) Frozen(do func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return errors.New("freeze " + p.Name + ": it does not run")
	}
	if err := testenv.Halt(p.cmd.Process); err != nil {
		return err
	}
	return errors.Join(do(), p.cmd.Process.Signal(syscall.SIGCONT))
}

// Halt stops the process without its knowledge until Resume.
func (p *Process) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return errors.New("halt " + p.Name + ": it does not run")
	}
	return testenv.Halt(p.cmd.Process)
}

// Resume lets it go on.
func (p *Process) Resume() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(syscall.SIGCONT)
}

func interrupt(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }
