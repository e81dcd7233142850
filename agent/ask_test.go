package agent_test

import (
	"testing"

	"github.com/dockline/dockline/agent"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The place of a sample's fault is said once, whether its text has it or not.
func TestAFaultOfASampleSaysItsPlaceOnce(t *testing.T) {
	for want, f := range map[string]*docklinev1.DeadLetter{
		"a.csv line 4: column qty: x is no number": {File: "a.csv", Line: 4, Column: "qty", Text: "a.csv line 4: column qty: x is no number"},
		"a.txt:6: XXX is not expected here":        {File: "a.txt", Line: 6, Text: "XXX is not expected here"},
		"picks: qty: x is no number":               {File: "picks", Column: "qty", Text: "x is no number"},
		"picks: 7: qty: x is no number":            {File: "picks", Column: "qty", Text: "7: qty: x is no number"},
	} {
		if got := agent.TriedFault(f); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
