//go:build !windows

package bench

import "golang.org/x/sys/unix"

// mayOpen is how many files a process may have open; those of Go raise theirs to the hard limit.
func mayOpen() (uint64, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Max, err
}
