//go:build !linux

package agent

// limitMemory has no equal here; the time limit must do.
func limitMemory(uint64) error { return nil }
