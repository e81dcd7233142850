// Package work puts what a command asks for into rows of named fields, as plugins write it for a warehouse system: into files, into tables.
package work

import (
	"strconv"
	"strings"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Kind is what a command asks for, by the name that it has in a configuration.
type Kind string

// The kinds of work that a site's system can be given.
const (
	ReleaseOrder Kind = "release_order"
	CancelOrder  Kind = "cancel_order"
	RequestCount Kind = "request_count"
	// AdviseInbound says what is on its way to the site.
	AdviseInbound Kind = "advise_inbound"
)

// KindOf is empty for a command that is no work of these kinds.
func KindOf(cmd *docklinev1.Command) Kind {
	switch {
	case cmd.GetReleaseOrder() != nil:
		return ReleaseOrder
	case cmd.GetCancelOrder() != nil:
		return CancelOrder
	case cmd.GetRequestCount() != nil:
		return RequestCount
	case cmd.GetAdviseInbound() != nil:
		return AdviseInbound
	}
	return ""
}

// HeadFields are those that every row repeats, LineFields those of the row itself.
var (
	HeadFields = map[Kind][]string{
		ReleaseOrder:  {"key", "version", "number", "customer", "customer_name", "customer_reference", "currency", "ordered_at", "promised_at", "ship_to", "reason"},
		CancelOrder:   {"key", "version", "number", "reason"},
		RequestCount:  {"key", "version", "number", "reason"},
		AdviseInbound: {"key", "version", "number", "purchase_order", "supplier", "from_site", "expected_at", "carrier", "trailer", "handling_units", "reason"},
	}
	LineFields = map[Kind][]string{
		ReleaseOrder:  {"order_line", "item", "gtin", "quantity", "unit", "lot", "bin", "description", "unit_price"},
		CancelOrder:   {},
		RequestCount:  {"bin", "item", "gtin", "lot", "unit", "stock_status"},
		AdviseInbound: {"order_line", "item", "gtin", "quantity", "unit", "lot", "description", "handling_unit"},
	}
)

// Work is a command in the terms of a row: the number of the order or count, fields that every row repeats, and those of each row.
type Work struct {
	Number string
	Head   map[string]string
	Rows   []map[string]string
}

// Of puts a command into rows; numbers and times are written as the site's system reads them.
func Of(cmd *docklinev1.Command, number mapping.Number, clock mapping.Clock) Work {
	w := Work{Head: map[string]string{"key": cmd.GetKey(), "version": strconv.FormatUint(cmd.GetVersion(), 10)}}
	var lines []*docklinev1.Line
	switch {
	case cmd.GetReleaseOrder() != nil:
		o := cmd.GetReleaseOrder().GetOrder()
		w.Number, lines = o.GetNumber(), o.GetLines()
		for name, text := range map[string]string{
			"customer": o.GetCustomer(), "customer_name": o.GetCustomerName(), "customer_reference": o.GetCustomerReference(), "currency": o.GetCurrency(),
			"ship_to": strings.Join(o.GetShipTo(), " | "), "reason": o.GetReason(), "ordered_at": "", "promised_at": "",
		} {
			w.Head[name] = text
		}
		if o.GetOrderedAt() != nil {
			w.Head["ordered_at"] = clock.Format(o.GetOrderedAt().AsTime())
		}
		if o.GetPromisedAt() != nil {
			w.Head["promised_at"] = clock.Format(o.GetPromisedAt().AsTime())
		}
	case cmd.GetCancelOrder() != nil:
		w.Number, w.Head["reason"] = cmd.GetCancelOrder().GetNumber(), cmd.GetCancelOrder().GetReason()
		w.Rows = []map[string]string{{}}
	case cmd.GetRequestCount() != nil:
		w.Number, lines, w.Head["reason"] = cmd.GetRequestCount().GetNumber(), cmd.GetRequestCount().GetLines(), cmd.GetRequestCount().GetReason()
	case cmd.GetAdviseInbound() != nil:
		in := cmd.GetAdviseInbound().GetInbound()
		w.Number, lines, w.Head["reason"] = in.GetAdvice(), in.GetLines(), cmd.GetAdviseInbound().GetReason()
		w.Head["purchase_order"], w.Head["supplier"], w.Head["from_site"] = in.GetPurchaseOrder(), in.GetSupplier(), cmd.GetAdviseInbound().GetFromSite()
		w.Head["carrier"], w.Head["trailer"], w.Head["handling_units"] = in.GetCarrier(), in.GetTrailer(), strings.Join(in.GetHandlingUnits(), " ")
		if in.GetExpectedAt() != nil {
			w.Head["expected_at"] = clock.Format(in.GetExpectedAt().AsTime())
		}
	}
	w.Head["number"] = w.Number
	for _, l := range lines {
		w.Rows = append(w.Rows, map[string]string{
			"order_line": l.GetOrderLine(), "item": l.GetItem(), "gtin": l.GetGtin(), "quantity": number.Format(l.GetQuantity().GetValue()),
			"unit": l.GetQuantity().GetUnit(), "lot": l.GetLot(), "bin": l.GetBin(), "description": l.GetDescription(),
			"unit_price": number.Format(l.GetUnitPrice()), "stock_status": l.GetStockStatus(),
			"handling_unit": l.GetHandlingUnit(),
		})
	}
	return w
}
