//go:build !linux && !windows

package agent

func remoteDisk(string) string { return "" }

func virusScanner() string { return "" }
