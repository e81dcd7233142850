package event

import (
	"fmt"
	"net/url"
	"strings"
)

// The kinds of fold keys.
const (
	kindOrder    = "order"
	kindShipment = "shipment"
	kindCount    = "count"
	kindStock    = "stock"
	// kindSubmission is what an order is called before a system of record has given it a number.
	kindSubmission = "submission"
	kindReturn     = "return"
	// kindBlindReturn is goods that came back without a number of the system of record, by the site's own receipt.
	kindBlindReturn = "blind_return"
	// kindInbound is what a supplier sends, by purchase order, else by advice, else by the site's own receipt.
	kindInbound = "inbound"
	// kindReference is a name by which the world calls something of ours: a tracking number, an SSCC, an invoice.
	kindReference = "reference"
)

// Types of references.
const (
	ReferenceOrder         = "order"
	ReferenceCustomer      = "customer_reference"
	ReferenceShipment      = "shipment"
	ReferenceTracking      = "tracking"
	ReferenceUnit          = "unit" // an SSCC, or a site's own licence plate
	ReferenceBillOfLading  = "bill_of_lading"
	ReferenceInvoice       = "invoice"
	ReferenceCreditMemo    = "credit_memo"
	ReferenceReturn        = "return"
	ReferencePurchaseOrder = "purchase_order"
	ReferenceAdvice        = "advice"
	ReferenceQuote         = "quote"
	// Names that only serve to find: nothing is told of them alone.
	ReferenceTrailer = "trailer"
	ReferenceSeal    = "seal"
	ReferenceClaim   = "claim"
	ReferenceReceipt = "receipt"
)

// keyParts is how many parts the key of a kind has.
var keyParts = map[string]int{kindOrder: 1, kindShipment: 2, kindCount: 2, kindStock: 5, kindSubmission: 1, kindReturn: 1, kindBlindReturn: 2,
	kindInbound: 2, kindReference: 2}

// Available is the stock status of a line that names none.
const Available = "available"

// Key joins a kind of fold key and its parts, each path-escaped: "shipment/dc-east/S%2F7".
func Key(kind string, parts ...string) string {
	var b strings.Builder
	b.WriteString(kind)
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(part))
	}
	return b.String()
}

// OrderKey is the fold key of an order: "order/SO00017".
func OrderKey(number string) string { return Key(kindOrder, number) }

// SubmissionKey is the fold key of a submitted order, by the number that its source gave it: "submission/536365".
func SubmissionKey(number string) string { return Key(kindSubmission, number) }

// ShipmentKey is the fold key of a shipment, whose number is the site's own.
func ShipmentKey(site, number string) string { return Key(kindShipment, site, number) }

// CountKey is the fold key of a count, whose number is the site's own.
func CountKey(site, number string) string { return Key(kindCount, site, number) }

// ReturnKey is the fold key of a return that a system of record has given a number: "return/RMA-7".
func ReturnKey(number string) string { return Key(kindReturn, number) }

// BlindReturnKey is the fold key of goods that came back unannounced.
func BlindReturnKey(site, receipt string) string { return Key(kindBlindReturn, site, receipt) }

// InboundKey is the fold key of what a supplier sends to a site.
func InboundKey(site, reference string) string { return Key(kindInbound, site, reference) }

// ReferenceKey is the key of a name of that type: "reference/tracking/1Z999".
func ReferenceKey(kind, value string) string { return Key(kindReference, kind, value) }

// StockKey is the fold key of one stock bucket of the site's own goods. An empty status is Available, an empty bin one that is not known.
func StockKey(site, bin, item, lot, status string) string {
	return OwnedStockKey(site, bin, item, lot, status, "")
}

// OwnedStockKey is StockKey for goods that may be another's; those of the site's own operator have no owner.
func OwnedStockKey(site, bin, item, lot, status, owner string) string {
	if status == "" {
		status = Available
	}
	if owner == "" {
		return Key(kindStock, site, bin, item, lot, status)
	}
	return Key(kindStock, site, bin, item, lot, status, owner)
}

// ParseKey takes a fold key apart. It refuses one that Key would write differently, so that a case has one key only, and one
// of a known kind with a wrong number of parts.
func ParseKey(key string) (kind string, parts []string, err error) {
	segments := strings.Split(key, "/")
	kind = segments[0]
	if kind == "" || len(segments) < 2 || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "", nil, fmt.Errorf("key %q: not of the form kind/part", key)
	}
	for _, segment := range segments[1:] {
		part, err := url.PathUnescape(segment)
		if err != nil {
			return "", nil, fmt.Errorf("key %q: %w", key, err)
		}
		parts = append(parts, part)
	}
	owned := kind == kindStock && len(parts) == keyParts[kind]+1 && parts[len(parts)-1] != ""
	if want, known := keyParts[kind]; known && want != len(parts) && !owned {
		return "", nil, fmt.Errorf("key %q: %d parts, a key of %s has %d", key, len(parts), kind, want)
	}
	if Key(kind, parts...) != key {
		return "", nil, fmt.Errorf("key %q: not in its canonical form %q", key, Key(kind, parts...))
	}
	return kind, parts, nil
}
