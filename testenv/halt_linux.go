package testenv

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Halt stops a child of this process by SIGSTOP and returns when no thread of it runs any more, which is some time after the signal was sent.
// SIGCONT lets it go on.
func Halt(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("halt process %d: %w", p.Pid, err)
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("halt process %d: %w", p.Pid, err)
		case !status.Stopped():
			return fmt.Errorf("halt process %d: it ended", p.Pid)
		default:
			return nil
		}
	}
}
