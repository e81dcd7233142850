// Package filelock keeps processes off each other by a lock on a file. The system takes the lock back when its holder ends, however it ends.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrHeld: another process has the lock.
var ErrHeld = errors.New("another process has it locked")

// pause is between two looks at a lock that somebody has.
const pause = 20 * time.Millisecond

// Take opens a file, made with mode 0600 where it is not there, and takes its lock; closing the file gives it back. While another has it,
// Take waits, and after most returns
// ErrHeld. A process that was killed while it started a child may have the lock for a moment more, until the child has become the other
// program: who expects that waits a second or two. The file stays, for a new one of its name would be another lock.
func Take(path string, most time.Duration) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(most); ; time.Sleep(pause) {
		if err = try(file); err == nil {
			return file, nil
		}
		if time.Now().After(deadline) {
			_ = file.Close() // nothing was written to it
			return nil, fmt.Errorf("%s: %w (%w)", path, ErrHeld, err)
		}
	}
}
