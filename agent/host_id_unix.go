//go:build !windows

package agent

import (
	"os"
	"strings"
)

// machineID is what the system was given when it was installed, "" where it was given nothing.
func machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if text, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return ""
}
