package state

import (
	"cmp"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ofGoods is the keys of what moves between a site and the world.
func (t *touches) ofGoods() bool {
	switch p := t.event.GetPayload().(type) {
	case *docklinev1.Event_Shipment:
		t.whole(event.ShipmentKey(t.event.GetSite(), p.Shipment.GetNumber()))
		t.lines(p.Shipment.GetLines(), orderKeyOf)
	case *docklinev1.Event_ShipmentVoid:
		t.whole(shipmentOrName(cmp.Or(p.ShipmentVoid.GetSite(), t.event.GetSite()), p.ShipmentVoid.GetNumber()))
		t.lines(p.ShipmentVoid.GetLines(), orderKeyOf)
	case *docklinev1.Event_Load:
		for _, number := range p.Load.GetShipments() {
			t.whole(shipmentOrName(t.event.GetSite(), number))
		}
		t.lines(p.Load.GetLines(), orderKeyOf)
		t.units(p.Load.GetHandlingUnits())
	case *docklinev1.Event_Transport, *docklinev1.Event_Delivery:
		t.carried(carriedBy(t.event))
	case *docklinev1.Event_Inbound:
		t.inbound(p.Inbound)
	case *docklinev1.Event_ReturnAuthorisation:
		t.authorisation(p.ReturnAuthorisation)
	case *docklinev1.Event_Return:
		t.returned(p.Return)
	case *docklinev1.Event_ReturnDecision:
		if d := p.ReturnDecision; d.GetNumber() != "" {
			t.whole(event.ReturnKey(d.GetNumber()))
		} else {
			t.whole(event.BlindReturnKey(cmp.Or(d.GetReceiptSite(), t.event.GetSite()), d.GetReceipt()), orderKey(d.GetOrder()))
		}
	default:
		return false
	}
	return true
}

// carried is by what names a carrier's event calls goods under way.
type carried struct {
	shipment, site, tracking, billOfLading string
	units                                  []string
	lines                                  []*docklinev1.Line
	claim                                  string
}

func carriedBy(e *docklinev1.Event) carried {
	type named interface {
		GetShipment() string
		GetSite() string
		GetTracking() string
		GetBillOfLading() string
		GetHandlingUnits() []string
		GetLines() []*docklinev1.Line
	}
	p, ok := event.Payload(e).(named)
	if !ok {
		return carried{}
	}
	return carried{p.GetShipment(), cmp.Or(p.GetSite(), e.GetSite()), p.GetTracking(), p.GetBillOfLading(), p.GetHandlingUnits(), p.GetLines(), e.GetTransport().GetClaim()}
}

func (t *touches) carried(c carried) {
	t.whole(shipmentOrName(c.site, c.shipment), referenceKey(event.ReferenceTracking, c.tracking), referenceKey(event.ReferenceBillOfLading, c.billOfLading))
	t.lines(c.lines, orderKeyOf)
	t.units(c.units)
}

// units gives each handling unit the event, as far as it concerns that one: an event may name very many.
func (t *touches) units(units []string) {
	for _, unit := range units {
		if key := referenceKey(event.ReferenceUnit, unit); !t.seen[key] {
			t.part(key, ofUnit(t.event, unit))
		}
	}
}

// shipmentOrName is the key of a shipment, or that of its number where it is not known whose number it is; "" without a number.
func shipmentOrName(site, number string) string {
	switch {
	case number == "":
		return ""
	case site == "":
		return event.ReferenceKey(event.ReferenceShipment, number)
	}
	return event.ShipmentKey(site, number)
}

// inbound: goods are followed by purchase order, else by the supplier's advice, else by the site's own number of the receipt. An advice
// that does not say for which site waits under its names until the goods are there.
func (t *touches) inbound(p *docklinev1.Inbound) {
	site := t.event.GetSite()
	if site == "" {
		for _, order := range purchaseOrders(p) {
			t.whole(event.ReferenceKey(event.ReferencePurchaseOrder, order))
		}
		t.whole(referenceKey(event.ReferenceAdvice, p.GetAdvice()))
		return
	}
	t.lines(p.GetLines(), func(line *docklinev1.Line) string { return inboundKey(site, followedBy(p, line)) })
	if len(t.list) == 0 {
		t.whole(inboundKey(site, followedBy(p, nil)))
	}
	if len(purchaseOrders(p)) == 0 {
		t.whole(referenceKey(event.ReferenceAdvice, p.GetAdvice()))
	}
}

// followedBy is the number by which the goods of a line are followed, or of an event without lines.
func followedBy(p *docklinev1.Inbound, line *docklinev1.Line) string {
	return cmp.Or(line.GetOrder(), p.GetPurchaseOrder(), p.GetAdvice(), p.GetNumber())
}

func inboundKey(site, reference string) string {
	if reference == "" {
		return ""
	}
	return event.InboundKey(site, reference)
}

// purchaseOrders is those that an inbound event names, each once.
func purchaseOrders(p *docklinev1.Inbound) []string {
	var list []string
	seen := map[string]bool{"": true}
	for _, order := range append([]string{p.GetPurchaseOrder()}, ordersOf(p.GetLines())...) {
		if !seen[order] {
			seen[order] = true
			list = append(list, order)
		}
	}
	return list
}

// ordersOf is the orders that lines name, each once, in their order.
func ordersOf(lines []*docklinev1.Line) []string {
	var list []string
	seen := map[string]bool{"": true}
	for _, line := range lines {
		if order := line.GetOrder(); !seen[order] {
			seen[order] = true
			list = append(list, order)
		}
	}
	return list
}

func (t *touches) authorisation(p *docklinev1.ReturnAuthorisation) {
	t.whole(event.ReturnKey(p.GetNumber()), orderKey(p.GetOrder()))
	t.lines(p.GetLines(), orderKeyOf)
	if p.GetReceipt() != "" {
		t.whole(event.BlindReturnKey(cmp.Or(p.GetReceiptSite(), p.GetSite(), t.event.GetSite()), p.GetReceipt()))
	}
	if p.GetOrder() == "" {
		for _, shipment := range p.GetShipments() {
			t.whole(event.ReferenceKey(event.ReferenceShipment, shipment))
		}
	}
}

// returned: goods that came back without the number of an authorisation are followed by the site's own receipt, and may be found by the
// tracking number of the label that the customer was given.
func (t *touches) returned(p *docklinev1.Return) {
	switch {
	case p.GetNumber() != "":
		t.whole(event.ReturnKey(p.GetNumber()))
	case p.GetReceipt() != "":
		t.whole(event.BlindReturnKey(t.event.GetSite(), p.GetReceipt()), referenceKey(event.ReferenceTracking, p.GetTracking()))
	}
	t.whole(orderKey(p.GetOrder()))
	t.lines(p.GetLines(), orderKeyOf)
}
