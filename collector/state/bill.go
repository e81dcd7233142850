package state

import (
	"maps"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// bills settles which invoices are in force and what of each line they cover: what they say by line, else what the shipments carried that
// they name. One that names neither covers one shipment, since a shipment is what is invoiced.
func (f *orderFold) bills() {
	s := f.out.State
	gone := make(map[string]bool)
	f.each(func(e *docklinev1.Event) {
		if v := e.GetInvoiceVoid(); v != nil {
			gone[v.GetNumber()] = true
		}
	})
	covered := make(map[string]bool)
	var nameless []string
	for _, number := range slices.Sorted(maps.Keys(f.invoices)) {
		invoice := f.invoices[number]
		if gone[number] {
			s.VoidedInvoices = append(s.VoidedInvoices, number)
			continue
		}
		s.Invoices = append(s.Invoices, invoice)
		f.at = f.invoiceAt[number]
		if f.billLines(invoice) {
			for _, shipment := range invoice.GetShipments() {
				covered[shipment] = true
				f.cover(shipment, number)
			}
			continue
		}
		for _, shipment := range invoice.GetShipments() {
			covered[shipment] = true
			f.cover(shipment, number)
			f.billShipment(shipment)
		}
		if len(invoice.GetShipments()) == 0 {
			nameless = append(nameless, number)
		}
	}
	for _, issue := range f.out.Issues {
		if number := issue.Shipment.GetNumber(); !covered[number] && len(nameless) > 0 {
			f.at = f.invoiceAt[nameless[0]]
			f.cover(number, nameless[0])
			nameless = nameless[1:]
			covered[number] = true
			f.billShipment(number)
		}
	}
}

// cover notes that an invoice, the fact that is looked at, is of a shipment.
func (f *orderFold) cover(shipment, invoice string) {
	for _, key := range f.numbered[shipment] {
		if departed := f.departed[key]; len(departed) > 0 {
			f.out.State.ShipmentInvoices = append(f.out.State.ShipmentInvoices, &docklinev1.ShipmentInvoice{Site: departed[0].GetSite(), Shipment: shipment, Invoice: invoice,
				EventId: f.out.Facts[f.at].GetId(), At: f.out.Facts[f.at].GetOccurredAt()})
		}
	}
}

// billLines counts what an invoice says by line; false where it says nothing of this order's lines.
func (f *orderFold) billLines(invoice *docklinev1.Invoice) bool {
	e := f.out.Facts[f.at]
	billed := false
	for _, line := range f.ours(invoice.GetLines(), invoice.GetOrder()) {
		item, base, fault := quantity(f.mapping, e, line, line.GetQuantity())
		if fault != nil {
			continue // money is the system of record's
		}
		places, _ := f.candidates(line, item)
		billed = billed || len(places) > 0
		f.divide(e, line, places, base, invoiced, func(at int) int64 {
			l := f.out.State.Lines[at]
			return l.Shipped - l.Voided - l.Invoiced
		})
	}
	return billed
}

// billShipment counts all that a shipment still has as invoiced.
func (f *orderFold) billShipment(number string) {
	for _, key := range f.numbered[number] {
		for _, w := range f.carried[key] {
			f.add(w.at, invoiced, w.base)
		}
	}
}
