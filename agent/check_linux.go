package agent

import "golang.org/x/sys/unix"

// limitMemory bounds the memory of this process; a mapped file does not count.
func limitMemory(bytes uint64) error {
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
}
