//go:build unix

package collector

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes a file's lock without waiting.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
