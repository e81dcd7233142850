package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func (l *links) shipment(e *docklinev1.Event, p *docklinev1.Shipment) {
	key, orders := event.ShipmentKey(e.GetSite(), p.GetNumber()), ordersNamed("", p.GetLines())
	l.join([]string{key}, orders...)
	names := append(named(event.ReferenceShipment, p.GetNumber()), named(event.ReferenceBillOfLading, p.GetBillOfLading())...)
	names = append(names, named(event.ReferenceTracking, append([]string{p.GetTracking()}, p.GetParcels()...)...)...)
	names = append(names, named(event.ReferenceUnit, p.GetHandlingUnits()...)...)
	l.join(names, key)
	l.cross(names, orders)
	l.name(event.ReferenceTrailer, p.GetTrailer(), key)
	l.name(event.ReferenceSeal, p.GetSeal(), key)
	l.unitsOf(p.GetLines(), key)
}

// unitsOf links the handling units of lines to their orders, and to what the lines are of.
func (l *links) unitsOf(lines []*docklinev1.Line, partOf string) {
	for _, line := range lines {
		l.name(event.ReferenceUnit, line.GetHandlingUnit(), partOf, orderKey(line.GetOrder()))
	}
}

// load: what is loaded belongs to a shipment where only one is named.
func (l *links) load(e *docklinev1.Event, p *docklinev1.Load) {
	shipment := ""
	if site := e.GetSite(); site != "" && len(p.GetShipments()) == 1 {
		shipment = event.ShipmentKey(site, p.GetShipments()[0])
		l.name(event.ReferenceShipment, p.GetShipments()[0], shipment)
		l.join(named(event.ReferenceUnit, p.GetHandlingUnits()...), shipment)
		l.join([]string{shipment}, ordersNamed("", p.GetLines())...)
	}
	l.unitsOf(p.GetLines(), shipment)
	if site := e.GetSite(); site != "" && len(p.GetShipments()) <= maxCrossed {
		for _, number := range p.GetShipments() {
			l.name(event.ReferenceTrailer, p.GetTrailer(), event.ShipmentKey(site, number))
			l.name(event.ReferenceSeal, p.GetSeal(), event.ShipmentKey(site, number))
		}
	}
}

// carried: a carrier that names the shipment itself says which names are its own.
func (l *links) carried(c carried) {
	if c.claim != "" { // it leads to what its carrier calls the goods by, where that is no shipment of a site
		named := []string{referenceKey(event.ReferenceTracking, c.tracking), referenceKey(event.ReferenceBillOfLading, c.billOfLading)}
		if len(c.units) == 1 {
			named = append(named, referenceKey(event.ReferenceUnit, c.units[0]))
		}
		l.name(event.ReferenceClaim, c.claim, append(named, shipmentOrName(c.site, c.shipment))...)
	}
	if c.shipment == "" || c.site == "" {
		return
	}
	key := event.ShipmentKey(c.site, c.shipment)
	l.name(event.ReferenceShipment, c.shipment, key)
	l.name(event.ReferenceTracking, c.tracking, key)
	l.name(event.ReferenceBillOfLading, c.billOfLading, key)
	l.join(named(event.ReferenceUnit, c.units...), key)
}

// inbound: goods that some events know by the purchase order, and others by the advice or the receipt only, are the same goods.
func (l *links) inbound(site string, p *docklinev1.Inbound) {
	if site == "" {
		return
	}
	var keys []string
	for _, line := range p.GetLines() {
		number := followedBy(p, line)
		key := inboundKey(site, number)
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		if cmp.Or(line.GetOrder(), p.GetPurchaseOrder()) != "" {
			l.name(event.ReferencePurchaseOrder, number, key)
		}
		l.name(event.ReferenceUnit, line.GetHandlingUnit(), key)
	}
	if len(keys) == 0 {
		keys = []string{inboundKey(site, followedBy(p, nil))}
		l.name(event.ReferencePurchaseOrder, p.GetPurchaseOrder(), keys...)
	}
	if p.GetNumber() != "" && len(keys) <= maxCrossed {
		l.name(event.ReferenceReceipt, p.GetNumber(), keys...)
	}
	names := append(named(event.ReferenceAdvice, p.GetAdvice()), inboundKey(site, p.GetAdvice()), inboundKey(site, p.GetNumber()))
	l.cross(append(names, named(event.ReferenceUnit, p.GetHandlingUnits()...)...), keys)
}

func (l *links) authorisation(e *docklinev1.Event, p *docklinev1.ReturnAuthorisation) {
	key, orders := event.ReturnKey(p.GetNumber()), ordersNamed(p.GetOrder(), p.GetLines())
	all := append([]string{key}, orders...)
	l.name(event.ReferenceReturn, p.GetNumber(), all...)
	l.name(event.ReferenceTracking, p.GetTracking(), all...)
	l.join([]string{key}, orders...)
	if p.GetReceipt() != "" {
		l.join([]string{event.BlindReturnKey(cmp.Or(p.GetReceiptSite(), p.GetSite(), e.GetSite()), p.GetReceipt())}, all...)
	}
}

func (l *links) returned(site string, p *docklinev1.Return) {
	orders := ordersNamed(p.GetOrder(), p.GetLines())
	switch {
	case p.GetNumber() != "":
		key := event.ReturnKey(p.GetNumber())
		all := append([]string{key}, orders...)
		l.name(event.ReferenceReturn, p.GetNumber(), all...)
		l.name(event.ReferenceTracking, p.GetTracking(), all...)
		l.name(event.ReferenceReceipt, p.GetReceipt(), key)
		l.join([]string{key}, orders...)
		if p.GetReceipt() != "" {
			l.join([]string{event.BlindReturnKey(site, p.GetReceipt())}, all...)
		}
	case p.GetReceipt() != "":
		l.name(event.ReferenceReceipt, p.GetReceipt(), event.BlindReturnKey(site, p.GetReceipt()))
		l.join([]string{event.BlindReturnKey(site, p.GetReceipt())}, orders...)
	}
}
