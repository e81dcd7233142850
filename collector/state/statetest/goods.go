package statetest

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// CRM is the source of who asks for returns.
const CRM = "crm"

// Departed is a shipment with its papers: a bill of lading and a tracking number for each parcel.
func Departed(second int, number, billOfLading string, parcels []string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Shipment(second, number, lines...)
	s := e.GetShipment()
	s.BillOfLading, s.Tracking, s.Parcels, s.Trailer, s.Scac = billOfLading, "", nil, "TR-7", "DHLC"
	if len(parcels) > 0 {
		s.Tracking = parcels[0]
	}
	if len(parcels) > 1 {
		s.Parcels = parcels
	}
	return finish(e)
}

// Load is what happens to a shipment between packing and leaving: load.staged, load.loaded or trailer.sealed.
func Load(kind docklinev1.EventKind, second int, key string, shipments ...string) *docklinev1.Event {
	e := local(kind, second, key, key)
	e.Payload = &docklinev1.Event_Load{Load: &docklinev1.Load{Dock: "D4", Trailer: "TR-7", Seal: "8812", Shipments: shipments}}
	return finish(e)
}

// Names are by what a carrier calls goods.
type Names struct {
	Shipment, Tracking, BillOfLading string
	Units                            []string
}

// Said is what a carrier says of goods under way, at its own time: one of the transport kinds.
func Said(kind docklinev1.EventKind, second int, key string, n Names, meaning string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := central(kind, key, key, "")
	e.Source, e.OccurredAt = Carrier, At(second)
	t := &docklinev1.Transport{Shipment: n.Shipment, Tracking: n.Tracking, BillOfLading: n.BillOfLading, HandlingUnits: n.Units, Carrier: "DHL", Place: "Leipzig hub", Lines: lines}
	if n.Shipment != "" {
		t.Site = Site
	}
	if kind == docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE {
		t.Milestone = meaning
	} else {
		t.Cause = meaning
	}
	e.Payload = &docklinev1.Event_Transport{Transport: t}
	return finish(e)
}

// Milestone is where a carrier says that goods are.
func Milestone(second int, key string, n Names, meaning string) *docklinev1.Event {
	return Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE, second, key, n, meaning)
}

// Proof is a delivery that was signed for.
func Proof(second int, key string, n Names, lines ...*docklinev1.Line) *docklinev1.Event {
	e := central(docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, key, key, "")
	e.Source, e.OccurredAt = Carrier, At(second)
	d := &docklinev1.Delivery{Shipment: n.Shipment, Tracking: n.Tracking, BillOfLading: n.BillOfLading, HandlingUnits: n.Units, Carrier: "DHL", Signer: "Goods In", Place: "Harbour road 1", Lines: lines}
	if n.Shipment != "" {
		d.Site = Site
	}
	e.Payload = &docklinev1.Event_Delivery{Delivery: d}
	return finish(e)
}

// Seen sets the condition of a line and the claim that it is followed under.
func Seen(line *docklinev1.Line, condition, claim string) *docklinev1.Line {
	line.Condition, line.Claim = condition, claim
	return line
}

// RMA is what a system of record says of a return, at one of its revisions.
func RMA(kind docklinev1.EventKind, second int, number, revision, order string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := central(kind, number, "rma,"+number, revision)
	if kind == docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED {
		e.Source = CRM
	}
	e.OccurredAt = At(second)
	e.Payload = &docklinev1.Event_ReturnAuthorisation{ReturnAuthorisation: &docklinev1.ReturnAuthorisation{Number: number, Order: order, Customer: "C-1001", Reason: "too many",
		Site: Site, Tracking: "R-" + number, Lines: lines}}
	return finish(e)
}

// Matching has an RMA name a receipt that came without one.
func Matching(e *docklinev1.Event, receipt string) *docklinev1.Event {
	e.GetReturnAuthorisation().Receipt, e.GetReturnAuthorisation().ReceiptSite = receipt, Site
	return finish(e)
}

// Back is what a site does with goods that came back: return.received, return.inspected or return.disposed; number "" is a blind return.
func Back(kind docklinev1.EventKind, second int, key, number, receipt string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(kind, second, key, receipt)
	e.Payload = &docklinev1.Event_Return{Return: &docklinev1.Return{Number: number, Receipt: receipt, Lines: lines}}
	return finish(e)
}

// Inbound is what a supplier sends: inbound.advised, receipt.arrived, receipt.received or receipt.discrepancy.
func Inbound(kind docklinev1.EventKind, second int, key string, in *docklinev1.Inbound) *docklinev1.Event {
	e := local(kind, second, key, key)
	e.Payload = &docklinev1.Event_Inbound{Inbound: in}
	return finish(e)
}
