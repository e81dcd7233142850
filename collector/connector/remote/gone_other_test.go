//go:build !linux

package remote_test

import "os"

// gone says that a process has ended.
func gone(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	p.Release()
	return false
}
