package console

import "testing"

// An exception leads to the page of what it follows from; one of an order names that itself, and one of machinery has none.
func TestAnExceptionLeadsToItsCause(t *testing.T) {
	for origin, want := range map[string]string{
		"fold/shipment/dc-east/S1": "/shipments/dc-east/S1 shipment S1 of dc-east", "fold/return/RMA-7": "/returns/RMA-7 return RMA-7",
		"fold/inbound/dc-east/PO%2F7": "/inbound/dc-east/PO%2F7 inbound PO/7 of dc-east", "fold/blind_return/dc-east/RR1": "/blind-returns/dc-east/RR1 blind return RR1 of dc-east",
		"fold/order/SO1": "", "gap/dc-east/e1/3": "", "fold/stock/dc-east/A-01/BOLT//available": "",
	} {
		got := ""
		if c := cause(origin); c != nil {
			got = c.Page + " " + c.Words
		}
		if got != want {
			t.Errorf("%s leads to %q, not to %q", origin, got, want)
		}
	}
}
