//go:build !windows

package service

// KeepLog has nothing to do: the journal of systemd keeps what the service writes to standard error.
func KeepLog(string) (end func()) { return func() {} }

// AwaitsConfig says whether the service runs without a configuration until there is one. Under systemd it ends, and the unit starts it again.
const AwaitsConfig = false
