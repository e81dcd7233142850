package epcis

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// tell gives an event the kind and payload that a scene stands for.
func (s *scene) tell(e *docklinev1.Event) *fault {
	switch s.eventType {
	case TransformationEvent:
		return s.transformed(e)
	case TransactionEvent:
		return s.allocated(e)
	case AggregationEvent:
		return s.aggregated(e)
	}
	tellers := map[string]func(*docklinev1.Event) *fault{
		"picking": s.picked, "shipping": s.shipped, "departing": s.shipped, "void_shipping": s.voided, "staging_outbound": s.staged,
		"transporting": s.transported, "arriving": s.arrived, "receiving": s.received, "accepting": s.received,
		"storing": s.stored, "stocking": s.stored, "holding": s.held, "repairing": s.held, "inspecting": s.inspected,
		"cycle_counting": s.counted, "stock_taking": s.approved, "destroying": s.adjusted, "creating_class_instance": s.adjusted, "commissioning": s.adjusted,
		"decommissioning": s.adjusted, stepAdjusting: s.adjusted,
	}
	teller, ok := tellers[s.step]
	if !ok {
		return s.unknown()
	}
	return teller(e)
}

func (s *scene) unknown() *fault {
	described := s.eventType
	if s.action != "" {
		described += " with the action " + s.action
	}
	if s.step == "" {
		return wrong("epcis_step", "bizStep", "it does not say in which business step it was; Dockline has no event for an %s without one", described)
	}
	return wrong("epcis_step", "bizStep", "Dockline has no event for the step %s of an %s", s.step, described)
}

// set gives an event its kind and what a person calls it by.
func kindOf(e *docklinev1.Event, kind docklinev1.EventKind, subject ...string) {
	e.Kind = kind
	e.Subject = firstOf(append(subject, e.GetSourceKey())...)
}

func (s *scene) order() string {
	if len(s.lines) == 0 {
		return s.number("po", "order")
	}
	return s.lines[0].GetOrder()
}

func (s *scene) allocated(e *docklinev1.Event) *fault {
	if s.step != stepAllocating {
		return s.unknown()
	}
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	s.binned()
	kindOf(e, docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED, s.order())
	if s.action == actionDelete {
		e.Kind = docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED
	}
	e.Payload = &docklinev1.Event_Allocation{Allocation: &docklinev1.Allocation{Number: s.number(typeReservation), Lines: s.lines}}
	return nil
}

func (s *scene) picked(e *docklinev1.Event) *fault {
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	if s.set["mismatch_quantity"] {
		return wrong("epcis_short", "persistentDisposition", "it says that a pick was short, and EPCIS has no field for how much was asked for")
	}
	s.binned()
	kindOf(e, docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, s.order())
	e.Payload = &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: s.number(typeTask), Lines: s.lines}}
	return nil
}

func (s *scene) aggregated(e *docklinev1.Event) *fault {
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	switch {
	case s.step == "loading" && s.action == actionAdd:
		s.carried()
		kindOf(e, docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, s.number("desadv"), s.parent)
		e.Payload = &docklinev1.Event_Load{Load: &docklinev1.Load{Trailer: s.parent, Shipments: s.numbers("desadv"), HandlingUnits: s.units, Lines: s.lines}}
		return nil
	case s.step == "packing" && s.action == actionAdd:
		kindOf(e, docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED, s.order(), s.parent)
	case s.step == "unpacking" && s.action == actionDelete:
		kindOf(e, docklinev1.EventKind_EVENT_KIND_PACK_REOPENED, s.order(), s.parent)
	default:
		return s.unknown()
	}
	e.Payload = &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: s.parent, Children: s.units, Lines: s.lines}}
	return nil
}

func (s *scene) numbers(kind string) []string {
	var found []string
	for _, p := range s.papers {
		if p.kind == kind {
			found = append(found, p.number)
		}
	}
	return found
}

func (s *scene) staged(e *docklinev1.Event) *fault {
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	s.carried()
	kindOf(e, docklinev1.EventKind_EVENT_KIND_LOAD_STAGED, s.number("desadv"), s.order())
	if s.disposition == "container_closed" {
		e.Kind = docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED
	}
	e.Payload = &docklinev1.Event_Load{Load: &docklinev1.Load{Trailer: s.trailer, Shipments: s.numbers("desadv"), HandlingUnits: s.units, Lines: s.lines}}
	return nil
}

// shipped: what leaves one of our sites has departed; what comes to one of them is announced.
func (s *scene) shipped(e *docklinev1.Event) *fault {
	if s.number("rma") != "" && s.disposition == "returned" {
		return s.disposed(e)
	}
	if s.site == "" {
		s.site = s.from
		e.Site = s.from
	}
	if s.site == "" && s.toward != "" {
		e.Site = s.toward
		return s.inbound(e, docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED)
	}
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	// A shipment that nobody gave a number is known by the event that tells of it.
	number := firstOf(s.number("desadv"), s.number("bol"), s.number(typeTracking), e.GetSourceKey())
	s.carried()
	kindOf(e, docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, number)
	shipment := &docklinev1.Shipment{Number: number, Carrier: s.carrier, BillOfLading: s.number("bol"), HandlingUnits: s.units, Lines: s.lines}
	if tracking := s.numbers(typeTracking); len(tracking) > 0 {
		shipment.Tracking, shipment.Parcels = tracking[0], tracking[1:]
	}
	if s.toward != s.site {
		shipment.ToSite = s.toward
	}
	e.Payload = &docklinev1.Event_Shipment{Shipment: shipment}
	return nil
}

func (s *scene) voided(e *docklinev1.Event) *fault {
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	s.carried()
	number := firstOf(s.number("desadv"), s.number("bol"))
	kindOf(e, docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED, number)
	e.Payload = &docklinev1.Event_ShipmentVoid{ShipmentVoid: &docklinev1.ShipmentVoid{Number: number, Lines: s.lines}}
	return nil
}

func (s *scene) transported(e *docklinev1.Event) *fault {
	kind, milestone := docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE, "departed"
	switch {
	case s.step == "arriving":
		milestone = "arrived"
	case s.step == "holding":
		kind, milestone = docklinev1.EventKind_EVENT_KIND_TRANSPORT_REFUSED, ""
	case s.disposition == "damaged":
		kind, milestone = docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED, ""
	case s.disposition == "unknown":
		kind, milestone = docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, ""
	}
	s.carried()
	p := &docklinev1.Transport{Shipment: s.number("desadv"), Tracking: s.number(typeTracking), BillOfLading: s.number("bol"), HandlingUnits: s.units,
		Milestone: milestone, Place: s.place, Lines: s.lines}
	kindOf(e, kind, p.GetShipment(), p.GetTracking(), p.GetBillOfLading(), strings.Join(s.units, " "))
	e.Payload = &docklinev1.Event_Transport{Transport: p}
	return nil
}

// arrived: at one of our sites it is a receipt's first step; elsewhere it is under way or, with a receiving advice, delivered.
func (s *scene) arrived(e *docklinev1.Event) *fault {
	switch {
	case s.site != "":
		return s.inbound(e, docklinev1.EventKind_EVENT_KIND_RECEIPT_ARRIVED)
	case s.number("recadv") == "":
		return s.transported(e)
	}
	s.carried()
	p := &docklinev1.Delivery{Shipment: s.number("desadv"), Tracking: s.number(typeTracking), BillOfLading: s.number("bol"), HandlingUnits: s.units, Lines: s.lines}
	if latitude, longitude, ok := strings.Cut(strings.TrimPrefix(s.place, "geo:"), ","); ok && strings.HasPrefix(s.place, "geo:") {
		p.Latitude, p.Longitude = latitude, longitude
	} else {
		p.Place = s.place
	}
	kindOf(e, docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, p.GetShipment(), p.GetTracking(), p.GetBillOfLading())
	e.Payload = &docklinev1.Event_Delivery{Delivery: p}
	return nil
}

func (s *scene) received(e *docklinev1.Event) *fault {
	switch {
	case s.number("rma") != "" || s.disposition == "returned":
		return s.returned(e, docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, "")
	case len(s.set) > 0:
		return s.inbound(e, docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY)
	}
	return s.inbound(e, docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED)
}

func (s *scene) inbound(e *docklinev1.Event, kind docklinev1.EventKind) *fault {
	if e.GetSite() == "" {
		if s.site = s.toward; s.site == "" {
			return s.here()
		}
		e.Site = s.site
	}
	if f := s.ordered("purchase_order"); f != nil {
		return f
	}
	s.carried()
	for _, l := range s.lines {
		l.ToBin = s.toBin
		switch {
		case s.disposition == "damaged":
			l.Condition = "damaged"
		case s.set["mismatch_class"]:
			l.Condition = "wrong_item"
		case kind == docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY:
			l.Reason = "mismatch"
		}
	}
	p := &docklinev1.Inbound{Number: s.number("recadv"), Advice: s.number("desadv"), PurchaseOrder: s.number("po", "purchase_order"), Supplier: s.supplier,
		HandlingUnits: s.units, Lines: s.lines}
	kindOf(e, kind, p.GetPurchaseOrder(), p.GetAdvice(), p.GetNumber())
	e.Payload = &docklinev1.Event_Inbound{Inbound: p}
	return nil
}

func firstFault(faults ...*fault) *fault {
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}
