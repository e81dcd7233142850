package epcis

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func (s *scene) stored(e *docklinev1.Event) *fault {
	if f := s.here(); f != nil {
		return f
	}
	switch {
	case s.number("rma") != "":
		return s.disposed(e)
	case s.step == "storing" && s.number(typeStatusChange) != "":
		return s.held(e)
	}
	s.binned()
	s.carried()
	kindOf(e, docklinev1.EventKind_EVENT_KIND_PUTAWAY_CONFIRMED, s.number(typeTask))
	if s.step == "stocking" {
		e.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_MOVED
	}
	e.Payload = &docklinev1.Event_StockMove{StockMove: &docklinev1.StockMove{Task: s.number(typeTask), Lines: s.lines}}
	return nil
}

// held: at a site goods have another status by their disposition; elsewhere, under the papers of a shipment, somebody did not take them.
func (s *scene) held(e *docklinev1.Event) *fault {
	if s.number("rma") != "" {
		return s.disposed(e)
	}
	if s.site == "" && firstOf(s.number("desadv"), s.number("bol"), s.number(typeTracking)) != "" {
		return s.transported(e)
	}
	if f := s.here(); f != nil {
		return f
	}
	status := map[string]string{"damaged": "damaged", "expired": "expired", "recalled": "recalled", "non_sellable_other": "hold", "sellable_not_accessible": "available"}[s.disposition]
	if status == "" || s.step == "repairing" {
		return wrong("epcis_disposition", "disposition", "it does not say what status goods have that are in %s: %s is none of damaged, expired, recalled, non_sellable_other", s.step,
			firstOf(s.disposition, "nothing"))
	}
	s.binned()
	s.carried()
	for _, l := range s.lines {
		l.ToStatus, l.ToBin = status, ""
	}
	kindOf(e, docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED, s.number(typeStatusChange))
	e.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: s.number(typeStatusChange), Lines: s.lines}}
	return nil
}

func (s *scene) adjusted(e *docklinev1.Event) *fault {
	if s.number("rma") != "" {
		return s.disposed(e)
	}
	if f := s.here(); f != nil {
		return f
	}
	s.binned()
	kind := docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED
	for _, l := range s.lines {
		l.ToBin = ""
		if s.action == actionDelete && s.step != "destroying" {
			l.Quantity.Value = "-" + l.Quantity.GetValue()
		}
	}
	switch {
	case s.step == "destroying" && s.action == actionDelete:
		kind = docklinev1.EventKind_EVENT_KIND_STOCK_SCRAPPED
	case s.action == actionObserve, s.step == "destroying", s.action == actionAdd && (s.step == stepAdjusting || s.step == "decommissioning"):
		return s.unknown()
	}
	kindOf(e, kind, s.number(typeAdjustment), s.number(typeCount))
	e.Payload = &docklinev1.Event_Adjustment{Adjustment: &docklinev1.Adjustment{Number: s.number(typeAdjustment), Count: s.number(typeCount), Lines: s.lines}}
	return nil
}

func (s *scene) counted(e *docklinev1.Event) *fault {
	if f := s.here(); f != nil {
		return f
	}
	s.binned()
	s.carried()
	for _, l := range s.lines {
		l.ToBin = ""
	}
	number := firstOf(s.number(typeCount), e.GetSourceKey())
	kindOf(e, docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED, number)
	e.Payload = &docklinev1.Event_Count{Count: &docklinev1.Count{Number: number, Lines: s.lines}}
	return nil
}

// approved: CBV's stock taking is for the books; it says nothing of who decided what.
func (s *scene) approved(e *docklinev1.Event) *fault {
	if s.number(typeCount) == "" {
		return wrong("epcis_count", "bizTransactionList", "it names no count that was approved")
	}
	kindOf(e, docklinev1.EventKind_EVENT_KIND_COUNT_APPROVED, s.number(typeCount))
	e.Payload = &docklinev1.Event_CountApproval{CountApproval: &docklinev1.CountApproval{Number: s.number(typeCount), Decision: "approve"}}
	return firstFault(s.here())
}

func (s *scene) transformed(e *docklinev1.Event) *fault {
	if f := s.here(); f != nil {
		return f
	}
	number := firstOf(s.number("prodorder"), s.number("transformation"))
	switch s.step {
	case "assembling", "commissioning", "creating_class_instance": // what is made of something else
		kindOf(e, docklinev1.EventKind_EVENT_KIND_KIT_BUILT, number)
	case "repackaging":
		kindOf(e, docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED, number)
	default:
		return s.unknown()
	}
	s.binned()
	e.Payload = &docklinev1.Event_Transformation{Transformation: &docklinev1.Transformation{Number: number, Lines: s.lines, Outputs: s.outputs}}
	return nil
}

func (s *scene) inspected(e *docklinev1.Event) *fault {
	if s.number("rma") == "" {
		return wrong("epcis_return", "bizTransactionList", "it is an inspection, and names no return (rma) that it is of")
	}
	condition := map[string]string{"conformant": "good", "damaged": "damaged", "expired": "expired", "non_conformant": "opened", "needs_replacement": "damaged"}[s.disposition]
	return s.returned(e, docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, condition)
}

// disposed: what is done with returned goods follows from step and disposition.
func (s *scene) disposed(e *docklinev1.Event) *fault {
	for name, of := range disposals {
		if of.step == s.step && of.disposition == s.disposition {
			for _, l := range s.lines {
				l.Disposition = name
			}
			return s.returned(e, docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, "")
		}
	}
	return wrong("epcis_disposition", "disposition", "goods that came back are in %s as %s, which is no way to dispose of them that Dockline knows", s.step, firstOf(s.disposition, "nothing"))
}

func (s *scene) returned(e *docklinev1.Event, kind docklinev1.EventKind, condition string) *fault {
	if f := firstFault(s.here(), s.ordered("order")); f != nil {
		return f
	}
	s.binned()
	s.carried()
	for _, l := range s.lines {
		l.Condition = condition
	}
	p := &docklinev1.Return{Number: s.number("rma"), Receipt: s.number("recadv"), Order: s.number("po", "order"), Customer: s.customer, Lines: s.lines}
	kindOf(e, kind, p.GetNumber(), p.GetReceipt())
	e.Payload = &docklinev1.Event_Return{Return: p}
	return nil
}
