package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func decided(second int, decision string) *docklinev1.Event {
	e := Count(second, "CC1")
	e.Kind = docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED
	e.Payload = &docklinev1.Event_CountApproval{CountApproval: &docklinev1.CountApproval{Number: "CC1", Approver: "lead", Decision: decision}}
	return Keyed(e, fmt.Sprint("CA", second))
}

// A decision about a count is about what was counted until then, in the same use of its number.
func TestADecisionIsAboutOneUseOfANumber(t *testing.T) {
	const day = 86400
	one := func(second int, bin, quantity string) *docklinev1.Event {
		return Keyed(Count(second, "CC1", In(L("", "", "A", quantity), bin, "")), fmt.Sprint("row", second))
	}
	for _, c := range []struct {
		name   string
		events []*docklinev1.Event
		want   string
	}{
		{"used again, and then rejected", []*docklinev1.Event{one(10, "B-01", "4"), one(20, "B-02", "5"), one(30*day, "B-03", "6"), one(30*day+9, "B-01", "7"), decided(30*day+60, "reject")},
			"B-01 4 , B-01 7 reject, B-02 5 , B-03 6 reject"},
		{"approved, used again, and rejected", []*docklinev1.Event{one(10, "B-01", "4"), decided(60, "approve"), one(2*day, "B-01", "7"), decided(2*day+60, "reject")},
			"B-01 4 approve, B-01 7 reject"},
		{"approved, and used again", []*docklinev1.Event{one(10, "B-01", "4"), decided(60, "approve"), one(2*day, "B-01", "7")}, "B-01 4 approve, B-01 7 "},
		{"rejected after three days of counting", []*docklinev1.Event{one(10, "B-01", "4"), one(day, "B-02", "5"), one(2*day, "B-03", "6"), decided(3*day, "reject")},
			"B-01 4 reject, B-02 5 reject, B-03 6 reject"},
		{"a recount after the approval", []*docklinev1.Event{one(10, "B-01", "4"), decided(60, "recount"), Recount(2*day, "CC1", 1, In(L("", "", "A", "7"), "B-01", ""))}, "B-01 7 "},
		{"no bin twice, and a month between", []*docklinev1.Event{one(10, "B-01", "4"), one(30*day, "B-02", "7"), decided(30*day+60, "reject")}, "B-01 4 , B-02 7 reject"},
	} {
		fold := state.FoldCount(Site, "CC1", facts(event.CountKey(Site, "CC1"), c.events...), codes{})
		var got []string
		for _, line := range fold.State.GetLines() {
			got = append(got, fmt.Sprintf("%s %d %s", line.GetBin(), line.GetCounted()/unit, state.DecisionOf(fold.State, line)))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %q", c.name, got)
		}
		rejected := 0
		for _, line := range got {
			if strings.HasSuffix(line, "reject") {
				rejected++
			}
		}
		if len(fold.Rejected) != rejected {
			t.Errorf("%s: %d events are rejected, and %d lines", c.name, len(fold.Rejected), rejected)
		}
	}
}
