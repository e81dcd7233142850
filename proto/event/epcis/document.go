package epcis

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Types of documents for which CBV has none.
var (
	typeTracking     = Namespace + "BTT-tracking"
	typeTask         = Namespace + "BTT-task"
	typeCount        = Namespace + "BTT-count"
	typeReservation  = Namespace + "BTT-reservation"
	typeAdjustment   = Namespace + "BTT-adjustment"
	typeStatusChange = Namespace + "BTT-status_change"
)

// documents are the papers that an event belongs to.
type documents struct {
	tenant *Tenant
	list   []any
	seen   map[string]bool
}

// add names a paper by its type, what it is called in our own URIs, and its number. Where the operator gives the number it may be known by
// his location number.
func (d *documents) add(kind, noun string, ownNumber bool, numbers ...string) {
	for _, number := range numbers {
		key := kind + " " + noun + " " + number
		if number == "" || d.seen[key] {
			continue
		}
		if d.seen == nil {
			d.seen = map[string]bool{}
		}
		d.seen[key] = true
		o := &Object{}
		o.Set("type", kind)
		o.Set("bizTransaction", d.tenant.transaction(noun, number, ownNumber))
		d.list = append(d.list, o)
	}
}

// orders adds the orders of lines: sales orders, or purchase orders for what comes in.
func (d *documents) orders(kind, noun string, lines []*docklinev1.Line) {
	for _, l := range lines {
		d.add(kind, noun, true, l.GetOrder())
	}
}

func documentsOf(e *docklinev1.Event, d *draft, t *Tenant) []any {
	b := &documents{tenant: t}
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Allocation:
		b.orders("poc", "order", d.lines)
		b.add(typeReservation, "reservation", false, p.Allocation.GetNumber())
		if len(b.list) == 0 { // a transaction event needs one
			b.add(typeReservation, "reservation", false, e.GetId())
		}
	case *docklinev1.Event_Pick:
		b.orders("po", "order", d.lines)
		b.add(typeTask, "task", false, p.Pick.GetTask())
	case *docklinev1.Event_Pack:
		b.orders("po", "order", d.lines)
	case *docklinev1.Event_Load:
		b.orders("po", "order", d.lines)
		b.add("desadv", "shipment", true, p.Load.GetShipments()...)
	case *docklinev1.Event_Shipment:
		s := p.Shipment
		b.orders("po", "order", d.lines)
		b.add("desadv", "shipment", true, s.GetNumber())
		b.add("bol", "bill_of_lading", false, s.GetBillOfLading())
		b.add(typeTracking, "tracking", false, append([]string{s.GetTracking()}, s.GetParcels()...)...)
	case *docklinev1.Event_ShipmentVoid:
		b.orders("po", "order", d.lines)
		b.add("desadv", "shipment", true, p.ShipmentVoid.GetNumber())
	case *docklinev1.Event_OverShipment:
		b.add("po", "order", true, p.OverShipment.GetOrder())
		b.add("desadv", "shipment", true, p.OverShipment.GetNumber())
	case *docklinev1.Event_Transport:
		b.add("desadv", "shipment", true, p.Transport.GetShipment())
		b.add("bol", "bill_of_lading", false, p.Transport.GetBillOfLading())
		b.add(typeTracking, "tracking", false, p.Transport.GetTracking())
	case *docklinev1.Event_Delivery:
		s := p.Delivery
		b.add("desadv", "shipment", true, s.GetShipment())
		b.add("bol", "bill_of_lading", false, s.GetBillOfLading())
		b.add(typeTracking, "tracking", false, s.GetTracking())
		b.add("recadv", "delivery", false, firstOf(s.GetShipment(), s.GetTracking(), s.GetBillOfLading(), e.GetId()))
	case *docklinev1.Event_Inbound:
		b.add("po", "purchase_order", true, p.Inbound.GetPurchaseOrder())
		b.orders("po", "purchase_order", d.lines)
		b.add("desadv", "advice", false, p.Inbound.GetAdvice())
		b.add("recadv", "receipt", true, p.Inbound.GetNumber())
	case *docklinev1.Event_Return:
		b.add("rma", "return", true, p.Return.GetNumber())
		b.add("recadv", "receipt", true, p.Return.GetReceipt())
		b.add("po", "order", true, p.Return.GetOrder())
		b.orders("po", "order", d.lines)
	default:
		b.internal(e)
	}
	return b.list
}

// internal adds the papers of what happens within a site.
func (d *documents) internal(e *docklinev1.Event) {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_StockMove:
		d.add(typeTask, "task", false, p.StockMove.GetTask())
	case *docklinev1.Event_StockStatusChange:
		d.add(typeStatusChange, "status_change", false, p.StockStatusChange.GetNumber())
		d.add("desadv", "shipment", true, p.StockStatusChange.GetShipment())
	case *docklinev1.Event_Adjustment:
		d.add(typeAdjustment, "adjustment", false, p.Adjustment.GetNumber())
		d.add(typeCount, "count", false, p.Adjustment.GetCount())
	case *docklinev1.Event_Count:
		d.add(typeCount, "count", false, p.Count.GetNumber())
	case *docklinev1.Event_CountApproval:
		d.add(typeCount, "count", false, p.CountApproval.GetNumber())
	case *docklinev1.Event_Transformation:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_KIT_BUILT {
			d.add("prodorder", "production_order", true, p.Transformation.GetNumber())
		}
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// parties of a transfer: who hands over and where, who takes over and where.
func partiesOf(e *docklinev1.Event, t *Tenant) (sources, destinations []any) {
	add := func(to *[]any, field, kind, uri string) {
		if uri == "" {
			return
		}
		o := &Object{}
		o.Set("type", kind)
		o.Set(field, uri)
		*to = append(*to, o)
	}
	at := func(site string) string {
		if site == "" {
			return ""
		}
		return t.location(site, "", "")
	}
	who := func(noun, code string) string {
		if code == "" {
			return ""
		}
		return t.uri(noun, code)
	}
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Shipment:
		add(&sources, "source", "possessing_party", t.party())
		add(&sources, "source", "location", at(e.GetSite()))
		add(&destinations, "destination", "possessing_party", who("carrier", firstOf(p.Shipment.GetScac(), p.Shipment.GetCarrier())))
		add(&destinations, "destination", "location", at(p.Shipment.GetToSite()))
	case *docklinev1.Event_Inbound:
		add(&sources, "source", "possessing_party", who("supplier", p.Inbound.GetSupplier()))
		add(&destinations, "destination", "possessing_party", t.party())
		add(&destinations, "destination", "location", at(e.GetSite()))
	case *docklinev1.Event_Return:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED {
			add(&sources, "source", "possessing_party", who("customer", p.Return.GetCustomer()))
			add(&destinations, "destination", "possessing_party", t.party())
		}
	}
	return sources, destinations
}

// numberOf is the number of a document's URI, and the noun where it is one of ours: what stands behind the last colon or slash of others.
func (t *Tenant) numberOf(uri string) (number, noun string) {
	if parts := t.parts(uri); len(parts) == 2 {
		return parts[1], parts[0]
	}
	if rest, ok := strings.CutPrefix(uri, "urn:epcglobal:cbv:bt:"); ok {
		if _, number, ok := strings.Cut(rest, ":"); ok {
			return unescape(number), ""
		}
	}
	canonical := CanonicalURI(uri)
	for _, key := range []string{"253/", "255/", "401/", "402/"} {
		if rest, ok := strings.CutPrefix(canonical, digitalLink+key); ok {
			return unescape(rest), ""
		}
	}
	return unescape(uri[strings.LastIndexAny(uri, "/:#=")+1:]), ""
}
