//go:build !windows

package agent

import "syscall"

// diskFree is how many bytes the agent may still write where path is, 0 where that cannot be told: a full disk has 1.
func diskFree(path string) uint64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0
	}
	return max(1, uint64(s.Bavail)*uint64(s.Bsize))
}
