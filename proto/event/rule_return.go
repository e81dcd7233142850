package event

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// returnRules: goods that come back. A blind return, one without a number, is found by the site's own receipt.
var returnRules = map[docklinev1.EventKind]rule{
	docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED:  {payload: "return_authorisation", needs: []string{"number|order"}, lines: goodsLine, also: validMatch},
	docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED: {payload: "return_authorisation", needs: []string{"number"}, lines: goodsLine, also: validMatch},
	docklinev1.EventKind_EVENT_KIND_RETURN_DENIED:     {payload: "return_authorisation", needs: []string{"number|order"}, lines: goodsLine, also: validMatch},
	docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED:  {payload: "return_authorisation", needs: []string{"number"}, lines: goodsLine, also: validMatch},

	docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:  {payload: "return", needs: []string{"number|receipt"}, lines: orderedLine},
	docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED: {payload: "return", needs: []string{"number|receipt"}, lines: lineRule{some: true, needs: []string{"condition"}}},
	docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:  {payload: "return", needs: []string{"number|receipt"}, lines: lineRule{some: true, needs: []string{"disposition"}}},
	docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED: {payload: "return_decision", needs: []string{"decision", "reason", "number|receipt"}, also: validDecision,
		words: map[string][]string{"decision": {"credit", "accept"}}},
}

// validDecision: goods without an RMA are taken for an order, and found by site and receipt.
func validDecision(e *docklinev1.Event) *Fault {
	r := e.GetReturnDecision()
	if r.GetDecision() == "accept" && (r.GetReceipt() == "" || r.GetReceiptSite() == "" || r.GetOrder() == "") {
		return dataFault("field_missing", "goods that came without an RMA are accepted by site and receipt, and for an order")
	}
	return nil
}

// validMatch: a receipt's number is the site's own, so it takes both to find it.
func validMatch(e *docklinev1.Event) *Fault {
	r := e.GetReturnAuthorisation()
	if (r.GetReceipt() == "") != (r.GetReceiptSite() == "") {
		return dataFault("field_missing", "receipt and receipt_site come together: the number of a receipt is known at its site only")
	}
	return nil
}
