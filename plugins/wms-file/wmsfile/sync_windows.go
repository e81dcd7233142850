package wmsfile

import "syscall"

// otherVolume is what a rename says that would lead to another volume: ERROR_NOT_SAME_DEVICE.
const otherVolume = syscall.Errno(17)

// syncFolder has nothing to do: Windows keeps a rename in the journal of its file system.
func syncFolder(string) error { return nil }
