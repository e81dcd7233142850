//go:build !linux && !windows

package child

import "os/exec"

// Tie has no help from this system: the program itself sees that its host is gone.
type Tie struct {
	Unwatched bool
}

// Start starts the program.
func (*Tie) Start(cmd *exec.Cmd) error { return cmd.Start() }

// Wait waits for it.
func (*Tie) Wait(cmd *exec.Cmd) error { return cmd.Wait() }

// Kill ends it.
func (*Tie) Kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
