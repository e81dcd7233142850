//go:build unix

package bench

import (
	"os"
	"syscall"
)

// diskBytes is what a file takes on disk.
func diskBytes(info os.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(s.Blocks) * 512
	}
	return info.Size()
}
