package journal

import (
	"os"

	"golang.org/x/sys/windows"
)

const errQuota = windows.ERROR_DISK_QUOTA_EXCEEDED

// lockFile takes the lock of a journal folder without waiting.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}
