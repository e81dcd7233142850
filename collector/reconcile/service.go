package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// inPreparation is what a customer is told while the warehouse picks and packs.
const inPreparation = "in_preparation"

// customerStatus is what a customer is told, by the order's own status. What is not listed is accepted.
var customerStatus = map[string]string{
	state.Released:           "released",
	state.Backordered:        "backordered",
	state.Allocated:          "allocated",
	state.Picking:            inPreparation,
	state.PartiallyPacked:    inPreparation,
	state.Packed:             inPreparation,
	state.PartiallyShipped:   "partly_shipped",
	state.Shipped:            "shipped",
	state.PartiallyDelivered: "shipped",
	state.Delivered:          "shipped",
	state.Closed:             "invoiced",
	state.Cancelled:          "cancelled",
	state.Rejected:           "cancelled",
}

// orderStatus restates the order for customer service.
func (v *view) orderStatus(fold *state.OrderFold) {
	s := fold.State
	status, ok := customerStatus[s.GetStatus()]
	if !ok {
		status = "accepted"
	}
	if s.GetStatus() == state.Held && slices.ContainsFunc(s.GetLines(), func(l *docklinev1.OrderLineState) bool { return l.GetOut() > 0 }) {
		status = customerStatus[state.PartiallyShipped]
	}
	told := &docklinev1.OrderStatus{Order: s.GetNumber(), Customer: s.GetCustomer(), CustomerReference: s.GetCustomerReference(), Status: status}
	for _, line := range s.GetLines() {
		told.Lines = append(told.Lines, &docklinev1.OrderStatusLine{OrderLine: line.GetOrderLine(), Item: strings.TrimPrefix(line.GetItem(), state.UnmappedPrefix),
			Ordered: event.FormatQuantity(askedFor(fold, line)), Shipped: event.FormatQuantity(line.GetOut())})
	}
	for _, shipment := range s.GetShipments() {
		if slices.Contains(s.GetVoidedShipments(), shipment.GetNumber()) {
			continue
		}
		if shipment.GetTracking() != "" {
			told.Tracking = append(told.Tracking, shipment.GetTracking())
		}
	}
	for _, invoice := range s.GetInvoices() {
		told.Invoices = append(told.Invoices, invoice.GetNumber())
	}
	document := &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: told}}
	routes := v.targets(connector.OrderStatus, s.GetSite(), s, document, v.policy)
	for _, target := range sortedNames(routes) {
		// No event feeds it: what ails the CRM is not for the site to see.
		v.want(posting.Desired{Target: target, Kind: connector.OrderStatus, Key: naturalKey(s.GetNumber()), Site: s.GetSite(), CorrelationID: s.GetCorrelationId(),
			Document: document, Style: routes[target]})
	}
}

// causeShort is the cause of a case in the CRM, and the code of the exception beside it.
const causeShort = "short_pick"

// shorts opens a case for operations, and one that customer service sees, for each line that is short; both close when it no
// longer is.
func (v *view) shorts(fold *state.OrderFold) {
	s := fold.State
	for _, short := range fold.Shorts {
		line := s.GetLines()[short.Line]
		missing := event.FormatQuantity(short.Open)
		if short.Open > 0 {
			reason := ""
			if short.Reason != "" {
				reason = " (" + short.Reason + ")"
			}
			v.raise(exception.Desired{Code: causeShort, Class: process, Subject: "line " + line.GetOrderLine(), Site: short.Site, Order: s.GetNumber(), Customer: s.GetCustomer(),
				Value: worth(short.Open, line.GetUnitPrice()), EventIDs: short.EventIDs, Title: fmt.Sprintf("Short pick: %s of item %s for order %s", missing, line.GetItem(), s.GetNumber()),
				Text: fmt.Sprintf("Site %s did not find %s of the %s of item %s that line %s of order %s asks for%s. Operations: find the goods and pick them, or reduce the order. Customer service: tell %s (%s) that these will come later or not at all. It closes by itself when the line is picked, shipped or reduced.",
					short.Site, missing, event.FormatQuantity(line.GetOrdered()), line.GetItem(), line.GetOrderLine(), s.GetNumber(), reason, customerName(s), s.GetCustomerReference())})
		}
		v.shortCase(fold, short, line, missing)
	}
}

// shortCase restates a line's case for customer service, in words that a customer may hear: where and why it was not found is for operations. One that is covered already when it is first folded is told as well, closed: what a
// target is told follows from the facts and not from how they arrived, and a database that was put back closes what was opened in the time that it lost.
func (v *view) shortCase(fold *state.OrderFold, short state.Short, line *docklinev1.OrderLineState, missing string) {
	s := fold.State
	item := strings.TrimPrefix(line.GetItem(), state.UnmappedPrefix)
	text := fmt.Sprintf("%s of item %s could not be picked and will come later or not at all.", missing, item)
	if short.Open == 0 {
		text = fmt.Sprintf("Item %s is no longer short.", item)
	}
	document := &docklinev1.Document{Document: &docklinev1.Document_ServiceCase{ServiceCase: &docklinev1.ServiceCase{Order: s.GetNumber(), Customer: s.GetCustomer(),
		OrderLine: line.GetOrderLine(), Item: item, Cause: causeShort, Missing: missing, Text: text, Closed: short.Open == 0}}}
	routes := v.targets(connector.ServiceCase, short.Site, s, document, v.policy)
	for _, target := range sortedNames(routes) {
		v.want(posting.Desired{Target: target, Kind: connector.ServiceCase, Key: naturalKey(s.GetNumber(), line.GetOrderLine(), causeShort), Site: short.Site,
			CorrelationID: s.GetCorrelationId(), Document: document, Style: routes[target]})
	}
}

func customerName(s *docklinev1.OrderState) string {
	if s.GetCustomerName() != "" {
		return s.GetCustomerName()
	}
	return s.GetCustomer()
}
