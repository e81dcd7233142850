package agent

import "golang.org/x/sys/windows"

// diskFree is how many bytes the agent may still write where path is, 0 where that cannot be told: a full disk has 1.
func diskFree(path string) uint64 {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0
	}
	return max(1, free)
}
