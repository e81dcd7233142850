//go:build unix

package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

const errQuota = unix.EDQUOT

// errsJustNow has what only Windows says.
var errsJustNow []error

// lockFile takes the lock of a journal folder without waiting.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
