//go:build !linux

package world

import (
	"os"
	"os/exec"
	"runtime"
)

func dieWithParent(*exec.Cmd) {}

func startLocked(cmd *exec.Cmd) error { return cmd.Start() }

func interrupt(cmd *exec.Cmd) error {
	if runtime.GOOS == "windows" {
		return cmd.Process.Kill()
	}
	return cmd.Process.Signal(os.Interrupt)
}
