package policy_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/dockline/dockline/collector/policy"
)

// A policy file that a person wrote is taken or refused with its faults, and what was taken is kept and read back as the same version.
func FuzzLoad(f *testing.F) {
	for name, text := range map[string]string{"limits.yaml": "over_ship_tolerance: \"2.5\"\nover_ship: hold\n", "mapping.yaml": "strict: true\nitems:\n  - {item: A, codes: [{code: B}], units: {CS: \"12\"}}\n",
		"owners.yaml": "classes:\n  technical: {team: it, severity: error, due: 1h}\n", "routing.yaml": "routes:\n  - {kind: goods_issue, role: system_of_record, when: 'order.customer == \"C\"'}\n",
		"targets.yaml": "targets:\n  - {name: erp, role: system_of_record}\n", "timing.yaml": "pick_wait: 10m\n", "ownership.yaml": "ownership:\n  - {kinds: [order.*], owners: [site]}\n"} {
		f.Add(name, []byte(text))
	}
	shipped, err := filepath.Glob("default/*.yaml")
	if err != nil || len(shipped) == 0 {
		f.Fatalf("no files that ship: %v", err)
	}
	for _, path := range shipped {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(path), text)
	}
	f.Add("calendars.yaml", []byte("calendars:\n  office: {zone: Europe/Berlin, week: {mon-fri: 08:00-17:00}, holidays: [2026-12-25]}\n"))
	f.Add("mapping.yaml", []byte("items: [{item: A, units: {CS: \"1e99\"}}]"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		p, err := policy.Load(fstest.MapFS{name: &fstest.MapFile{Data: text}})
		if err != nil {
			return
		}
		again, err := policy.FromBody(p.Body())
		if err != nil || again.Version != p.Version {
			t.Fatalf("what was kept is not read back: %v", err)
		}
	})
}

// What the database has of a policy may be damaged.
func FuzzFromBody(f *testing.F) {
	f.Add(policy.Default().Body())
	f.Add([]byte(`{"limits.yaml":"eA=="}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if p, err := policy.FromBody(body); err == nil && p.Version == "" {
			t.Fatal("a policy without a version")
		}
	})
}
