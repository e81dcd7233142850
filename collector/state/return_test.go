package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func returned(events ...*docklinev1.Event) state.ReturnFold {
	return state.FoldReturn("R1", about(events...), codes{})
}

// TestAReturnGoesItsWay, step by step, each status with the facts behind it, and partly where the goods are partly there.
//
// Shows: S60
func TestAReturnGoesItsWay(t *testing.T) {
	a := func(quantity string) *docklinev1.Line { return L("SO1", "1", "A", quantity) }
	way := []struct {
		event *docklinev1.Event
		want  string
	}{
		{RMA(requested, 1, "R1", "1", "SO1", a("5")), state.ReturnRequested},
		{RMA(authorised, 2, "R1", "1", "SO1", a("5")), state.ReturnAuthorised},
		{Milestone(3, "m1", by("R-R1"), "picked_up"), state.ReturnInTransit},
		{Back(received, 10, "b1", "R1", "RC1", a("2")), "partially_received"},
		{Back(received, 11, "b2", "R1", "RC1", a("3")), state.ReturnReceived},
		{Back(inspected, 20, "b3", "R1", "RC1", Seen(a("2"), "good", "")), "partially_inspected"},
		{Back(inspected, 21, "b4", "R1", "RC1", Seen(a("3"), "damaged", "CL-7")), state.ReturnInspected},
		{Back(disposed, 30, "b5", "R1", "RC1", Disposed(a("2"), "restock")), "partially_disposed"},
		{Back(disposed, 31, "b6", "R1", "RC1", Disposed(a("3"), "scrap")), state.ReturnDisposed},
		{Credit(40, "CM1", "SO1", []string{"R1"}, a("2")), "partially_credited"},
		{Credit(41, "CM2", "SO1", []string{"R1"}, a("3")), state.ReturnClosed},
	}
	var events []*docklinev1.Event
	for i, step := range way {
		events = append(events, step.event)
		s := returned(events...).State
		if s.GetStatus() != step.want || !slices.Contains(s.GetStatusEventIds(), step.event.GetId()) {
			t.Errorf("after %d facts it is %s of %v, want %s", i+1, s.GetStatus(), s.GetStatusEventIds(), step.want)
		}
	}
	s := returned(events...).State
	l := s.GetLines()[0]
	if len(s.GetLines()) != 1 || l.GetAuthorised() != 5*unit || l.GetReceived() != 5*unit || l.GetInspected() != 5*unit || l.GetDamaged() != 3*unit || l.GetRestocked() != 2*unit ||
		l.GetScrapped() != 3*unit || l.GetCredited() != 5*unit || l.GetStatus() != state.ReturnClosed || len(l.GetEventIds()) != 8 {
		t.Errorf("%v", l)
	}
	if d := s.GetDiscrepancies(); len(d) != 1 || d[0].GetKind() != state.DiscrepancyDamaged || d[0].GetClaim() != "CL-7" {
		t.Errorf("damage: %v", d)
	}
}

// TestWhoDecidesOfAReturn: who asks does not undo what was decided, and a return that was denied or cancelled is received all the same when it is.
func TestWhoDecidesOfAReturn(t *testing.T) {
	line := L("SO1", "1", "A", "5")
	for _, c := range []struct {
		name   string
		events []*docklinev1.Event
		want   string
		kind   string
	}{
		{"asked for again after it was authorised", []*docklinev1.Event{RMA(authorised, 2, "R1", "1", "SO1", line), RMA(requested, 9, "R1", "2", "SO1", line)}, state.ReturnAuthorised, ""},
		{"denied", []*docklinev1.Event{RMA(requested, 1, "R1", "1", "SO1", line), RMA(denied, 2, "R1", "1", "SO1")}, state.ReturnDenied, ""},
		{"denied, and authorised by a later revision", []*docklinev1.Event{RMA(denied, 5, "R1", "1", "SO1", line), RMA(authorised, 2, "R1", "2", "SO1", line)}, state.ReturnAuthorised, ""},
		{"cancelled", []*docklinev1.Event{RMA(authorised, 1, "R1", "1", "SO1", line), RMA(withdrawn, 2, "R1", "2", "SO1")}, state.ReturnCancelled, ""},
		{"cancelled, and received", []*docklinev1.Event{RMA(authorised, 1, "R1", "1", "SO1", line), RMA(withdrawn, 2, "R1", "2", "SO1"), Back(received, 9, "b", "R1", "RC1", line)},
			state.ReturnReceived, state.DiscrepancyUnauthorised},
		{"too much", []*docklinev1.Event{RMA(authorised, 1, "R1", "1", "SO1", line), Back(received, 9, "b", "R1", "RC1", L("SO1", "1", "A", "7"))}, state.ReturnReceived, state.DiscrepancyOver},
		{"another item", []*docklinev1.Event{RMA(authorised, 1, "R1", "1", "SO1", line), Back(received, 9, "b", "R1", "RC1", line, L("", "", "C", "1"))}, state.ReturnReceived,
			state.DiscrepancyWrongItem},
		{"too late", []*docklinev1.Event{until(RMA(authorised, 1, "R1", "1", "SO1", line), 5), Back(received, 9, "b", "R1", "RC1", line)}, state.ReturnReceived, state.DiscrepancyExpired},
		{"received before it is authorised", []*docklinev1.Event{Back(received, 9, "b", "R1", "RC1", line)}, state.ReturnReceived, ""},
		{"credited whole, without lines", []*docklinev1.Event{RMA(authorised, 1, "R1", "1", "SO1", line), Back(received, 9, "b", "R1", "RC1", line), Credit(10, "CM1", "SO1", []string{"R1"})},
			state.ReturnCredited, ""},
	} {
		s := returned(c.events...).State
		var kinds []string
		for _, d := range s.GetDiscrepancies() {
			kinds = append(kinds, d.GetKind())
		}
		if s.GetStatus() != c.want || strings.Join(kinds, " ") != c.kind {
			t.Errorf("%s: %s, %v", c.name, s.GetStatus(), s.GetDiscrepancies())
		}
	}
}

func until(e *docklinev1.Event, second int) *docklinev1.Event {
	e.GetReturnAuthorisation().ExpiresAt = At(second)
	return e
}

// TestABlindReturn waits for an RMA that names its receipt, and counts there then.
func TestABlindReturn(t *testing.T) {
	line := L("", "", "A", "2")
	blind := func(events ...*docklinev1.Event) state.ReturnFold {
		return state.FoldBlindReturn(Site, "RC9", about(events...), codes{})
	}
	came := Back(received, 10, "b1", "", "RC9", line)
	if fold := blind(came); fold.State.GetStatus() != state.ReturnReceived || fold.Matched != "" || !fold.State.GetBlind() {
		t.Errorf("%v", fold.State)
	}
	away := Back(disposed, 20, "b2", "", "RC9", Disposed(L("", "", "A", "2"), "quarantine"))
	if fold := blind(came, away); fold.State.GetStatus() != state.ReturnQuarantined {
		t.Errorf("%v", fold.State)
	}
	rma := Matching(RMA(authorised, 30, "R1", "1", "SO1", L("SO1", "1", "A", "2")), "RC9")
	fold := blind(came, away, rma)
	if fold.State.GetStatus() != state.ReturnMatched || fold.Matched != "R1" || !slices.Contains(fold.State.GetStatusEventIds(), rma.GetId()) {
		t.Errorf("%v", fold.State)
	}
	via := event.BlindReturnKey(Site, "RC9")
	s := state.FoldReturn("R1", []state.Fact{{Event: rma}, {Event: came, Via: via}, {Event: away, Via: via}}, codes{}).State
	if s.GetStatus() != state.ReturnDisposed || s.GetLines()[0].GetReceived() != 2*unit || s.GetLines()[0].GetQuarantined() != 2*unit || s.GetLines()[0].GetOrder() != "SO1" {
		t.Errorf("%v", s)
	}
}

func inbound(events ...*docklinev1.Event) *docklinev1.InboundState {
	return state.FoldInbound(Site, "PO7", about(events...), codes{}).State
}

func expecting(line *docklinev1.Line, quantity string) *docklinev1.Line {
	line.Expected = &docklinev1.Quantity{Value: quantity}
	return line
}

// TestGoodsComeIn: what a supplier announced is held against what came, line by line.
//
// Shows: S60
func TestGoodsComeIn(t *testing.T) {
	line := func(number, item, quantity string) *docklinev1.Line { return L("PO7", number, item, quantity) }
	advice := Inbound(advised, 1, "a1", &docklinev1.Inbound{Advice: "ASN1", PurchaseOrder: "PO7", Supplier: "V1", ExpectedAt: timestamppb.New(Morning), Lines: []*docklinev1.Line{line("1", "A", "10"), line("2", "B", "4")}})
	truck := Inbound(arrived, 10, "t1", &docklinev1.Inbound{Number: "G1", PurchaseOrder: "PO7", Trailer: "TR-3"})
	first := Inbound(receipt, 20, "g1", &docklinev1.Inbound{Number: "G1", PurchaseOrder: "PO7", Lines: []*docklinev1.Line{line("1", "A", "6"), line("2", "B", "4")}})
	rest := Inbound(receipt, 30, "g2", &docklinev1.Inbound{Number: "G2", PurchaseOrder: "PO7", Lines: []*docklinev1.Line{L("", "", "A", "4")}})
	for i, want := range []string{state.InboundAdvised, state.InboundArrived, state.InboundPartly, state.InboundClosed} {
		s := inbound([]*docklinev1.Event{advice, truck, first, rest}[:i+1]...)
		if s.GetStatus() != want || len(s.GetStatusEventIds()) == 0 || len(s.GetDiscrepancies()) != 0 {
			t.Errorf("after %d: %s %v %v", i+1, s.GetStatus(), s.GetStatusEventIds(), s.GetDiscrepancies())
		}
	}
	if s := inbound(rest, first, truck); s.GetStatus() != state.InboundClosed || s.GetLines()[0].GetReceived() != 10*unit {
		t.Errorf("nothing announced: %v", s)
	}
	more := func(lines ...*docklinev1.Line) *docklinev1.Event {
		return Inbound(receipt, 40, "g3", &docklinev1.Inbound{Number: "G3", PurchaseOrder: "PO7", Lines: lines})
	}
	told := func(lines ...*docklinev1.Line) *docklinev1.Event {
		return Inbound(notAsTold, 50, "d1", &docklinev1.Inbound{Number: "G3", PurchaseOrder: "PO7", Lines: lines})
	}
	reason := func(l *docklinev1.Line, reason string) *docklinev1.Line { l.Reason = reason; return l }
	for _, c := range []struct {
		name   string
		events []*docklinev1.Event
		want   string
		status string
	}{
		{"more came", []*docklinev1.Event{advice, first, rest, more(line("1", "A", "1"))}, "over 1 ", state.InboundReceived},
		{"another item came", []*docklinev1.Event{advice, first, rest, more(line("3", "C", "1"))}, "wrong_item 1 ", state.InboundReceived},
		{"some came damaged", []*docklinev1.Event{advice, first, more(Seen(line("1", "A", "4"), "damaged", ""))}, "damaged 4 ", state.InboundReceived},
		{"and there is a claim", []*docklinev1.Event{advice, first, more(Seen(line("1", "A", "4"), "damaged", "CL1"))}, "damaged 4 CL1", state.InboundClosed},
		{"the site says what is short", []*docklinev1.Event{advice, first, told(reason(line("1", "A", "4"), "short"))}, "short 4 ", state.InboundReceived},
		{"and claims it", []*docklinev1.Event{advice, first, told(Seen(reason(line("1", "A", "4"), "short"), "", "CL2"))}, "short 4 CL2", state.InboundClosed},
		{"a receipt says what was expected", []*docklinev1.Event{more(expecting(line("1", "A", "3"), "5"))}, "", state.InboundPartly},
		{"and more came than that", []*docklinev1.Event{more(expecting(line("1", "A", "6"), "5"))}, "over 1 ", state.InboundReceived},
	} {
		s := inbound(c.events...)
		var got []string
		for _, d := range s.GetDiscrepancies() {
			got = append(got, fmt.Sprint(d.GetKind(), " ", d.GetQuantity()/unit, " ", d.GetClaim()))
			if len(d.GetEventIds()) == 0 {
				t.Errorf("%s: %s follows from nothing", c.name, d.GetKind())
			}
		}
		if strings.Join(got, ", ") != c.want || s.GetStatus() != c.status {
			t.Errorf("%s: %q, %s", c.name, got, s.GetStatus())
		}
	}
}
