package carrier

import (
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// status is what a status code of the 214 becomes. The words of milestones are those of Transport.milestone.
type status struct {
	kind      docklinev1.EventKind
	milestone string
	// estimate: its time is when something is expected, not when it happened. arrival: at the consignee, so that it is the expected arrival.
	estimate, arrival bool
}

// word is what Transport.milestone says; of the other kinds the kind says it.
func (s status) word() string {
	if s.kind != milestone {
		return ""
	}
	return s.milestone
}

const (
	milestone = docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE
	delayed   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED
	refused   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED
	lost      = docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST
	damaged   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED
	proved    = docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED
)

// became are the meanings that are kinds of their own; all others are milestones.
var became = map[string]docklinev1.EventKind{"delivered": proved, "delayed": delayed, "refused": refused, "lost": lost, "damaged": damaged}

// expected are status codes that say when something is expected, or agreed; where goods are they do not say.
var expected = map[string]status{
	"AG": {kind: milestone, estimate: true, arrival: true}, // the delivery
	"X2": {kind: milestone, estimate: true, arrival: true}, // at the place of delivery's dock
	"B6": {kind: milestone, estimate: true},                // at a place under way
	"C1": {kind: milestone, estimate: true},                // leaving a terminal
	"AA": {kind: milestone, estimate: true},                // an appointment to pick up
	"AB": {kind: milestone, estimate: true},                // an appointment to deliver
}

// statusOf is what a shipment status code of AT701 (X12 data element 1650, release 004010, transaction set 214) becomes. What codes mean is the fold's table
// (state, x12Milestones), beside expected. One that is in neither is not known: guessing where goods are is worse than asking.
func statusOf(code string) (status, bool) {
	meaning := state.X12Meaning(code)
	if meaning == "" {
		s, known := expected[code]
		return s, known
	}
	if kind, own := became[meaning]; own {
		return status{kind: kind, milestone: meaning}, true
	}
	return status{kind: milestone, milestone: meaning}, true
}

// reasons are those of AT702 (X12 data element 1651) that are more than "nothing out of the ordinary" (NS), in Dockline's words; of others the code is told.
var reasons = map[string]string{
	"AD": "the customer asked for another time", "AG": "the consignee was closed", "AI": "mechanical trouble", "AJ": "another carrier", "AL": "papers are missing", "AM": "missed pick-up", "AN": "missed delivery",
	"AO": "weather", "B1": "the consignee had no room", "BG": "other", "BS": "refused by the customer", "T1": "strike",
}
