package view

import docklinev1 "github.com/dockline/dockline/proto/dockline/v1"

// Counter is one sum of an order's line, in millionths of the base unit.
type Counter struct {
	// Name is for people: "ordered", "voided".
	Name     string
	Quantity int64
}

// Counters are the sums of a line that are not zero, in the order in which goods go on, and then what is still open.
func Counters(l *docklinev1.OrderLineState) (list []Counter) {
	for _, c := range []Counter{
		{"ordered", l.GetOrdered()}, {"cancelled", l.GetCancelled()}, {"replaced by another item", l.GetSubstitutedOut()}, {"in place of another item", l.GetSubstitutedIn()},
		{"held", l.GetHeld()}, {"allocated", l.GetAllocated()}, {"picked", l.GetPicked()}, {"short", l.GetShort()}, {"backordered", l.GetBackordered()}, {"packed", l.GetPacked()},
		{"shipped", l.GetShipped()}, {"taken back", l.GetVoided()}, {"delivered", l.GetDelivered()}, {"refused", l.GetRefused()}, {"lost", l.GetLost()}, {"damaged", l.GetDamaged()},
		{"invoiced", l.GetInvoiced()}, {"return authorised", l.GetReturnAuthorised()}, {"returned", l.GetReturned()}, {"restocked", l.GetRestocked()},
		{"scrapped on return", l.GetReturnScrapped()}, {"credited", l.GetCredited()}, {"open", l.GetOpen()}, {"to invoice", l.GetToInvoice()}, {"return open", l.GetReturnOpen()},
	} {
		if c.Quantity != 0 {
			list = append(list, c)
		}
	}
	return list
}
