package statetest

import (
	"fmt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Carrier is the source of what carriers say.
const Carrier = "carrier"

// Quoted is a quote that a customer agreed to, of an order.
func Quoted(second int, number, order string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := dated(docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED, second, number, "quote,"+number)
	e.Payload = &docklinev1.Event_Quote{Quote: &docklinev1.Quote{Number: number, Order: order, Customer: "C-1001", Lines: lines}}
	return finish(e)
}

// CancelRequested asks to take an order back, whole or by lines; CancelRefused says no.
func CancelRequested(second int, order string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := dated(docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REQUESTED, second, order, fmt.Sprintf("request,%s,%d", order, second))
	e.Payload = &docklinev1.Event_CancelRequest{CancelRequest: &docklinev1.CancelRequest{Number: order, Requester: "customer", Reason: "ordered twice", Lines: lines}}
	return finish(e)
}

// CancelRefused is the answer no.
func CancelRefused(second int, order string) *docklinev1.Event {
	e := CancelRequested(second, order)
	e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_CANCEL_REFUSED
	return finish(e)
}

// Held puts a hold of that code on an order; HoldReleased ends it.
func Held(second int, order, code string) *docklinev1.Event {
	e := dated(docklinev1.EventKind_EVENT_KIND_ORDER_HELD, second, order, fmt.Sprintf("hold,%s,%s,%d", order, code, second))
	e.Payload = &docklinev1.Event_Hold{Hold: &docklinev1.Hold{Number: order, Code: code, Owner: "credit control", Reason: "over its limit"}}
	return finish(e)
}

// HoldReleased ends a hold.
func HoldReleased(second int, order, code string) *docklinev1.Event {
	e := Held(second, order, code)
	e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED
	return finish(e)
}

// Allocated reserves stock for lines; Deallocated gives it free.
func Allocated(second int, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED, second, number, number)
	e.Payload = &docklinev1.Event_Allocation{Allocation: &docklinev1.Allocation{Number: number, Lines: lines}}
	return finish(e)
}

// Deallocated gives a reservation, or lines of it, free.
func Deallocated(second int, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Allocated(second, number, lines...)
	e.Kind = docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED
	return finish(e)
}

// Instead makes a line one of another item that stands for what the order has: so much of that.
func Instead(line *docklinev1.Line, original, quantity string) *docklinev1.Line {
	line.OriginalItem = original
	if quantity != "" {
		line.OriginalQuantity = &docklinev1.Quantity{Value: quantity}
	}
	return line
}

// Substituted is a pick of other items than the order has.
func Substituted(second int, key, approval string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Pick(second, key, lines...)
	e.Kind = docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED
	e.GetPick().Approval = approval
	return finish(e)
}

// Backordered is a remainder that the ERP keeps under a document's number; Unbackordered releases it.
func Backordered(second int, number, rule string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := dated(docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED, second, number, "backorder,"+number)
	e.Payload = &docklinev1.Event_Backorder{Backorder: &docklinev1.Backorder{Number: number, Rule: rule, Lines: lines}}
	return finish(e)
}

// Unbackordered releases a remainder.
func Unbackordered(second int, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Backordered(second, number, "", lines...)
	e.Kind = docklinev1.EventKind_EVENT_KIND_BACKORDER_RELEASED
	return finish(e)
}

// Reopened takes goods out of a handling unit again, all of them without lines.
func Reopened(second int, key, unit string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := Pack(second, key, unit, lines...)
	e.Kind = docklinev1.EventKind_EVENT_KIND_PACK_REOPENED
	return finish(e)
}

// Voided takes a shipment back, whole without lines.
func Voided(second int, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, second, fmt.Sprintf("void/%s/%d", number, second), number)
	e.Payload = &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: number, Site: Site, Reason: "wrong truck", Lines: lines}}
	return finish(e)
}

// Delivery proves that a shipment, by its tracking number, was delivered.
func Delivery(second int, tracking string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := carried(docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, second, tracking)
	e.Payload = &docklinev1.Event_Delivery{Delivery: &docklinev1.Delivery{Tracking: tracking, Signer: "goods in", Lines: lines}}
	return finish(e)
}

// Declined sets how much of a delivery's line the consignee did not take.
func Declined(line *docklinev1.Line, quantity string) *docklinev1.Line {
	line.Refused = &docklinev1.Quantity{Value: quantity}
	return line
}

// Carriage is what a carrier says of a shipment, by its tracking number: refused, lost, damaged, delayed or a milestone.
func Carriage(second int, kind docklinev1.EventKind, tracking string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := carried(kind, second, tracking)
	e.Payload = &docklinev1.Event_Transport{Transport: &docklinev1.Transport{Tracking: tracking, Lines: lines}}
	return finish(e)
}

// ReturnAuthorised lets goods come back under a number; kind is that of its authorisation, denial or end.
func ReturnAuthorised(second int, kind docklinev1.EventKind, number, order string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := dated(kind, second, number, fmt.Sprintf("return,%s,%d", number, second))
	e.Payload = &docklinev1.Event_ReturnAuthorisation{ReturnAuthorisation: &docklinev1.ReturnAuthorisation{Number: number, Order: order, Lines: lines}}
	return finish(e)
}

// Return is goods that came back, were inspected or disposed of, by kind.
func Return(second int, kind docklinev1.EventKind, number string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(kind, second, fmt.Sprintf("return/%s/%d", number, second), number)
	e.Payload = &docklinev1.Event_Return{Return: &docklinev1.Return{Number: number, Receipt: fmt.Sprintf("R%d", second), Lines: lines}}
	return finish(e)
}

// Disposed sets what is done with a line of returned goods.
func Disposed(line *docklinev1.Line, disposition string) *docklinev1.Line {
	line.Disposition = disposition
	return line
}

// Credit is a credit memo for returns, of an order where that is known.
func Credit(second int, number, order string, returns []string, lines ...*docklinev1.Line) *docklinev1.Event {
	e := dated(docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, second, number, "credit,"+number)
	e.Payload = &docklinev1.Event_CreditMemo{CreditMemo: &docklinev1.CreditMemo{Number: number, Order: order, Returns: returns, Total: "5", Currency: "EUR", Lines: lines}}
	return finish(e)
}

// InvoiceVoided takes an invoice back.
func InvoiceVoided(second int, number, order string) *docklinev1.Event {
	e := dated(docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED, second, number, "invoice void,"+number)
	e.Payload = &docklinev1.Event_InvoiceVoid{InvoiceVoid: &docklinev1.InvoiceVoid{Number: number, Order: order, Reason: "wrong price"}}
	return finish(e)
}

// dated is a fact of the ERP of which only the one version is told.
func dated(kind docklinev1.EventKind, second int, subject, key string) *docklinev1.Event {
	e := central(kind, subject, key, "1")
	e.OccurredAt = At(second)
	return e
}

func carried(kind docklinev1.EventKind, second int, tracking string) *docklinev1.Event {
	e := central(kind, tracking, fmt.Sprintf("%s,%d", tracking, second), "1")
	e.Source, e.OccurredAt = Carrier, At(second)
	return e
}

// Changed is an order as a source other than the ERP has it, at one of its own revisions.
func Changed(source, number, revision string, change func(*docklinev1.Order), lines ...*docklinev1.Line) *docklinev1.Event {
	e := Accepted(number, revision, lines...)
	e.Kind = docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED
	if change != nil {
		change(e.GetOrder())
	}
	return By(source, e)
}

// By is a fact as another source of the centre tells it.
func By(source string, e *docklinev1.Event) *docklinev1.Event {
	e.Source, e.Site = source, ""
	return finish(e)
}

// Ordered is an order as the ERP has it, changed before it is told.
func Ordered(number, revision string, change func(*docklinev1.Order), lines ...*docklinev1.Line) *docklinev1.Event {
	e := Accepted(number, revision, lines...)
	change(e.GetOrder())
	return finish(e)
}

// Owing is a remainder that the site keeps, with the second at which it is promised, 0 for none.
func Owing(second int, number string, promised int, lines ...*docklinev1.Line) *docklinev1.Event {
	e := local(docklinev1.EventKind_EVENT_KIND_BACKORDER_CREATED, second, number, number)
	e.Payload = &docklinev1.Event_Backorder{Backorder: &docklinev1.Backorder{Number: number, Rule: "keep", Lines: lines}}
	if promised > 0 {
		e.GetBackorder().PromisedAt = At(promised)
	}
	return finish(e)
}
