package state

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ofStock is the keys, beside those of the ledger, of what moves or reserves stock within a site.
func (t *touches) ofStock() {
	site := t.event.GetSite()
	switch p := t.event.GetPayload().(type) {
	case *docklinev1.Event_Allocation:
		t.lines(p.Allocation.GetLines(), orderKeyOf)
	case *docklinev1.Event_StockStatusChange:
		t.lines(p.StockStatusChange.GetLines(), orderKeyOf)
		t.whole(shipmentOrName(site, p.StockStatusChange.GetShipment()))
	case *docklinev1.Event_Adjustment:
		if p.Adjustment.GetCount() != "" {
			t.whole(event.CountKey(site, p.Adjustment.GetCount()))
		}
	case *docklinev1.Event_CountApproval:
		t.whole(event.CountKey(site, p.CountApproval.GetNumber()))
	}
}
