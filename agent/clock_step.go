//go:build clockstep

package agent

import (
	"os"
	"strings"
	"time"
	"unsafe"
)

// ClockFile in the environment names a file with a duration by which this build's wall clock is wrong. Tests step it; no build that ships has it.
const ClockFile = "DOCKLINE_CLOCK_FILE"

// now is a clock that was set wrong: as with a real one, only the time of day is changed and never the time that has passed. The first
// word of a time.Time holds its seconds above 30 bits of nanoseconds while it carries both.
func now() time.Time {
	t := time.Now()
	text, err := os.ReadFile(os.Getenv(ClockFile))
	if err != nil {
		return t
	}
	if step, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
		*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(step/time.Second)) << 30
	}
	return t
}
