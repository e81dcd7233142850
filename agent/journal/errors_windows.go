package journal

import "golang.org/x/sys/windows"

const errQuota = windows.ERROR_DISK_QUOTA_EXCEEDED

// errsJustNow say that a file can't be opened or mapped at this moment, and nothing of what is in it: another program has it, a virus
// scanner or a backup, or the machine is short of memory or handles.
var errsJustNow = []error{windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION, windows.ERROR_USER_MAPPED_FILE, windows.ERROR_TOO_MANY_OPEN_FILES,
	windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_COMMITMENT_LIMIT, windows.ERROR_NO_SYSTEM_RESOURCES}
