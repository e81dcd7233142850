package epcis

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// draft is one EPCIS event to be: lines that share a form, places and documents.
type draft struct {
	form
	readPoint, bizLocation string
	// order that the lines are for, where the kind is told order by order.
	order string
	// lot and expiry of what comes into being.
	lot, expires string

	lines   []*docklinev1.Line
	numbers []int // of the lines within the event, from 0
	outputs []*docklinev1.Line
	// parent and units: the handling unit that is filled, and those that are seen.
	parent string
	units  []string
	// ofLines: units that lines name were seen as well.
	ofLines bool
}

// alike is whether a line can go into the draft.
func (d *draft) alike(o *draft) bool {
	return d.form == o.form && d.readPoint == o.readPoint && d.bizLocation == o.bizLocation && d.order == o.order && d.lot == o.lot && d.expires == o.expires
}

// drafts takes an event apart: lines that were read at different places, or of which different things became, are events of their own.
func (x *Exporter) drafts(e *docklinev1.Event, f form, t *Tenant) []*draft {
	p := event.Payload(e)
	var found []*draft
	for i, l := range event.Lines(e) {
		d := &draft{form: f.vary(e.GetKind(), l)}
		d.readPoint, d.bizLocation = x.places(e, l, t)
		switch e.GetKind() {
		case docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PICK_SHORT, docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED,
			docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED, docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED:
			d.order = l.GetOrder()
		case docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED:
			if d.action == actionAdd {
				d.lot, d.expires = l.GetLot(), expiry(l)
			}
		}
		at := slices.IndexFunc(found, d.alike)
		if at < 0 {
			at = len(found)
			found = append(found, d)
		}
		found[at].lines = append(found[at].lines, l)
		found[at].numbers = append(found[at].numbers, i)
	}
	if len(found) == 0 {
		d := &draft{form: f}
		d.readPoint, d.bizLocation = x.places(e, nil, t)
		found = append(found, d)
	}
	if out, ok := p.(interface{ GetOutputs() []*docklinev1.Line }); ok {
		found[0].outputs = out.GetOutputs() // lines of a transformation share form and place
		if lots := uniform(found[0].outputs); lots != nil {
			found[0].lot, found[0].expires = lots.GetLot(), expiry(lots)
		}
	}
	for i, d := range found {
		d.ofLines = unitsSeen(e.GetKind())
		if i == 0 || len(event.Lines(e)) == 0 {
			d.units = unitsOf(e)
		}
	}
	if pack := e.GetPack(); pack != nil {
		found[0].parent = pack.GetHandlingUnit()
	}
	if load := e.GetLoad(); load != nil && e.GetKind() == docklinev1.EventKind_EVENT_KIND_LOAD_LOADED {
		found[0].parent = load.GetTrailer()
	}
	return found
}

// uniform is a line whose lot and expiry are those of all.
func uniform(lines []*docklinev1.Line) *docklinev1.Line {
	for _, l := range lines {
		if l.GetLot() != lines[0].GetLot() || expiry(l) != expiry(lines[0]) {
			return nil
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return lines[0]
}

func expiry(l *docklinev1.Line) string {
	if l.GetExpiresAt() == nil {
		return ""
	}
	return l.GetExpiresAt().AsTime().Format("2006-01-02")
}

// unitsSeen is whether the handling unit that a line names was there when it happened: at a pick it is where the goods went.
func unitsSeen(kind docklinev1.EventKind) bool {
	switch kind {
	case docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PICK_SHORT, docklinev1.EventKind_EVENT_KIND_PICK_SUBSTITUTED,
		docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED, docklinev1.EventKind_EVENT_KIND_INVENTORY_DEALLOCATED,
		docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED, docklinev1.EventKind_EVENT_KIND_PACK_REOPENED, docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED,
		docklinev1.EventKind_EVENT_KIND_LOT_RELABELLED, docklinev1.EventKind_EVENT_KIND_KIT_BUILT, docklinev1.EventKind_EVENT_KIND_STOCK_REPACKED:
		return false
	}
	return true
}

// unitsOf are the handling units that an event names beside its lines.
func unitsOf(e *docklinev1.Event) []string {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pack:
		return p.Pack.GetChildren()
	case *docklinev1.Event_Shipment:
		return p.Shipment.GetHandlingUnits()
	case *docklinev1.Event_Load:
		return p.Load.GetHandlingUnits()
	case *docklinev1.Event_Transport:
		return p.Transport.GetHandlingUnits()
	case *docklinev1.Event_Delivery:
		return p.Delivery.GetHandlingUnits()
	case *docklinev1.Event_Inbound:
		return p.Inbound.GetHandlingUnits()
	}
	return nil
}

// places are where a line of an event was read, and where its goods are from then on; "" is not known.
func (x *Exporter) places(e *docklinev1.Event, l *docklinev1.Line, t *Tenant) (readPoint, bizLocation string) {
	site := siteOf(e)
	at := func(bin string) string {
		if site == "" {
			return ""
		}
		return t.location(site, "bin", bin)
	}
	to := l.GetToBin()
	if to == "" {
		to = l.GetBin()
	}
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		if l.GetToBin() != "" {
			return at(l.GetBin()), at(l.GetToBin())
		}
		return at(l.GetBin()), ""
	case *docklinev1.Event_Shipment, *docklinev1.Event_OverShipment:
		return at(""), ""
	case *docklinev1.Event_Load:
		if p.Load.GetDock() != "" && site != "" {
			return t.location(site, "dock", p.Load.GetDock()), ""
		}
		return at(""), ""
	case *docklinev1.Event_Transport:
		return elsewhere(t, p.Transport.GetPlace(), "", ""), ""
	case *docklinev1.Event_Delivery:
		return elsewhere(t, p.Delivery.GetPlace(), p.Delivery.GetLatitude(), p.Delivery.GetLongitude()), ""
	case *docklinev1.Event_Inbound:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED {
			return "", ""
		}
		return at(""), at(to)
	case *docklinev1.Event_Return:
		return at(""), at(to)
	case *docklinev1.Event_Pack, *docklinev1.Event_ShipmentVoid, *docklinev1.Event_Transformation:
		return at(""), at("")
	case *docklinev1.Event_StockMove:
		return at(l.GetBin()), at(to)
	}
	return at(l.GetBin()), at(l.GetBin())
}

// siteOf is the site at which an event happened; some are told by the centre and name it.
func siteOf(e *docklinev1.Event) string {
	if named, ok := event.Payload(e).(interface{ GetSite() string }); ok && e.GetSite() == "" {
		return named.GetSite()
	}
	return e.GetSite()
}

// elsewhere is a place that is none of ours: by its coordinates (RFC 5870), else by its name.
func elsewhere(t *Tenant, place, latitude, longitude string) string {
	if _, ok := canonicalNumber(latitude); ok && !strings.ContainsAny(latitude+longitude, "eE+") {
		if _, ok := canonicalNumber(longitude); ok {
			return "geo:" + latitude + "," + longitude
		}
	}
	if place == "" {
		return ""
	}
	return t.uri("place", place)
}
