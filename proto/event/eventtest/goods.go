package eventtest

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// Names of goods that several samples share.
const (
	sscc      = "034012345000000019"
	outerSSCC = "034012345000000033"
	tracking  = "1Z999AA10123456784"
)

func goods() map[docklinev1.EventKind]*docklinev1.Event {
	lines := []*docklinev1.Line{Line()}
	allocation := &docklinev1.Event_Allocation{Allocation: &docklinev1.Allocation{Number: "RES-5", ExpiresAt: Stamp(7200), Lines: lines}}
	pick := &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: "T-9", Lines: lines, Approval: "AP-2"}}
	pack := &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: outerSSCC, Lines: lines, WeightKg: "7.2", DimensionsCm: "60x40x30", Children: []string{sscc}}}
	load := &docklinev1.Event_Load{Load: &docklinev1.Load{Dock: "D-4", Trailer: "TR-88", Seal: "SL-0012", Shipments: []string{"SH-1"}, HandlingUnits: []string{sscc}, Lines: lines}}
	transport := func(code, milestone string) *docklinev1.Event {
		return &docklinev1.Event{Payload: &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Shipment: "SH-1", Site: "dc-east", Tracking: tracking, BillOfLading: "BOL-77",
			HandlingUnits: []string{sscc}, Carrier: "UPS", Code: code, Milestone: milestone, Place: "Kassel, DE", Eta: Stamp(90000), FormerEta: Stamp(80000), Cause: "weather",
			Claim: "CL-7", Evidence: []string{"https://evidence.example/1.jpg"}, Lines: lines}}}
	}
	return map[docklinev1.EventKind]*docklinev1.Event{
		docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED:   {Payload: allocation},
		docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED: {Payload: allocation},
		docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED:        {Payload: pick},
		docklinev1.EventKind_EVENT_KIND_PICK_SHORT:            {Payload: pick},
		docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED:      {Payload: pick},
		docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:        {Payload: pack},
		docklinev1.EventKind_EVENT_KIND_PACK_REOPENED:         {Payload: pack},
		docklinev1.EventKind_EVENT_KIND_LOAD_STAGED:           {Payload: load},
		docklinev1.EventKind_EVENT_KIND_LOAD_LOADED:           {Payload: load},
		docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED:        {Payload: load},
		docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED: {Payload: &docklinev1.Event_Shipment{Shipment: &docklinev1.Shipment{Number: "SH-1", Carrier: "UPS", Service: "next day",
			Tracking: tracking, Lines: lines, CarrierCutoff: Stamp(3), BillOfLading: "BOL-77", Trailer: "TR-88", Seal: "SL-0012", Scac: "UPSN", FreightTerms: "prepaid",
			Parcels: []string{"1Z999AA10123456793"}, HandlingUnits: []string{sscc}, ToSite: "dc-west"}}},
		docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED: {Payload: &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: "SH-1", Site: "dc-east", Reason: "wrong trailer",
			DidNotOccur: true, Lines: lines}}},
		docklinev1.EventKind_EVENT_KIND_SHIPMENT_OVER_SHIPPED: {Payload: &docklinev1.Event_OverShipment{OverShipment: &docklinev1.OverShipment{Number: "SH-1", Site: "dc-east", Order: "SO00017",
			Lines: lines, Tolerance: "5%", Decision: "hold"}}},
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: transport("X3", "arrived"),
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED:   transport("SD", "customs"),
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED:   transport("A7", "returning"),
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:      transport("CA", "departed"),
		docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED:   transport("A9", "departed"),
		docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED: {Payload: &docklinev1.Event_Delivery{Delivery: &docklinev1.Delivery{Shipment: "SH-1", Site: "dc-east", Tracking: tracking,
			BillOfLading: "BOL-77", HandlingUnits: []string{sscc}, Carrier: "UPS", Signer: "M. Müller", Place: "Hauptstraße 1", Latitude: "48.1374300", Longitude: "-11.57549",
			Evidence: []string{"https://evidence.example/2.jpg"}, Lines: lines}}},
	}
}
