package event

import (
	"fmt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// orderRules: what is agreed with a customer, and what is billed.
var orderRules = map[docklinev1.EventKind]rule{
	docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED:  {payload: "quote", needs: []string{"number", "customer"}, lines: orderedLine},
	docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED: {payload: "order", needs: []string{"number"}, lines: orderedLine, also: knownOutcomes},
	docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:  {payload: "order", needs: []string{"number"}, lines: orderedLine, also: knownOutcomes},
	docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:   {payload: "order", needs: []string{"number"}, lines: orderedLine, also: knownOutcomes},
	docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:  {payload: "order", needs: []string{"number"}, lines: goodsLine, also: knownOutcomes},
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

// Outcomes are what a check of an order may come to.
var Outcomes = []string{"pass", "hold", "fail"}

// knownOutcomes: a verdict says which check, and one of a few words, because what is shown differs by word.
func knownOutcomes(e *docklinev1.Event) *Fault {
	for i, v := range e.GetOrder().GetVerdicts() {
		if v.GetCheck() == "" || v.GetOutcome() == "" {
			return dataFault("verdict_without_check", "verdicts[%d]: name the check that it is of, as credit or tax, and what it came to", i)
		}
		if f := oneOf(fmt.Sprintf("verdicts[%d].outcome", i), v.GetOutcome(), Outcomes); f != nil {
			return f
		}
	}
	return nil
}
