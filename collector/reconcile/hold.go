package reconcile

import (
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// CodeLeftOnHold is the code of goods that left while their order was on hold.
const CodeLeftOnHold = "left_on_hold"

// leaveOnHold has a site that was told of an order, and has not begun it, leave it until nobody holds it any more: a release that still waits for the
// site, or for somebody on its floor, would go on. What a site has begun it goes on with; what leaves then is a case.
func (v *view) leaveOnHold(fold *state.OrderFold, site string, told map[string]commandRow) {
	row, ok := told[site]
	if !ok || site == "" || len(fold.State.GetHolds()) == 0 || Begun(fold.State) {
		return
	}
	v.command(fold, site, row, true, &docklinev1.Command{Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: fold.State.GetNumber(), Reason: "it is on hold; it is released again when the hold ends"}}})
}

// Begun tells whether a site has touched goods for an order.
func Begun(s *docklinev1.OrderState) bool {
	for _, line := range s.GetLines() {
		if line.GetAllocated() > 0 || line.GetPicked() > 0 || line.GetShort() > 0 || line.GetPacked() > 0 || line.GetOut() > 0 {
			return true
		}
	}
	return false
}

// leftOnHold opens a case for a shipment that left after its order was held, as long as it is.
func (v *view) leftOnHold(fold *state.OrderFold, issue *state.Issue) {
	var holds, ids []string
	for _, h := range fold.State.GetHolds() {
		if issue.DepartedAt.Before(h.GetSince().AsTime()) {
			continue
		}
		text := fmt.Sprintf("%s since %s", h.GetCode(), h.GetSince().AsTime().UTC().Format("2006-01-02 15:04 UTC"))
		if h.GetReason() != "" {
			text += ": " + strings.TrimSuffix(h.GetReason(), ".")
		}
		holds, ids = append(holds, text), append(ids, h.GetEventId())
	}
	if len(holds) == 0 {
		return
	}
	s, shipment := fold.State, issue.Shipment
	v.raise(exception.Desired{Code: CodeLeftOnHold, Class: process, Subject: ShipmentSubject(shipment.GetSite(), shipment.GetNumber()), Site: shipment.GetSite(), Order: s.GetNumber(), Customer: s.GetCustomer(),
		EventIDs: append(ids, departuresOf(fold, issue)...), Title: fmt.Sprintf("Shipment %s left although order %s is on hold", shipment.GetNumber(), s.GetNumber()),
		Text: fmt.Sprintf("Site %s sent shipment %s of order %s while the order was on hold (%s). The goods issue is posted, since the goods are gone. Have the goods brought back, or release the hold if they may go (order release %s); it closes by itself when the hold ends or the shipment is voided.",
			shipment.GetSite(), shipment.GetNumber(), s.GetNumber(), strings.Join(holds, "; "), s.GetNumber())})
}
