package state

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What a milestone means. A source that knows says so in Transport.milestone; else the carrier's code tells.
const (
	milestoneBooked    = "booked"
	milestonePickedUp  = "picked_up"
	milestoneDeparted  = "departed"
	milestoneArrived   = "arrived"
	milestoneCustoms   = "customs"
	milestoneOut       = "out_for_delivery"
	milestoneAttempted = "delivery_attempted"
	milestoneDelivered = "delivered"
	milestoneReturning = "returning"
	milestoneReturned  = "returned_to_sender"
	milestoneDelayed   = "delayed"
	milestoneRefused   = "refused"
	milestoneLost      = "lost"
	milestoneDamaged   = "damaged"
)

// x12Milestones are the shipment status codes of X12 data element 1650, as the 214 carries them in AT701, that say where goods are or what
// became of them. Appointments (AA, AB), estimates (AG, B6, C1, X2) and papers say neither.
var x12Milestones = map[string]string{
	"XB": milestoneBooked, "X3": milestoneBooked, "X8": milestoneBooked, "L1": milestoneBooked, // acknowledged, the carrier is at the dock, loading
	"AF": milestonePickedUp, "CP": milestonePickedUp, "AM": milestonePickedUp, "BA": milestonePickedUp, "CL": milestonePickedUp,
	"P1": milestoneDeparted, "X6": milestoneDeparted, "J1": milestoneDeparted, "OA": milestoneDeparted, "RL": milestoneDeparted,
	"X4": milestoneArrived, "R1": milestoneArrived, "I1": milestoneArrived, "AR": milestoneArrived, "BC": milestoneArrived, "AV": milestoneArrived,
	"X1": milestoneArrived, "X5": milestoneArrived, "S1": milestoneArrived,
	"K1": milestoneCustoms,
	"AJ": milestoneOut,
	"AH": milestoneAttempted, "AP": milestoneAttempted,
	"D1": milestoneDelivered,
	"A3": milestoneReturned, "A7": milestoneRefused, "A9": milestoneDamaged, "SD": milestoneDelayed,
}

// X12Meaning is what a shipment status code of the 214 says of where goods are or what became of them, in the words of Transport.milestone and of the
// kinds of transport; "" where it says neither.
func X12Meaning(code string) string { return x12Milestones[strings.ToUpper(code)] }

// meaning is what a transport fact says of where goods are, "" where it says nothing that we know.
func meaning(e *docklinev1.Event) string {
	t := e.GetTransport()
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED:
		return milestoneDelayed
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED:
		return milestoneRefused
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:
		return milestoneLost
	case docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED:
		return milestoneDamaged
	case docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:
		return milestoneDelivered
	}
	if t.GetMilestone() != "" {
		return t.GetMilestone()
	}
	return X12Meaning(t.GetCode())
}

// problemOf is which problem a fact tells of, "" for none.
func problemOf(e *docklinev1.Event) string {
	switch m := meaning(e); m {
	case milestoneDelayed, milestoneRefused, milestoneLost, milestoneDamaged:
		return m
	}
	return ""
}
