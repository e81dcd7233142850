//go:build !windows

package agent

import "golang.org/x/sys/unix"

// diskFree is how many bytes the agent may still write where dir is.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
