package history

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	//lint:ignore ST1001 the words in which tests tell of a day
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// policySelf is the source of what Dockline itself tells.
const policySelf = "dockline"

// comeBack is a return, from the request to the credit: some of its steps, announced or blind.
func (t *teller) comeBack() {
	rma, order := fmt.Sprintf("RMA%d", 1+t.IntN(2)), "SO1"
	lines := func() []*docklinev1.Line {
		lines := of(order, []*docklinev1.Line{t.line()})
		lines[0].Condition, lines[0].Disposition = "opened", []string{"restock", "refurbish", "quarantine", "scrap", "to_vendor"}[t.IntN(5)]
		return lines
	}
	for _, kind := range []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_RETURN_REQUESTED, docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, docklinev1.EventKind_EVENT_KIND_RETURN_DENIED,
		docklinev1.EventKind_EVENT_KIND_RETURN_CANCELLED} {
		if t.chance(3) {
			e := central(kind, t.second(), rma)
			e.Payload = &docklinev1.Event_ReturnAuthorisation{ReturnAuthorisation: &docklinev1.ReturnAuthorisation{Number: rma, Order: order, Customer: "C-1001", Site: Site, Tracking: "R-" + rma, Lines: lines()}}
			t.tell(Revised(Keyed(e, "rma,"+rma), fmt.Sprint(9+t.IntN(4))))
		}
	}
	for _, kind := range []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED} {
		if t.chance(2) {
			continue
		}
		r := &docklinev1.Return{Number: rma, Order: order}
		if t.chance(4) {
			r.Number, r.Order, r.Receipt = "", "", "RR-1"
		}
		t.record(t.key("R"), func(int) *docklinev1.Event {
			e := local(kind, t.second(), rma)
			e.Payload = &docklinev1.Event_Return{Return: &docklinev1.Return{Number: r.Number, Order: r.Order, Receipt: r.Receipt, Lines: lines()}}
			return e
		})
	}
	if t.chance(4) { // a person's word: so much more may be credited, or what came blind is taken
		t.record(t.key("DEC"), func(int) *docklinev1.Event {
			e := central(docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED, t.second(), rma)
			e.Source, e.Actor = policySelf, "ines"
			d := &docklinev1.ReturnDecision{Number: rma, Decision: "credit", Reason: "promised", Lines: lines()}
			if t.chance(3) {
				d = &docklinev1.ReturnDecision{Receipt: "RR-1", ReceiptSite: Site, Decision: "accept", Reason: "found in the mail", Order: order}
			}
			e.Payload = &docklinev1.Event_ReturnDecision{ReturnDecision: d}
			return e
		})
	}
	if t.chance(3) {
		number := t.key("CM")
		e := central(docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, t.second(), number)
		e.Payload = &docklinev1.Event_CreditMemo{CreditMemo: &docklinev1.CreditMemo{Number: number, Order: order, Returns: []string{rma}, Total: "7.50", Currency: "EUR", Lines: lines()}}
		if t.chance(2) { // the answer to a request
			e.GetCreditMemo().Request = rma + "/credit/1"
		}
		t.tell(Revised(Keyed(e, "credit,"+number), "1"))
		if t.chance(3) { // and it is taken back
			back := proto.CloneOf(e)
			back.GetCreditMemo().ReversedBy = "CV1"
			t.tell(Revised(Keyed(back, "credit,"+number), "2"))
		}
	}
}

func (t *teller) inbound() {
	kind := []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED, docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED, docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED,
		docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY}[t.IntN(4)]
	t.record(t.key("IN"), func(int) *docklinev1.Event {
		line := In(L("PO-1", "1", "A", fmt.Sprint(t.few())), "B-01", "")
		line.Expected = &docklinev1.Quantity{Value: "4"}
		e := local(kind, t.second(), "PO-1")
		e.Payload = &docklinev1.Event_Inbound{Inbound: &docklinev1.Inbound{Number: "GR-1", Advice: "ASN-1", PurchaseOrder: "PO-1", Supplier: "V-1", Lines: []*docklinev1.Line{line}}}
		return e
	})
}

// stockDeed is something that happens to stock apart from orders.
func (t *teller) stockDeed() {
	line := In(L("", "", "A", fmt.Sprint(t.few())), "B-01", "")
	number := t.key("X")
	var e *docklinev1.Event
	switch t.IntN(8) {
	case 0:
		line.ToBin = "B-03"
		e = local(docklinev1.EventKind_EVENT_KIND_STOCK_MOVED, t.second(), number)
		e.Payload = &docklinev1.Event_StockMove{StockMove: &docklinev1.StockMove{Task: number, Lines: []*docklinev1.Line{line}}}
	case 1:
		line.Bin, line.ToBin = "DOCK", "B-01"
		e = local(docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED, t.second(), number)
		e.Payload = &docklinev1.Event_StockMove{StockMove: &docklinev1.StockMove{Task: number, Lines: []*docklinev1.Line{line}}}
	case 2, 3:
		line.ToStatus = "hold_quality"
		e = local(docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED, t.second(), number)
		change := &docklinev1.StockStatusChange{Number: number, Reason: "inspection", Lines: []*docklinev1.Line{line}}
		if t.chance(2) {
			e.Kind, line.ToStatus, change.Stage = docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED, "damaged", []string{"receive", "pick", "pack", "store"}[t.IntN(4)]
		}
		e.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: change}
	case 4, 5:
		e = local(docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, t.second(), number)
		a := &docklinev1.Adjustment{Number: number, Reason: "found", Lines: []*docklinev1.Line{line}}
		if t.chance(2) {
			a.Count = fmt.Sprintf("CC%d", 1+t.IntN(2))
		}
		if t.chance(3) {
			e.Kind, a.Witness = docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED, "lead"
		}
		e.Payload = &docklinev1.Event_Adjustment{Adjustment: a}
	default:
		kind := []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED, docklinev1.EventKind_EVENT_KIND_KIT_BUILT, docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED}[t.IntN(3)]
		out := In(L("", "", "C", line.Quantity.Value), "B-02", "L7")
		if kind == docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED {
			out = In(L("", "", "A", line.Quantity.Value), "B-01", "L8")
		}
		e = local(kind, t.second(), number)
		e.Payload = &docklinev1.Event_Transformation{Transformation: &docklinev1.Transformation{Number: number, Lines: []*docklinev1.Line{line}, Outputs: []*docklinev1.Line{out}}}
	}
	t.tell(Keyed(e, number))
}

func (t *teller) allocation() {
	order := t.someOrder()
	lines := of(order, []*docklinev1.Line{t.line()})
	key := t.key("A")
	var e *docklinev1.Event
	switch t.IntN(4) {
	case 0, 1:
		e = local(docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED, t.second(), key)
		if t.chance(3) {
			e.Kind = docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED
		}
		e.Payload = &docklinev1.Event_Allocation{Allocation: &docklinev1.Allocation{Number: fmt.Sprintf("RES%d", t.IntN(2)), Lines: lines}}
	default:
		e = local(docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED, t.second(), key)
		if t.chance(3) {
			e.Kind = docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED
		}
		e.Payload = &docklinev1.Event_Backorder{Backorder: &docklinev1.Backorder{Number: fmt.Sprintf("BO%d", t.IntN(2)), Rule: "split", PromisedAt: At(90000), Lines: lines}}
	}
	t.tell(Keyed(e, key))
}

func (t *teller) hold() {
	order, key := t.someOrder(), t.key("H")
	var e *docklinev1.Event
	switch t.IntN(4) {
	case 0, 1:
		e = central(docklinev1.EventKind_EVENT_KIND_ORDER_HELD, t.second(), order)
		if t.chance(2) {
			e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED
		}
		e.Payload = &docklinev1.Event_Hold{Hold: &docklinev1.Hold{Number: order, Code: []string{"credit", "address"}[t.IntN(2)], Owner: "finance", Reason: "limit"}}
	case 2:
		e = central(docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED, t.second(), order)
		if t.chance(3) {
			e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED
		}
		e.Payload = &docklinev1.Event_CancelRequest{CancelRequest: &docklinev1.CancelRequest{Number: order, Reason: "too late", Requester: "customer"}}
	default:
		e = central(docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED, t.second(), "Q-"+order)
		e.Payload = &docklinev1.Event_Quote{Quote: &docklinev1.Quote{Number: "Q-" + order, Customer: "C-1001", Order: order, Lines: of(order, []*docklinev1.Line{t.line()})}}
	}
	t.tell(Keyed(e, key))
}

func (t *teller) refused() {
	t.tell(Refused(t.second(), t.key("BAD"), "number_format", "-2 is no quantity"))
}

// declared takes a pick back as told in error.
func (t *teller) declared() {
	for _, e := range t.Events {
		if e.GetPick() == nil || !t.chance(3) {
			continue
		}
		d := local(docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, t.second(), e.GetSubject())
		d.Payload = &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: &docklinev1.ErrorDeclaration{EventId: e.GetId(), Reason: "did_not_occur"}}
		t.tell(Keyed(d, t.key("E")))
		return
	}
}
