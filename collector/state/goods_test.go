package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	staged    = docklinev1.EventKind_EVENT_KIND_LOAD_STAGED
	loaded    = docklinev1.EventKind_EVENT_KIND_LOAD_LOADED
	delayed   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED
	refused   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED
	lost      = docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST
	damaged   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED
	requested = docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED
	denied    = docklinev1.EventKind_EVENT_KIND_RETURN_DENIED
	withdrawn = docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED
	inspected = docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED
	advised   = docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED
	arrived   = docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED
	receipt   = docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED
	notAsTold = docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY
)

// about are events as facts of a key: one of a carrier that names no shipment came by the name that it gives.
func about(events ...*docklinev1.Event) []state.Fact {
	var list []state.Fact
	for i, e := range events {
		fact := state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: e}
		names, carried := event.Payload(e).(interface {
			GetShipment() string
			GetTracking() string
			GetBillOfLading() string
			GetHandlingUnits() []string
		})
		switch {
		case !carried || e.GetSite() != "" || names.GetShipment() != "":
		case names.GetTracking() != "":
			fact.Via = event.ReferenceKey(event.ReferenceTracking, names.GetTracking())
		case names.GetBillOfLading() != "":
			fact.Via = event.ReferenceKey(event.ReferenceBillOfLading, names.GetBillOfLading())
		case len(names.GetHandlingUnits()) > 0:
			fact.Via = event.ReferenceKey(event.ReferenceUnit, names.GetHandlingUnits()[0])
		}
		list = append(list, fact)
	}
	return list
}

func shipment(events ...*docklinev1.Event) state.ShipmentFold {
	return state.FoldShipment(Site, "S1", about(events...), codes{})
}

var wholly = Names{Shipment: "S1"}

func by(tracking string) Names { return Names{Tracking: tracking} }

// three is S1, ten of A and five of B in three parcels.
func three() *docklinev1.Event {
	return Departed(30, "S1", "BOL-1", []string{"T1", "T2", "T3"}, L("SO1", "1", "A", "10"), L("SO1", "2", "B", "5"))
}

// TestAShipmentGoesItsWay follows one from the door to the customer's signature, and asks for the facts behind each status.
//
// Shows: S60
func TestAShipmentGoesItsWay(t *testing.T) {
	one := Departed(30, "S1", "BOL-1", []string{"T1"}, L("SO1", "1", "A", "10"))
	way := []struct {
		event *docklinev1.Event
		want  string
	}{
		{Milestone(1, "m0", wholly, "booked"), state.ShipmentPlanned},
		{Load(staged, 10, "l1", "S1"), state.ShipmentStaged},
		{Load(loaded, 20, "l2", "S1"), state.ShipmentLoaded},
		{one, state.ShipmentDeparted},
		{Milestone(40, "m1", by("T1"), "picked_up"), state.ShipmentInTransit},
		{Milestone(50, "m2", by("T1"), "arrived"), state.ShipmentInTransit},
		{Milestone(60, "m3", by("T1"), "out_for_delivery"), state.ShipmentOut},
		{Milestone(65, "m4", by("T1"), "delivery_attempted"), state.ShipmentInTransit},
		{Milestone(66, "m5", by("T1"), "out_for_delivery"), state.ShipmentOut},
		{Proof(70, "d1", by("T1")), state.ShipmentDelivered},
		{Milestone(71, "m6", by("T1"), "arrived"), state.ShipmentDelivered}, // a scan that comes late
	}
	var events []*docklinev1.Event
	for i, step := range way {
		events = append(events, step.event)
		s := shipment(events...).State
		if s.GetStatus() != step.want {
			t.Errorf("after %d facts it is %s, want %s", i+1, s.GetStatus(), step.want)
		}
		if i > 0 && i < 10 && !slices.Contains(s.GetStatusEventIds(), step.event.GetId()) {
			t.Errorf("%s does not follow from what was told last: %v", s.GetStatus(), s.GetStatusEventIds())
		}
	}
	s := shipment(events...).State
	if s.GetGoods()[0].GetAccepted() != 10*unit || s.GetProofs()[0].GetSigner() != "Goods In" || s.GetDeliveredAt().AsTime() != At(70).AsTime() || len(s.GetMilestones()) != 8 {
		t.Errorf("%v", s)
	}
	if s.GetDock() != "D4" || s.GetTrailer() != "TR-7" || s.GetBillOfLading() != "BOL-1" || s.GetScac() != "DHLC" || s.GetSeal() != "8812" {
		t.Errorf("papers: %v", s)
	}
	var reached []string
	for _, step := range s.GetSteps() {
		reached = append(reached, step.GetStatus())
		if len(step.GetEventIds()) == 0 {
			t.Errorf("%s has no fact", step.GetStatus())
		}
	}
	if got := strings.Join(reached, " "); got != "staged loaded departed in_transit out_for_delivery delivered" {
		t.Errorf("steps: %s", got)
	}
}

// TestMilestoneBeforePack: a carrier's word that is there before the site has told of pack or departure counts at once, and the state is the
// same when all is told.
func TestMilestoneBeforePack(t *testing.T) {
	milestone, proof := Milestone(40, "m1", wholly, "picked_up"), Proof(70, "d1", wholly)
	early := shipment(milestone)
	if early.State.GetStatus() != state.ShipmentInTransit || early.Departed || !slices.Contains(early.State.GetFlags(), state.FlagNoDeparture) || !early.State.GetSteps()[0].GetInferred() {
		t.Errorf("before the departure: %v", early.State)
	}
	if s := shipment(proof).State; s.GetStatus() != state.ShipmentDelivered || len(s.GetProofs()) != 1 {
		t.Errorf("a proof before the departure: %v", s)
	}
	departed := Departed(30, "S1", "BOL-1", []string{"T1"}, L("SO1", "1", "A", "10"))
	staged := Load(staged, 10, "l1", "S1")
	first, last := shipment(milestone, proof, departed, staged).State, shipment(staged, departed, milestone, proof).State
	if hashOf(t, first) != hashOf(t, last) || first.GetStatus() != state.ShipmentDelivered || len(first.GetFlags()) != 0 {
		t.Errorf("%v\n%v", first, last)
	}
}

// TestOneParcelOfThreeIsLost, and is found again.
func TestOneParcelOfThreeIsLost(t *testing.T) {
	events := []*docklinev1.Event{three(), Proof(70, "d1", by("T1")), Proof(71, "d3", by("T3")), Said(lost, 80, "x2", by("T2"), "not in the trailer")}
	s := shipment(events...).State
	var parcels []string
	for _, p := range s.GetParcels() {
		parcels = append(parcels, p.GetTracking()+" "+p.GetStatus())
	}
	if got := strings.Join(parcels, ", "); s.GetStatus() != state.ShipmentPartly || got != "T1 delivered, T2 lost, T3 delivered" || !slices.Contains(s.GetFlags(), state.FlagParcelLost) {
		t.Errorf("%s: %s, %v", s.GetStatus(), got, s.GetFlags())
	}
	found := shipment(append(events, Milestone(90, "m9", by("T2"), "arrived"))...).State
	if found.GetProblems()[0].GetOpen() || found.GetParcels()[1].GetStatus() != state.ShipmentInTransit || found.GetStatus() != state.ShipmentPartly {
		t.Errorf("found: %v", found)
	}
	after := shipment(append(events, Milestone(90, "m9", by("T2"), "arrived"), Proof(95, "d2", by("T2")))...).State
	if after.GetStatus() != state.ShipmentDelivered || after.GetGoods()[0].GetAccepted() != 10*unit || len(after.GetFlags()) != 0 {
		t.Errorf("delivered after all: %v", after)
	}
}

// TestTheNumberOfAllParcels: a shipment may have a number beside those of its parcels; what is told of it is told of all.
func TestTheNumberOfAllParcels(t *testing.T) {
	e := Departed(30, "S1", "", []string{"T1", "T2"}, L("SO1", "1", "A", "10"))
	e.GetShipment().Tracking = "M1"
	s := shipment(e, Milestone(40, "m1", by("M1"), "picked_up"), Said(lost, 50, "x", by("T2"), "")).State
	if len(s.GetParcels()) != 2 || s.GetParcels()[0].GetStatus() != state.ShipmentInTransit || s.GetParcels()[1].GetStatus() != state.ShipmentLost {
		t.Errorf("%v", s)
	}
	if s := shipment(e, Proof(60, "d", by("M1"))).State; s.GetStatus() != state.ShipmentDelivered {
		t.Errorf("%v", s)
	}
}

// TestAToteThatIsUsedAgain: what was told of it with its former goods says nothing of those that leave with it the next day, neither of their
// shipment nor of their order; while what is told a little too early, by a carrier whose clock or day differs, does.
func TestAToteThatIsUsedAgain(t *testing.T) {
	const nextDay = 90_000
	order := Accepted("SO1", "1", L("", "1", "A", "10"))
	again := Shipment(nextDay, "S1", Unit(L("SO1", "1", "A", "10"), "TOTE-1"))
	tote := Names{Units: []string{"TOTE-1"}}
	for _, c := range []struct {
		at     int
		status string
		moved  int64
	}{{100, state.ShipmentDeparted, 0}, {nextDay - 3600, state.ShipmentDelivered, 10}, {nextDay + 3600, state.ShipmentDelivered, 10}} {
		proof := Proof(c.at, "d", tote)
		if s := shipment(again, proof).State; s.GetStatus() != c.status || s.GetGoods()[0].GetAccepted() != c.moved*unit {
			t.Errorf("a proof at second %d: the shipment is %s, of it %v", c.at, s.GetStatus(), s.GetGoods())
		}
		fold := state.FoldOrder("SO1", about(order, again, proof), codes{})
		if got := fold.State.Lines[0].GetDelivered(); got != c.moved*unit {
			t.Errorf("a proof at second %d: of the order %d are delivered", c.at, got/unit)
		}
	}
	if s := shipment(again, Said(lost, 100, "l", tote, "")).State; s.GetStatus() != state.ShipmentDeparted || len(s.GetFlags()) != 0 {
		t.Errorf("lost with its former goods: %v", s)
	}
	if s := shipment(again, Proof(100, "d", wholly)).State; s.GetStatus() != state.ShipmentDelivered {
		t.Errorf("by its number, whatever the clock: %v", s)
	}
}

// TestProblemsUnderWayEnd: each by what ends it, and by nothing else.
func TestProblemsUnderWayEnd(t *testing.T) {
	one := Departed(30, "S1", "", []string{"T1"}, L("SO1", "1", "A", "10"))
	late := Said(delayed, 40, "x", by("T1"), "storm")
	late.GetTransport().Eta, late.GetTransport().FormerEta = At(900), At(300)
	back := Milestone(60, "m", by("T1"), "arrived")
	back.GetTransport().Eta = At(290)
	for _, c := range []struct {
		name    string
		problem *docklinev1.Event
		later   *docklinev1.Event
		status  string
		open    bool
	}{
		{"a delay", late, nil, state.ShipmentDeparted, true},
		{"a delay, and on its way", late, Milestone(60, "m", by("T1"), "arrived"), state.ShipmentInTransit, true},
		{"a delay that is made up", late, back, state.ShipmentInTransit, false},
		{"a delay, delivered", late, Proof(60, "d", by("T1")), state.ShipmentDelivered, false},
		{"refused", Said(refused, 40, "x", by("T1"), "not ordered"), nil, state.ShipmentRefused, true},
		{"refused, and scanned on its way back", Said(refused, 40, "x", by("T1"), "not ordered"), Milestone(60, "m", by("T1"), "arrived"), state.ShipmentRefused, true},
		{"refused, and tried again", Said(refused, 40, "x", by("T1"), "not ordered"), Milestone(60, "m", by("T1"), "out_for_delivery"), state.ShipmentOut, false},
		{"refused, and back", Said(refused, 40, "x", by("T1"), "not ordered"), Milestone(60, "m", by("T1"), "returned_to_sender"), state.ShipmentReturned, false},
		{"damaged", Said(damaged, 40, "x", by("T1"), "wet"), nil, state.ShipmentDamaged, true},
		{"damaged, and on its way", Said(damaged, 40, "x", by("T1"), "wet"), Milestone(60, "m", by("T1"), "arrived"), state.ShipmentInTransit, true},
		{"damaged, and accepted", Said(damaged, 40, "x", by("T1"), "wet"), Proof(60, "d", by("T1")), state.ShipmentDelivered, false},
		{"damaged, and partly accepted", Said(damaged, 40, "x", by("T1"), "wet"), Proof(60, "d", by("T1"), Declined(L("SO1", "1", "A", "10"), "4")), state.ShipmentPartly, true},
		{"an X12 code says damaged", coded(Milestone(40, "x", by("T1"), ""), "A9"), nil, state.ShipmentDamaged, true},
		{"X12: delivered", late, coded(Milestone(60, "m", by("T1"), ""), "D1"), state.ShipmentDelivered, false},
	} {
		events := []*docklinev1.Event{one, c.problem}
		if c.later != nil {
			events = append(events, c.later)
		}
		s := shipment(events...).State
		if s.GetStatus() != c.status || len(s.GetProblems()) != 1 || s.GetProblems()[0].GetOpen() != c.open {
			t.Errorf("%s: %s, %v", c.name, s.GetStatus(), s.GetProblems())
		}
	}
	if s := shipment(one, late, back).State; len(s.GetEtas()) != 2 || s.GetEta().AsTime() != At(290).AsTime() || s.GetEtas()[0].GetCause() != "storm" {
		t.Errorf("arrival: %v", s.GetEtas())
	}
}

func coded(e *docklinev1.Event, code string) *docklinev1.Event {
	e.GetTransport().Code = code
	return e
}

// TestAProofByLine: what was accepted and refused of each line, and that a delivery of goods that did not leave is a case.
func TestAProofByLine(t *testing.T) {
	fold := shipment(three(), Proof(70, "d1", wholly, Declined(L("SO1", "1", "A", "10"), "2"), L("SO1", "2", "B", "5")))
	a, b := fold.State.GetGoods()[0], fold.State.GetGoods()[1]
	if a.GetAccepted() != 8*unit || a.GetRefused() != 2*unit || b.GetAccepted() != 5*unit || fold.State.GetStatus() != state.ShipmentPartly ||
		!slices.Contains(fold.State.GetFlags(), state.FlagPartlyRefused) || len(fold.Findings) != 0 {
		t.Errorf("%v %v", fold.State, fold.Findings)
	}
	nothing := shipment(three(), Proof(70, "d1", wholly, Declined(L("SO1", "1", "A", "10"), "10"), Declined(L("SO1", "2", "B", "5"), "5"))).State
	if nothing.GetStatus() != state.ShipmentRefused {
		t.Errorf("nothing accepted: %s", nothing.GetStatus())
	}
	wrong := shipment(three(), Proof(70, "d1", wholly, L("SO9", "1", "C", "1")))
	if len(wrong.Findings) != 1 || wrong.Findings[0].Code != state.CodeNotShipped {
		t.Errorf("%v", wrong.Findings)
	}
}

// TestATrailersProofIsOfEachShipment: the trailer's proof is of all of its shipments; of its lines each shipment sees its own.
func TestATrailersProofIsOfEachShipment(t *testing.T) {
	trailer := Names{BillOfLading: "BOL-1"}
	proof := Proof(70, "d1", trailer, L("SO1", "1", "A", "10"), Declined(L("SO2", "1", "A", "4"), "1"), L("SO3", "1", "A", "2"))
	for order, want := range map[string][2]int64{"SO1": {10, 0}, "SO2": {3, 1}, "SO3": {2, 0}} {
		quantity := fmt.Sprint(want[0] + want[1])
		s := shipment(Departed(30, "S1", "BOL-1", nil, L(order, "1", "A", quantity)), proof)
		if g := s.State.GetGoods(); len(g) != 1 || g[0].GetAccepted() != want[0]*unit || g[0].GetRefused() != want[1]*unit || len(s.Findings) != 0 {
			t.Errorf("%s: %v %v", order, s.State, s.Findings)
		}
	}
	parcel := Names{BillOfLading: "BOL-1", Tracking: "T99"}
	other := about(Proof(70, "d1", parcel))
	other[0].Via = event.ReferenceKey(event.ReferenceBillOfLading, "BOL-1")
	if s := state.FoldShipment(Site, "S1", append(about(three()), other...), codes{}).State; s.GetStatus() != state.ShipmentDeparted {
		t.Errorf("another shipment's parcel on the trailer: %s", s.GetStatus())
	}
}

// TestAShipmentIsTakenBack, whichever of the two is told first; and goods are the truth.
func TestAShipmentIsTakenBack(t *testing.T) {
	void := Voided(50, "S1")
	if s := shipment(void).State; s.GetStatus() != state.ShipmentVoided || !slices.Contains(s.GetFlags(), state.FlagPendingVoid) {
		t.Errorf("the void alone: %v", s)
	}
	s := shipment(void, three()).State
	if s.GetStatus() != state.ShipmentVoided || s.GetGoods()[0].GetVoided() != 10*unit || len(s.GetFlags()) != 0 {
		t.Errorf("%v", s)
	}
	again := Keyed(Departed(60, "S1", "", nil, L("SO1", "1", "A", "10")), "S1 again")
	if s := shipment(again, void, three()).State; s.GetStatus() != state.ShipmentDeparted || s.GetGoods()[0].GetVoided() != 10*unit || s.GetGoods()[0].GetDeparted() != 20*unit {
		t.Errorf("left again after it was taken back: %v", s)
	}
	if s := shipment(again, void).State; s.GetStatus() != state.ShipmentVoided {
		t.Errorf("a clock is wrong: %v", s)
	}
	if s := shipment(three(), Voided(50, "S1", L("SO1", "1", "A", "4"))).State; s.GetStatus() != state.ShipmentDeparted || s.GetGoods()[0].GetVoided() != 4*unit {
		t.Errorf("a part: %v", s)
	}
	if s := shipment(three(), void, Milestone(60, "m", by("T1"), "arrived")).State; s.GetStatus() != state.ShipmentVoided || !slices.Contains(s.GetFlags(), state.FlagVoidUnderWay) {
		t.Errorf("under way all the same: %v", s)
	}
	if s := shipment(three(), void, Proof(60, "d", wholly)).State; s.GetStatus() != state.ShipmentDelivered || !slices.Contains(s.GetFlags(), state.FlagVoidDelivered) ||
		s.GetGoods()[0].GetVoided() != 0 || s.GetGoods()[0].GetAccepted() != 10*unit {
		t.Errorf("delivered all the same: %v", s)
	}
}

// TestInvoicesThatAreVoidedDoNotCount, whichever of the two is told first.
func TestInvoicesThatAreVoidedDoNotCount(t *testing.T) {
	one, two, void := Invoice("I1", "SO1", "S1"), Invoice("I2", "SO1", "S1"), InvoiceVoided(50, "I1", "SO1")
	for _, events := range [][]*docklinev1.Event{{one, two, void}, {void, two, one}} {
		if got := state.InvoicesInForce(events); len(got) != 1 || got[0].GetNumber() != "I2" {
			t.Errorf("in force: %v", got)
		}
	}
	delivered := []*docklinev1.Event{three(), Proof(60, "d", wholly)}
	if s := shipment(append(delivered, one)...).State; s.GetStatus() != state.ShipmentClosed || !slices.Contains(s.GetStatusEventIds(), one.GetId()) {
		t.Errorf("invoiced: %v", s)
	}
	if s := shipment(append(delivered, one, void)...).State; s.GetStatus() != state.ShipmentDelivered || len(s.GetInvoices()) != 0 {
		t.Errorf("the invoice was voided: %v", s)
	}
}

func hashOf(t *testing.T, s *docklinev1.ShipmentState) string {
	t.Helper()
	hash, err := state.Hash(s)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}
