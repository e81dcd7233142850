package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memoryUse of a process in bytes. Resident counts mapped files too, which the kernel takes back when it likes; Anonymous is what the
// process cannot do without.
type memoryUse struct {
	Resident, Anonymous float64
}

// memoryOf reads /proc/PID/smaps_rollup.
func memoryOf(pid int) (m memoryUse, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, err
	}
	err = told(&m, pid, text, "Rss:", "Anonymous:")
	return m, err
}

// countedMemoryOf is the same by the system's counters, which are off by some pages and cost nothing: to go through the pages of a large process
// twenty times a second holds it up.
func countedMemoryOf(pid int) (m memoryUse, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, err
	}
	err = told(&m, pid, text, "VmRSS:", "RssAnon:")
	return m, err
}

// told reads what lines of "name kilobytes kB" say.
func told(m *memoryUse, pid int, text []byte, resident, anonymous string) error {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[0] != resident && fields[0] != anonymous {
			continue
		}
		n, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return fmt.Errorf("process %d: %s: %w", pid, fields[0], err)
		}
		if fields[0] == resident {
			m.Resident = n * 1024
		} else {
			m.Anonymous = n * 1024
		}
	}
	if m.Resident == 0 {
		return fmt.Errorf("process %d: no memory is told of", pid)
	}
	return nil
}

// clockTick is USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = time.Second / 100

// processorTime is what a process has used of the processor so far.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold anything; what follows it is numbers. utime and stime are fields 14 and 15.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: stat has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// peakMemory looks at a process until stop is called, which gives the highest that was seen of either.
func peakMemory(pid int) (stop func() memoryUse) {
	end, out := make(chan struct{}), make(chan memoryUse)
	go func() {
		var peak memoryUse
		every := time.NewTicker(50 * time.Millisecond)
		defer every.Stop()
		for {
			if m, err := countedMemoryOf(pid); err == nil {
				peak.Resident, peak.Anonymous = max(peak.Resident, m.Resident), max(peak.Anonymous, m.Anonymous)
			}
			select {
			case <-end:
				out <- peak
				return
			case <-every.C:
			}
		}
	}()
	return func() memoryUse { close(end); return <-out }
}

const megabyte = 1e6
