package epcis

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Words of ours where CBV has none.
var (
	stepAllocating = Namespace + "BizStep-allocating"
	stepAdjusting  = Namespace + "BizStep-adjusting"
)

// form is what a kind of event is in EPCIS. disposition, and for some kinds more, may differ by line; see vary.
type form struct {
	eventType, action, step, disposition string
	// set goes into the persistent disposition.
	set string
	// fine is the step where the site tells each step by itself; fineOnly: elsewhere the event is part of shipping or receiving.
	fine     string
	fineOnly bool
}

// forms are the kinds that have a form: EVENTS of things. What is about paper or machinery has none.
var forms = map[docklinev1.EventKind]form{
	docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED:   {eventType: TransactionEvent, action: actionAdd, step: stepAllocating},
	docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED: {eventType: TransactionEvent, action: actionDelete, step: stepAllocating},

	docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED:   {eventType: ObjectEvent, action: actionObserve, step: "picking"},
	docklinev1.EventKind_EVENT_KIND_PICK_SHORT:       {eventType: ObjectEvent, action: actionObserve, step: "picking", set: "mismatch_quantity"},
	docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED: {eventType: ObjectEvent, action: actionObserve, step: "picking"},
	docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:   {eventType: AggregationEvent, action: actionAdd, step: "packing"},
	docklinev1.EventKind_EVENT_KIND_PACK_REOPENED:    {eventType: AggregationEvent, action: actionDelete, step: "unpacking"},

	docklinev1.EventKind_EVENT_KIND_LOAD_STAGED:           {eventType: ObjectEvent, action: actionObserve, step: "staging_outbound", fineOnly: true},
	docklinev1.EventKind_EVENT_KIND_LOAD_LOADED:           {eventType: AggregationEvent, action: actionAdd, step: "loading", fineOnly: true},
	docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED:        {eventType: ObjectEvent, action: actionObserve, step: "staging_outbound", disposition: "container_closed", fineOnly: true},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED:     {eventType: ObjectEvent, action: actionObserve, step: "shipping", fine: "departing", disposition: "in_transit"},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED:       {eventType: ObjectEvent, action: actionObserve, step: "void_shipping"},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_OVER_SHIPPED: {eventType: ObjectEvent, action: actionObserve, set: "mismatch_quantity"},

	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE: {eventType: ObjectEvent, action: actionObserve, step: "transporting", disposition: "in_transit"},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED:   {eventType: ObjectEvent, action: actionObserve, step: "transporting", disposition: "in_transit"},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED:   {eventType: ObjectEvent, action: actionObserve, step: "holding", disposition: "unknown"},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST:      {eventType: ObjectEvent, action: actionObserve, step: "transporting", disposition: "unknown"},
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED:   {eventType: ObjectEvent, action: actionObserve, step: "transporting", disposition: "damaged"},
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:     {eventType: ObjectEvent, action: actionObserve, step: "arriving"},

	docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED:     {eventType: ObjectEvent, action: actionObserve, step: "shipping", disposition: "in_transit"},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED:     {eventType: ObjectEvent, action: actionObserve, step: "arriving", fineOnly: true},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:    {eventType: ObjectEvent, action: actionObserve, step: "receiving", fine: "accepting", disposition: "sellable_not_accessible"},
	docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY: {eventType: ObjectEvent, action: actionObserve, step: "receiving", fine: "accepting", set: "mismatch_quantity"},

	docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED:    {eventType: ObjectEvent, action: actionObserve, step: "storing", disposition: "sellable_not_accessible"},
	docklinev1.EventKind_EVENT_KIND_STOCK_MOVED:          {eventType: ObjectEvent, action: actionObserve, step: "stocking", disposition: "sellable_not_accessible"},
	docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED: {eventType: ObjectEvent, action: actionObserve, step: "holding", disposition: "non_sellable_other"},
	docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED:        {eventType: ObjectEvent, action: actionObserve, step: "holding", disposition: "damaged"},
	docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED:       {eventType: ObjectEvent, action: actionAdd, step: "creating_class_instance"},
	docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED:       {eventType: ObjectEvent, action: actionDelete, step: "destroying", disposition: "destroyed"},
	docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:       {eventType: ObjectEvent, action: actionObserve, step: "cycle_counting"},
	docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED:       {eventType: ObjectEvent, action: actionObserve, step: "stock_taking"},

	docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED: {eventType: TransformationEvent, step: "repackaging"},
	docklinev1.EventKind_EVENT_KIND_KIT_BUILT:      {eventType: TransformationEvent, step: "assembling"},
	docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED: {eventType: TransformationEvent, step: "repackaging"},

	docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED:  {eventType: ObjectEvent, action: actionObserve, step: "receiving", disposition: "returned"},
	docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED: {eventType: ObjectEvent, action: actionObserve, step: "inspecting", disposition: "non_conformant"},
	docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:  {eventType: ObjectEvent, action: actionObserve, step: "storing", disposition: "sellable_not_accessible"},
}

// HasForm is whether events of a kind can be told in EPCIS. error.declared can, by the event that it is about.
func HasForm(kind docklinev1.EventKind) bool {
	_, ok := forms[kind]
	return ok || kind == docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED
}

// vary is the form of one line where it is not that of its kind.
func (f form) vary(kind docklinev1.EventKind, l *docklinev1.Line) form {
	switch kind {
	case docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED:
		f.step, f.disposition = statusForm(l.GetToStatus())
	case docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED:
		return f.adjusted(l)
	case docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:
		if l.GetCondition() == "damaged" {
			f.disposition = "damaged"
		}
	case docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY:
		switch l.GetCondition() {
		case "damaged":
			f.disposition = "damaged"
		case "wrong_item":
			f.set = "mismatch_class"
		}
	case docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:
		if q := l.GetRefused().GetValue(); q != "" && q != "0" {
			f.set = "mismatch_quantity"
		}
	case docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED:
		switch l.GetCondition() {
		case "good":
			f.disposition = "conformant"
		case "damaged":
			f.disposition = "damaged"
		case "expired":
			f.disposition = "expired"
		}
	case docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:
		if of, ok := disposals[l.GetDisposition()]; ok {
			f.action, f.step, f.disposition = of.action, of.step, of.disposition
		}
	}
	return f
}

// disposals are what is done with returned goods.
var disposals = map[string]form{
	"restock":    {action: actionObserve, step: "storing", disposition: "sellable_not_accessible"},
	"refurbish":  {action: actionObserve, step: "repairing", disposition: "unavailable"},
	"quarantine": {action: actionObserve, step: "holding", disposition: "non_sellable_other"},
	"scrap":      {action: actionDelete, step: "destroying", disposition: "destroyed"},
	"to_vendor":  {action: actionObserve, step: "shipping", disposition: "returned"},
}

// statusForm is step and disposition of goods whose stock status becomes this.
func statusForm(status string) (step, disposition string) {
	switch status {
	case "", "available":
		return "storing", "sellable_not_accessible"
	case "damaged", "expired", "recalled":
		return "holding", status
	}
	return "holding", "non_sellable_other"
}

func (f form) adjusted(l *docklinev1.Line) form {
	serial := len(l.GetSerials()) > 0
	if q := l.GetQuantity().GetValue(); q != "" && q[0] == '-' {
		f.action, f.step = actionDelete, stepAdjusting
		if serial {
			f.step = "decommissioning"
		}
	} else if serial {
		f.step = "commissioning"
	}
	return f
}
