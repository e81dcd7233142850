//go:build unix

package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

// try takes a file's lock without waiting.
func try(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
