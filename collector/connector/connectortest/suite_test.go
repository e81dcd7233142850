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
	k := &connectortest.Keeper{Memory: &connectortest.Memory{Settle: 200 * time.Millisecond}}
	connectortest.Run(t, connectortest.MemoryHarness(k, k))
}

// defects are connectors that break one promise each, and the test that must find it.
var defects = []struct {
	name, finds string
	connector   func(k *connectortest.Keeper) connector.Connector
}{
	{"not unknown", "lost_answer", func(k *connectortest.Keeper) connector.Connector { return sure{k.Memory} }},
	{"first match only", "all_matches_are_found", func(k *connectortest.Keeper) connector.Connector { return firstOnly{k.Memory} }},
	{"any version", "an_older_version_is_ignored", func(k *connectortest.Keeper) connector.Connector { return anyVersion{k.Memory} }},
	{"cursor ahead", "changes", func(k *connectortest.Keeper) connector.Connector { return cursorAhead{k.Memory} }},
	{"guilty of nothing", "right_taken_away", func(k *connectortest.Keeper) connector.Connector { return unclassed{k.Memory} }},
	{"absent by another shape", "another_shape", func(k *connectortest.Keeper) connector.Connector { return absentAnyway{k.Memory} }},
	{"complete anyway", "changed_by_hand", func(k *connectortest.Keeper) connector.Connector { return completeAnyway{k.Memory} }},
	{"pages by count", "under_change", func(k *connectortest.Keeper) connector.Connector { return newestFirst{k.Memory} }},
	{"nothing without a right", "changes_without_the_right", func(k *connectortest.Keeper) connector.Connector { return silentFeed{k.Memory} }},
	{"by the clock", "clock_ahead", func(k *connectortest.Keeper) connector.Connector { return &byClock{Memory: k.Memory} }},
	{"not all records", "records_of_customer", func(k *connectortest.Keeper) connector.Connector { return forgetful{k} }},
	{"records by count", "records_of_customer", func(k *connectortest.Keeper) connector.Connector { return newestRecords{k} }},
	{"records in a circle", "records_of_customer", func(k *connectortest.Keeper) connector.Connector { return circling{k} }},
	{"looks and then makes", "two_writers_at_once", func(k *connectortest.Keeper) connector.Connector { return racing{k.Memory} }},
	{"gives way", "a_person_between", func(k *connectortest.Keeper) connector.Connector { return yielding{k.Memory} }},
	{"hides what others entered", "a_person_between", func(k *connectortest.Keeper) connector.Connector { return hiding{k.Memory} }},
	{"all sites", "snapshot", func(k *connectortest.Keeper) connector.Connector { return allSites{k.Memory} }},
}

// TestSuiteCanFail runs the suite on each defect in a process of its own and looks for the failure.
func TestSuiteCanFail(t *testing.T) {
	if name := os.Getenv("CONNECTORTEST_DEFECT"); name != "" {
		for _, d := range defects {
			if d.name == name {
				k := &connectortest.Keeper{Memory: &connectortest.Memory{Settle: 20 * time.Millisecond}}
				connectortest.Run(t, connectortest.MemoryHarness(k, d.connector(k)))
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
