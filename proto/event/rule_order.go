package event

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// orderRules: what is agreed with a customer, and what is billed.
var orderRules = map[docklinev1.EventKind]rule{
	docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED:  {payload: "quote", needs: []string{"number", "customer"}, lines: orderedLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED: {payload: "order", needs: []string{"number"}, lines: orderedLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:  {payload: "order", needs: []string{"number"}, lines: orderedLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:   {payload: "order", needs: []string{"number"}, lines: orderedLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:  {payload: "order", needs: []string{"number"}, lines: goodsLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED: {payload: "order_cancelled", needs: []string{"number"}},
	// Whose wish it is, and why, is often told later or not at all.
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED: {payload: "cancel_request", needs: []string{"number"}, lines: goodsLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED:   {payload: "cancel_request", needs: []string{"number"}, lines: goodsLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_HELD:             {payload: "hold", needs: []string{"number", "code"}},
	docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED:    {payload: "hold", needs: []string{"number", "code"}},
	docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED:         {payload: "order_released", needs: []string{"number", "site", "command_key"}},
	docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED:      {payload: "backorder", lines: movedLine},
	docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED:     {payload: "backorder", lines: movedLine},
	docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED:         {payload: "invoice", needs: []string{"number", "order"}, lines: billedLine, amounts: []string{"total"}},
	docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED:         {payload: "invoice_void", needs: []string{"number"}},
	docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED: {payload: "credit_memo", needs: []string{"number", "order|returns|invoice"}, lines: billedLine,
		amounts: []string{"total", "restocking_fee"}},
}
