package carrier

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// status is what a status code of the 214 becomes. The words of milestones are those of Transport.milestone.
type status struct {
	kind      docklinev1.EventKind
	milestone string
	// estimate: its time is when something is expected, not when it happened. arrival: at the consignee, so that it is the expected arrival.
	estimate, arrival bool
}

const (
	milestone = docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE
	delayed   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED
	refused   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED
	lost      = docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST
	damaged   = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED
	proved    = docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED
)

// statuses are the shipment status codes of AT701 (X12 data element 1650, release 004010, transaction set 214) that Dockline knows, in its own words; the
// fold has the same meanings for codes that come without a milestone (state, x12Milestones). A code that is not here is refused: guessing where goods are
// is worse than asking.
var statuses = map[string]status{
	"XB": {kind: milestone, milestone: "booked"},                                     // the carrier has the shipment's papers
	"X3": {kind: milestone, milestone: "booked"},                                     // arrived where it is to be picked up
	"X8": {kind: milestone, milestone: "booked"},                                     // arrived at the place of pick-up's dock
	"L1": {kind: milestone, milestone: "booked"},                                     // being loaded
	"AF": {kind: milestone, milestone: "picked_up"},                                  // left the place of pick-up with the goods
	"CP": {kind: milestone, milestone: "picked_up"},                                  // loaded at the place of pick-up
	"AM": {kind: milestone, milestone: "picked_up"},                                  // loaded on a truck
	"P1": {kind: milestone, milestone: "departed"},                                   // left a terminal
	"X6": {kind: milestone, milestone: "departed"},                                   // on its way to where it is to be delivered
	"OA": {kind: milestone, milestone: "departed"},                                   // out of a gate
	"X4": {kind: milestone, milestone: "arrived"},                                    // arrived at a terminal
	"AR": {kind: milestone, milestone: "arrived"},                                    // arrived at a rail ramp
	"X1": {kind: milestone, milestone: "arrived"},                                    // arrived where it is to be delivered
	"X5": {kind: milestone, milestone: "arrived"},                                    // arrived at the place of delivery's dock
	"K1": {kind: milestone, milestone: "customs"},                                    // with customs
	"AJ": {kind: milestone, milestone: "out_for_delivery"},                           // on the delivery vehicle
	"AH": {kind: milestone, milestone: "delivery_attempted"},                         // nobody took it
	"AP": {kind: milestone, milestone: "delivery_attempted"},                         // it was not delivered
	"CD": {kind: milestone, milestone: "departed"},                                   // left the place of delivery
	"D1": {kind: proved, milestone: "delivered"},                                     // unloaded where it was to be delivered
	"A3": {kind: milestone, milestone: "returned_to_sender"},                         // back with the shipper
	"A7": {kind: refused},                                                            // the consignee did not take it
	"A9": {kind: damaged},                                                            //
	"SD": {kind: delayed},                                                            //
	"AG": {kind: milestone, estimate: true, arrival: true},                           // expected delivery
	"X2": {kind: milestone, estimate: true, arrival: true},                           // expected at the place of delivery's dock
	"B6": {kind: milestone, estimate: true},                                          // expected at a place under way
	"C1": {kind: milestone, estimate: true},                                          // expected to leave a terminal
	"AA": {kind: milestone, estimate: true}, "AB": {kind: milestone, estimate: true}, // an appointment to pick up, to deliver
}

// reasons are those of AT702 (X12 data element 1651) that are more than "nothing out of the ordinary" (NS), in Dockline's words; of others the code is told.
var reasons = map[string]string{
	"AD": "the customer asked for another time", "AG": "the consignee was closed", "AI": "mechanical trouble", "AJ": "another carrier", "AL": "papers are missing", "AM": "missed pick-up", "AN": "missed delivery",
	"AO": "weather", "B1": "the consignee had no room", "BG": "other", "BS": "refused by the customer", "T1": "strike",
}
