package eventtest

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

func stock() map[docklinev1.EventKind]*docklinev1.Event {
	lines := []*docklinev1.Line{Line()}
	less := Line()
	less.Quantity = Quantity("-2")
	inbound := &docklinev1.Event_Inbound{Inbound: &docklinev1.Inbound{Number: "GR-6", Advice: "ASN-12", PurchaseOrder: "PO00031", Supplier: "SUP-3", ExpectedAt: Stamp(-3600), Carrier: "DSV",
		Trailer: "TR-12", HandlingUnits: []string{sscc}, Lines: lines}}
	move := &docklinev1.Event_StockMove{StockMove: &docklinev1.StockMove{Task: "PA-2", Lines: lines}}
	status := &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: "QC-1", Reason: "torn carton", Lines: lines, Stage: "receive", Claim: "CL-7",
		Shipment: "SH-1", Evidence: []string{"https://evidence.example/3.jpg"}}}
	adjustment := func(lines []*docklinev1.Line) *docklinev1.Event_Adjustment {
		return &docklinev1.Event_Adjustment{Adjustment: &docklinev1.Adjustment{Number: "ADJ-8", Count: "CC-1", Reason: "damaged in store", LedgerHint: "6100", Witness: "ben", Lines: lines}}
	}
	transformation := &docklinev1.Event_Transformation{Transformation: &docklinev1.Transformation{Number: "WO-11", Lines: lines, Outputs: lines}}
	return map[docklinev1.EventKind]*docklinev1.Event{
		docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED:      {Payload: inbound},
		docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED:      {Payload: inbound},
		docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:     {Payload: inbound},
		docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY:  {Payload: inbound},
		docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED:    {Payload: move},
		docklinev1.EventKind_EVENT_KIND_STOCK_MOVED:          {Payload: move},
		docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED: {Payload: status},
		docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED:        {Payload: status},
		docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED:       {Payload: adjustment([]*docklinev1.Line{less})},
		docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED:       {Payload: adjustment(lines)},
		docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT:       {Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: &docklinev1.StockSnapshot{Site: "dc-east", Lines: lines, AsOfMovement: 812}}},
		docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED:       {Payload: transformation},
		docklinev1.EventKind_EVENT_KIND_KIT_BUILT:            {Payload: transformation},
		docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED:       {Payload: transformation},
		docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:       {Payload: &docklinev1.Event_Count{Count: &docklinev1.Count{Number: "CC-1", Blind: true, Recount: 1, Lines: lines}}},
		docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED: {Payload: &docklinev1.Event_CountApproval{CountApproval: &docklinev1.CountApproval{Number: "CC-1", Approver: "cleo", Decision: "approve",
			Value: "-15.63", Tolerance: "50", Currency: "EUR", Reason: "found in the next bin"}}},
	}
}
