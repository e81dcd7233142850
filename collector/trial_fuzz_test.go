package collector_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/policy"
)

// A test of a policy is read or refused with its faults; what was read runs and says what came out, or what is wrong with its facts.
func FuzzTrial(f *testing.F) {
	for _, text := range []string{
		"name: a\nfacts:\n- {kind: EVENT_KIND_ORDER_ACCEPTED, subject: SO1, occurredAt: \"2026-03-02T08:00:00Z\", orderAccepted: {customer: C1}}\nexpect: {statuses: {order/SO1: accepted}}\n",
		"name: b\nafter: -1h\nfacts:\n- {kind: 9999, site: dc-east}\n",
		"facts:\n- {orderAccepted: {lines: [{quantity: {value: \"1e9\"}}]}}\n- {}\n",
		"name: c\nincomplete: true\nexpect: {postings: [{target: erp}]}\n",
		"facts: {a: b}\n", "a: [",
	} {
		f.Add([]byte(text))
	}
	folder := f.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "tests"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(folder, "tests", "a.yaml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		trials, err := collector.ReadTrials(folder)
		if err != nil {
			return
		}
		results, err := collector.RunTrials(t.Context(), policy.Default(), trials)
		if err != nil || len(results) != 1 {
			t.Fatalf("%d results, %v", len(results), err)
		}
	})
}
