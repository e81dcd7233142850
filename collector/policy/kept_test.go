package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/dockline/dockline/collector/policy"
)

// A version that was kept when approvals.yaml still named the teams of owners loads, under its own name, and asks the teams that it asked then.
func TestAVersionKeptWithTeamsInApprovalsStillLoads(t *testing.T) {
	files := make(map[string][]byte)
	for name, text := range policy.Default().Files() {
		files[name] = []byte(text)
	}
	files["approvals.yaml"] = []byte("owners: {system_of_record: finance}\nfiles: []\n")
	body, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := policy.FromBody(body)
	if err != nil {
		t.Fatal(err)
	}
	next, err := kept.WithTargets([]policy.Target{{Name: "sap", Role: "system_of_record"}})
	if err == nil {
		t.Errorf("a new version says it again: %s", next.Version)
	}
	if next, err = policy.Default().WithTargets([]policy.Target{{Name: "sap", Role: "system_of_record"}}); err != nil {
		t.Fatal(err)
	}
	asked := make(map[string]bool)
	for _, d := range kept.Demands(next, kept.Changes(next)) {
		asked[d.Team] = true
	}
	if !asked["finance"] {
		t.Errorf("it asks %v", asked)
	}
	asked = make(map[string]bool)
	for _, d := range policy.Default().Demands(next, nil) {
		asked[d.Team] = true
	}
	if !asked["customer-service"] {
		t.Errorf("what ships asks %v", asked)
	}
}
