package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ticksPerSecond is the unit of times in /proc: USER_HZ, which is 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// usageOf adds up a process and its descendants. A process that ends meanwhile counts for nothing.
func usageOf(pid int) (usage, bool) {
	all, ok := usageOfOne(pid)
	if !ok {
		return usage{}, false
	}
	for _, child := range children(pid) {
		if u, ok := usageOf(child); ok {
			all.memory += u.memory
			all.cpu += u.cpu
		}
	}
	return all, true
}

// usageOfOne reads /proc/PID/stat, proc(5): fields 14 and 15 are the times in user and kernel mode, 24 the resident pages.
func usageOfOne(pid int) (usage, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, false
	}
	// The name, field 2, may hold anything; it ends with the last parenthesis.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 22 {
		return usage{}, false
	}
	number := func(field int) uint64 {
		n, _ := strconv.ParseUint(string(fields[field-3]), 10, 64)
		return n
	}
	return usage{memory: number(24) * uint64(os.Getpagesize()), cpu: time.Duration(number(14)+number(15)) * time.Second / ticksPerSecond}, true
}

// children asks each thread of a process for those that it has started.
func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, word := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(word)); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
