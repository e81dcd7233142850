package state

import (
	"fmt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Kinds of keys of the stock ledger. A movement is what one record of a source moves; an account is where goods are that no site has.
const (
	KindMovement = "movement"
	KindAccount  = "account"
	// KindAllocation is a reservation that names no order.
	KindAllocation = "allocation"
)

// stockTouches are the keys of the ledger that an event touches: what a record moves is folded under the record's own key, once, whatever
// buckets it moves between. A bucket itself is told only what is said about it as a whole: counts, what a count booked, and openings.
func stockTouches(e *docklinev1.Event, m Mapping) []Touch {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Count:
		return byLine(e, p.Count.GetLines(), stockKeyOf(e, e.GetSite(), m))
	case *docklinev1.Event_StockSnapshot:
		site := p.StockSnapshot.GetSite()
		opening := Touch{OpeningKey(site), event.WithLines(e, nil)}
		return append([]Touch{opening}, byLine(e, p.StockSnapshot.GetLines(), stockKeyOf(e, site, m))...)
	case *docklinev1.Event_Adjustment:
		if p.Adjustment.GetCount() != "" {
			return byLine(e, p.Adjustment.GetLines(), func(line *docklinev1.Line) string { return bucketOf(e, e.GetSite(), line, m).Key() })
		}
	case *docklinev1.Event_Allocation:
		return byLine(e, p.Allocation.GetLines(), func(line *docklinev1.Line) string {
			if line.GetOrder() != "" || p.Allocation.GetNumber() == "" {
				return ""
			}
			return event.Key(KindAllocation, e.GetSite(), p.Allocation.GetNumber())
		})
	}
	if key := movementKey(e); key != "" {
		return whole(e, key)
	}
	return nil
}

// movementKey is the key under which what an event moves is folded, "" where it moves nothing. The versions of a record share it. So do a
// shipment and what takes it back, and the second scans of one deed: whether they count depends on each other.
func movementKey(e *docklinev1.Event) string {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Shipment:
		return shipmentMovement(e.GetSite(), p.Shipment.GetNumber())
	case *docklinev1.Event_ShipmentVoid:
		return shipmentMovement(siteOr(p.ShipmentVoid.GetSite(), e), p.ShipmentVoid.GetNumber())
	case *docklinev1.Event_Transport:
		if k := e.GetKind(); k == docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST || k == docklinev1.EventKind_EVENT_KIND_TRANSPORT_DAMAGED {
			return shipmentMovement(siteOr(p.Transport.GetSite(), e), p.Transport.GetShipment())
		}
		return ""
	case *docklinev1.Event_Pick, *docklinev1.Event_StockMove, *docklinev1.Event_StockStatusChange, *docklinev1.Event_Adjustment, *docklinev1.Event_Transformation:
	case *docklinev1.Event_Inbound:
		if e.GetKind() != docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED {
			return ""
		}
	case *docklinev1.Event_Return:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED {
			return ""
		}
	default:
		return ""
	}
	switch {
	case e.GetDoubleOf() != "":
		return DoubleKey(e.GetDoubleOf())
	case e.GetSourceKey() == "":
		return event.Key(KindMovement, e.GetId())
	}
	return recordMovement(e)
}

// DoubleKey is where the second scans of one deed are folded, by the id of the first.
func DoubleKey(first string) string { return event.Key(KindMovement, movementDouble, first) }

const movementDouble = "double"

func shipmentMovement(site, number string) string {
	if site == "" || number == "" {
		return ""
	}
	return event.Key(KindMovement, "shipment", site, number)
}

func siteOr(site string, e *docklinev1.Event) string {
	if site != "" {
		return site
	}
	return e.GetSite()
}

func recordMovement(e *docklinev1.Event) string {
	parts := []string{e.GetSite(), e.GetSource(), e.GetSourceKey(), event.RecordObject(e)}
	if e.GetOrdinal() > 0 {
		parts = append(parts, fmt.Sprint(e.GetOrdinal()))
	}
	return event.Key(KindMovement, parts...)
}

// FirstScan is the id of the deed whose second scans a movement key has, "" where it is of another kind.
func FirstScan(key string) string {
	kind, parts, err := event.ParseKey(key)
	if err != nil || kind != KindMovement || len(parts) != 2 || parts[0] != movementDouble {
		return ""
	}
	return parts[1]
}
