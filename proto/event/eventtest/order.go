package eventtest

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

func orders() map[docklinev1.EventKind]*docklinev1.Event {
	lines := []*docklinev1.Line{Line()}
	order := &docklinev1.Event_Order{Order: &docklinev1.Order{
		Number: "SO00017", Customer: "C-1", CustomerName: "Müller GmbH", CustomerReference: "PO 4711", Currency: "EUR", Site: "dc-east", OrderedAt: Stamp(1), PromisedAt: Stamp(2),
		Lines: lines, Reason: "credit", ShipTo: []string{"Müller GmbH", "Hauptstraße 1", "DE"}, PriceList: "2026-2", PriceListVersion: "7",
		Answers:  []string{`"" "erp" "sales_order/SO00016" order 0`},
		Verdicts: []*docklinev1.Verdict{{Check: "credit", Outcome: "hold", Reason: "limit reached"}, {Check: "tax", Outcome: "pass", Reason: "EU, with a number"}},
	}}
	request := &docklinev1.Event_CancelRequest{CancelRequest: &docklinev1.CancelRequest{Number: "SO00017", Reason: "ordered twice", Requester: "portal", Lines: lines}}
	hold := &docklinev1.Event_Hold{Hold: &docklinev1.Hold{Number: "SO00017", Code: "credit", Owner: "finance", Reason: "limit reached", Until: Stamp(3600)}}
	backorder := &docklinev1.Event_Backorder{Backorder: &docklinev1.Backorder{Number: "BO-3", PromisedAt: Stamp(86400), Rule: "keep", Lines: lines}}
	return map[docklinev1.EventKind]*docklinev1.Event{
		docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED: {Payload: &docklinev1.Event_Quote{Quote: &docklinev1.Quote{Number: "Q-9", Customer: "C-1", CustomerName: "Müller GmbH",
			PriceList: "2026-2", Currency: "EUR", ValidUntil: Stamp(86400), Lines: lines, Order: "SO00017"}}},
		docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED: {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:  {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:   {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:  {Payload: order},
		docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED: {Payload: &docklinev1.Event_OrderCancelled{OrderCancelled: &docklinev1.OrderCancelled{Number: "SO00017", Reason: "customer"}}},
		docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED: {Payload: &docklinev1.Event_OrderReleased{OrderReleased: &docklinev1.OrderReleased{Number: "SO00017", Site: "dc-east",
			CommandKey: "release/SO00017", CommandVersion: 2}}},
		docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED: {Payload: request},
		docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED:   {Payload: request},
		docklinev1.EventKind_EVENT_KIND_ORDER_HELD:             {Payload: hold},
		docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED:    {Payload: hold},
		docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED:      {Payload: backorder},
		docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED:     {Payload: backorder},
		docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED: {Payload: &docklinev1.Event_Invoice{Invoice: &docklinev1.Invoice{Number: "INV-1", Order: "SO00017", Total: "-15.63", Currency: "EUR",
			Shipments: []string{"SH-1"}, Lines: lines}}},
		docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED: {Payload: &docklinev1.Event_InvoiceVoid{InvoiceVoid: &docklinev1.InvoiceVoid{Number: "INV-1", Order: "SO00017", Reason: "wrong address"}}},
		docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED: {Payload: &docklinev1.Event_CreditMemo{CreditMemo: &docklinev1.CreditMemo{Number: "CM-4", Request: "RMA-7/credit/0a1b2c3d", ReversedBy: "CV-1", Order: "SO00017", Returns: []string{"RMA-7"},
			Invoice: "INV-1", Total: "12.50", Currency: "EUR", RestockingFee: "3.13", Lines: lines}}},
	}
}
