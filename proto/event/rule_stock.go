package event

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// DamageStages are where damage may be found at a site.
var DamageStages = []string{"receive", "pick", "pack", "store", "load", "return"}

// stockRules: goods on their way in, and what happens to them while they lie there.
var stockRules = map[docklinev1.EventKind]rule{
	docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED:     {payload: "inbound", lines: goodsLine, also: validInbound},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED:     {payload: "inbound", lines: goodsLine, also: validInbound},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:    {payload: "inbound", lines: orderedLine, also: validInbound},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY: {payload: "inbound", lines: lineRule{some: true, needs: []string{"expected|condition|reason"}}, also: validInbound},

	// The bin that goods are put away from is often no bin at all, but the dock.
	docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED: {payload: "stock_move", lines: lineRule{some: true, needs: []string{"to_bin"}}},
	docklinev1.EventKind_EVENT_KIND_STOCK_MOVED: {payload: "stock_move", lines: lineRule{some: true, bin: true,
		needs: []string{"to_bin|to_lot|to_status|to_handling_unit|to_owner"}}},
	docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED: {payload: "stock_status_change", lines: lineRule{some: true, needs: []string{"to_status"}},
		words: map[string][]string{"stage": DamageStages}},
	docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED: {payload: "stock_status_change", needs: []string{"stage"}, lines: orderedLine,
		words: map[string][]string{"stage": DamageStages}},
	docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED: {payload: "adjustment", lines: adjustedLine},
	docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED: {payload: "adjustment", lines: countedLine},
	docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT: {payload: "stock_snapshot", needs: []string{"site"}, lines: bookLine},

	docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED: {payload: "transformation", lines: orderedLine, outputs: lineRule{some: true, needs: []string{"lot"}}},
	docklinev1.EventKind_EVENT_KIND_KIT_BUILT:      {payload: "transformation", lines: orderedLine, outputs: orderedLine},
	docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED: {payload: "transformation", lines: orderedLine, outputs: orderedLine},

	docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED: {payload: "count", needs: []string{"number"}, lines: countedLine},
	docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED: {payload: "count_approval", needs: []string{"number", "decision"},
		words: map[string][]string{"decision": {"approve", "reject", "recount"}}, amounts: []string{"value", "tolerance"}},
}

// validInbound: what comes in is found by the receipt, the supplier's advice or the purchase order, which lines may name.
func validInbound(e *docklinev1.Event) *Fault {
	in := e.GetInbound()
	if in.GetNumber() != "" || in.GetAdvice() != "" || in.GetPurchaseOrder() != "" {
		return nil
	}
	for _, line := range in.GetLines() {
		if line.GetOrder() != "" {
			return nil
		}
	}
	return dataFault("field_missing", "none of number, advice, purchase_order is there, and no line names a purchase order in order; map a column to one of them")
}
