//go:build !windows

package agent

// reportEvent is for systems with an event log beside the log.
func reportEvent(string) {}
