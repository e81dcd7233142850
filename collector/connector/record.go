package connector

import (
	"context"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Kinds of records that a system keeps and that no posting makes: a sweep compares them with what Dockline, or the system that owns them, holds.
const (
	// OrderRecord is a sales order: Number and Order are its number, Lines what it asks for, Fields among others "status" ("in force" or "cancelled"),
	// "customer", "currency", "price_list" and what PriceOf names.
	OrderRecord Kind = "order"
	// CustomerRecord is a customer: Number is its code, Fields are named as in ownership.yaml, without "customer.": "credit_limit", "price_list".
	CustomerRecord Kind = "customer"
)

// PriceOf names the field that has the price of an order's line.
func PriceOf(orderLine string) string { return "price of line " + orderLine }

// RecordLister is the part of the contract of a system that lists records.
type RecordLister interface {
	// Records are the kinds that it lists.
	Records() []Kind
	// ListRecords returns one page, under the rules of Lister.List. An error is a *Fault.
	ListRecords(ctx context.Context, l Listing) (ListedPage, error)
}

// Records are the kinds of records that a connector lists, none where it does not.
func Records(c Connector) []Kind {
	if l, ok := c.(RecordLister); ok {
		return l.Records()
	}
	return nil
}

// Records are those of the connector behind the account.
func (g *governed) Records() []Kind { return Records(g.Connector) }

// ListRecords is governed.
func (g *governed) ListRecords(ctx context.Context, l Listing) (page ListedPage, err error) {
	lister, ok := g.Connector.(RecordLister)
	if !ok {
		return page, &Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_not_described", Text: g.account.Name + " lists no records"}
	}
	err = g.read(ctx, ListCall, func(ctx context.Context) (err error) {
		page, err = lister.ListRecords(ctx, l)
		return err
	})
	return page, err
}
