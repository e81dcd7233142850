package reconcile

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// billing is a mapping that asks the orders of a shipment about its invoices: an invoice names orders, and no site, so that their folds know of it.
type billing struct {
	*policy.Mapping
	view *view
}

// Billed asks the order as it was last folded. Its fold has the shipment folded again when that changes.
func (b billing) Billed(order string) (invoices []*docklinev1.ShipmentInvoice, proof bool) {
	if order == "" {
		return nil, false
	}
	v := b.view
	s := &docklinev1.OrderState{}
	for _, row := range must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: byKey, Rows: [][]any{{v.tenant, event.OrderKey(order)}}})) {
		if err := proto.Unmarshal(row[0].([]byte), s); err != nil {
			panic(viewFault{fmt.Errorf("state of order %s: %w", order, err)})
		}
	}
	return s.GetShipmentInvoices(), rules{Mapping: v.mapping(), policy: v.policy, tenant: v.tenant}.ProofOfDelivery(s.GetCustomer())
}

// wakeInvoiced has those shipments of an order folded again of which other invoices are in force than before.
func (v *view) wakeInvoiced(s *docklinev1.OrderState) {
	had := &docklinev1.OrderState{}
	if v.had != nil {
		if err := proto.Unmarshal(v.had.body, had); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", v.key, err)})
		}
	}
	was, is := invoicesByShipment(had), invoicesByShipment(s)
	for key := range was {
		if was[key] != is[key] {
			v.outcome.also = append(v.outcome.also, key)
		}
	}
	for key := range is {
		if _, known := was[key]; !known {
			v.outcome.also = append(v.outcome.also, key)
		}
	}
}

func invoicesByShipment(s *docklinev1.OrderState) map[string]string {
	by := make(map[string]string)
	for _, i := range s.GetShipmentInvoices() {
		// The time too: an event that another body under its id has replaced happened at another one.
		by[event.ShipmentKey(i.GetSite(), i.GetShipment())] += fmt.Sprint(i.GetInvoice(), i.GetEventId(), i.GetAt().AsTime().UnixNano(), ";")
	}
	return by
}

var _ state.Billing = billing{}
