package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	tableBegin = "<!-- table: make bench TABLE=docs/performance.md writes it -->"
	tableEnd   = "<!-- end of table -->"
)

// MachineState is what a run's figures depend on.
type MachineState struct {
	At         time.Time
	Processors int
	// Load is that of the last minute when the run ended, which it made itself in part; "unknown" where the system does not say.
	Load string
	// Before is that of the fifteen minutes before: what others did.
	Before string
}

// Machine looks now.
func Machine() MachineState {
	m := MachineState{At: time.Now().UTC(), Processors: runtime.NumCPU(), Load: "unknown", Before: "unknown"}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 2 {
			m.Load, m.Before = fields[0], fields[2]
		}
	}
	return m
}

// Table is the results as a table for people; rounds is how often each rate and time was taken.
func Table(measures []Measure, rounds int, begin, end MachineState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run of %s on %d processors under %s/%s. Load when it began: %s over a minute, %s over fifteen", begin.At.Format("2006-01-02 15:04"), begin.Processors, runtime.GOOS, runtime.GOARCH, begin.Load, begin.Before)
	fmt.Fprintf(&b, "; when it ended: %s. Rounds: %d. %s\n\n", end.Load, rounds, busy(begin))
	b.WriteString("| measure | value | beside it, in the same run | ratio | gate | holds |\n|---|---|---|---|---|---|\n")
	held := 0
	for _, m := range measures {
		holds := "**no**"
		if m.Pass {
			holds, held = "yes", held+1
		}
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s | %s |\n", m.Name, figure(m.Value), m.Unit, m.Beside, figure(m.Ratio), m.Gate, holds)
	}
	fmt.Fprintf(&b, "\n%d of %d gates hold.\n", held, len(measures))
	return b.String()
}

// busy says so where others used the machine, and the figures are to be taken as ratios only.
func busy(m MachineState) string {
	var load float64
	if _, err := fmt.Sscan(m.Load, &load); err == nil && load < 0.5*float64(m.Processors) {
		return "The machine was quiet."
	}
	return "**The machine was busy with other work: only the ratios mean something.**"
}

// WriteTable puts the table into a page, in place of the one that it has; a page without one gets it at its end.
func WriteTable(path, table string) error {
	page, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	before, rest, found := bytes.Cut(page, []byte(tableBegin))
	after := []byte("\n")
	if found {
		if _, after, found = bytes.Cut(rest, []byte(tableEnd)); !found {
			return fmt.Errorf("%s: the table has no end (%s)", path, tableEnd)
		}
	}
	return os.WriteFile(path, fmt.Appendf(nil, "%s%s\n%s%s%s", before, tableBegin, table, tableEnd, after), 0o644)
}
