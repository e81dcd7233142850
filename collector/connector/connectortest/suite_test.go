package connectortest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
)

// TestMemory holds the target in memory, which other packages try senders on, against the suite.
func TestMemory(t *testing.T) {
	m := &connectortest.Memory{Settle: 200 * time.Millisecond}
	connectortest.Run(t, connectortest.MemoryHarness(m, m))
}

// defects are connectors that break one promise each, and the test that must find it.
var defects = []struct {
	name, finds string
	connector   func(m *connectortest.Memory) connector.Connector
}{
	{"not unknown", "lost_answer", func(m *connectortest.Memory) connector.Connector { return sure{m} }},
	{"first match only", "all_matches_are_found", func(m *connectortest.Memory) connector.Connector { return firstOnly{m} }},
	{"any version", "an_older_version_is_ignored", func(m *connectortest.Memory) connector.Connector { return anyVersion{m} }},
	{"cursor ahead", "changes", func(m *connectortest.Memory) connector.Connector { return cursorAhead{m} }},
	{"guilty of nothing", "right_taken_away", func(m *connectortest.Memory) connector.Connector { return unclassed{m} }},
	{"absent by another shape", "another_shape", func(m *connectortest.Memory) connector.Connector { return absentAnyway{m} }},
	{"complete anyway", "changed_by_hand", func(m *connectortest.Memory) connector.Connector { return completeAnyway{m} }},
	{"pages by count", "under_change", func(m *connectortest.Memory) connector.Connector { return newestFirst{m} }},
	{"nothing without a right", "changes_without_the_right", func(m *connectortest.Memory) connector.Connector { return silentFeed{m} }},
	{"by the clock", "clock_ahead", func(m *connectortest.Memory) connector.Connector { return &byClock{Memory: m} }},
	{"all sites", "snapshot", func(m *connectortest.Memory) connector.Connector { return allSites{m} }},
}

// TestSuiteCanFail runs the suite on each defect in a process of its own and looks for the failure.
func TestSuiteCanFail(t *testing.T) {
	if name := os.Getenv("CONNECTORTEST_DEFECT"); name != "" {
		for _, d := range defects {
			if d.name == name {
				m := &connectortest.Memory{Settle: 20 * time.Millisecond}
				connectortest.Run(t, connectortest.MemoryHarness(m, d.connector(m)))
			}
		}
		return
	}
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteCanFail$", "-test.v")
			cmd.Env = append(os.Environ(), "CONNECTORTEST_DEFECT="+d.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite passed it")
			}
			found := false
			for line := range strings.Lines(string(out)) {
				found = found || strings.Contains(line, "--- FAIL") && strings.Contains(line, d.finds)
			}
			if !found {
				t.Errorf("no failure of %s:\n%s", d.finds, out)
			}
		})
	}
}
