package event

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// Lines is the lines of an event's payload, whatever its kind.
func Lines(e *docklinev1.Event) []*docklinev1.Line {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Order:
		return p.Order.GetLines()
	case *docklinev1.Event_Pick:
		return p.Pick.GetLines()
	case *docklinev1.Event_Pack:
		return p.Pack.GetLines()
	case *docklinev1.Event_Shipment:
		return p.Shipment.GetLines()
	case *docklinev1.Event_Count:
		return p.Count.GetLines()
	case *docklinev1.Event_StockSnapshot:
		return p.StockSnapshot.GetLines()
	}
	return nil
}
