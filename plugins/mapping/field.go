package mapping

import (
	"slices"
	"strconv"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// valueType is how a cell of a field is read, and what CEL sees of it.
type valueType int

const (
	text   valueType = iota // as it stands, without blanks around it
	number                  // a decimal number
	moment                  // a date or time
	whole                   // a whole number from 0
	flag                    // yes or no
	list                    // several texts
)

// merging says what a group does with a field of the event as a whole where its rows differ.
type merging int

const (
	perLine merging = iota // belongs to the line: every row has its own
	same                   // must be the same in all rows
	joined                 // different ones are named one behind the other
	latest                 // the greatest counts
)

// field is something that a column can be mapped to.
type field struct {
	name  string
	typ   valueType
	merge merging
	// about is shown to the person who configures.
	about string
}

var fields = []field{
	{"occurred_at", moment, latest, "when it happened"},
	{"movement", whole, latest, "the source's own growing number of the stock movement"},
	{"actor", text, joined, "who did it"},
	{"device", text, joined, "with which device"},
	{"urgent", flag, latest, "yes: goes ahead of everything"},
	{"order", text, perLine, "order number as the system of record has it"},
	{"order_line", text, perLine, "line of that order"},
	{"item", text, perLine, "item number"},
	{"gtin", text, perLine, "GTIN (EAN) of the item"},
	{"quantity", number, perLine, "how much was picked, packed, shipped, counted or ordered"},
	{"unit", text, perLine, "unit of the quantity"},
	{"ordered", number, perLine, "how much the task asked for"},
	{"short", number, perLine, "how much was missing; ordered is quantity and short where it has no column"},
	{"lot", text, perLine, "lot or batch"},
	{"serials", list, perLine, "serial numbers, separated by blank, comma, semicolon or |"},
	{"handling_unit", text, perLine, "SSCC or the site's own LPN"},
	{"bin", text, perLine, "storage place; for a pick the one it came from"},
	{"to_bin", text, perLine, "storage place it went to"},
	{"stock_status", text, perLine, "stock status, empty is available"},
	{"reason", text, perLine, "reason"},
	{"unit_price", number, perLine, "price of one unit (orders)"},
	{"description", text, perLine, "description (orders)"},
	{"task", text, same, "number of the pick task"},
	{"weight_kg", number, same, "gross weight of the handling unit in kilograms"},
	{"shipment", text, same, "shipment number"},
	{"carrier", text, same, "carrier"},
	{"service", text, same, "carrier's service"},
	{"tracking", text, joined, "tracking number"},
	{"carrier_cutoff", moment, same, "when the carrier leaves"},
	{"count", text, same, "number of the count"},
	{"recount", whole, same, "0 for the first count, 1 for its recount"},
	{"blind", flag, same, "yes: the counter did not see the expected quantity"},
	{"customer", text, same, "customer number (orders)"},
	{"customer_name", text, same, "customer name (orders)"},
	{"customer_reference", text, same, "the customer's own order number (orders)"},
	{"currency", text, same, "currency (orders)"},
	{"ordered_at", moment, same, "when it was ordered (orders)"},
	{"promised_at", moment, same, "promised date (orders)"},
	{"ship_to", text, same, "ship-to address, lines separated by | (orders)"},
}

var fieldsByName = func() map[string]field {
	m := make(map[string]field, len(fields))
	for _, f := range fields {
		m[f.name] = f
	}
	return m
}()

// FieldNames lists every field that a column can be mapped to, with a phrase on each; for proposals and messages.
func FieldNames() (names []string, about map[string]string) {
	about = make(map[string]string, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
		about[f.name] = f.about
	}
	return names, about
}

// needs says what a record of a kind must have. Each entry is one field, or several of which one is enough.
var needs = map[docklinev1.EventKind][]string{
	docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED:    {"occurred_at", "order", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_PICK_SHORT:        {"occurred_at", "order", "item|gtin", "quantity", "ordered|short"},
	docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED:    {"occurred_at", "order", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED: {"occurred_at", "shipment", "order", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_COUNT_OBSERVED:    {"occurred_at", "count", "bin", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_ORDER_SUBMITTED:   {"occurred_at|ordered_at", "order", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED:    {"occurred_at|ordered_at", "order", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:     {"occurred_at|ordered_at", "order", "item|gtin", "quantity"},
	docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:   {"occurred_at", "order"},
}

// Kinds are those that a mapping can give, in order of their number.
func Kinds() []docklinev1.EventKind {
	kinds := make([]docklinev1.EventKind, 0, len(needs))
	for k := range needs {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return kinds
}

// value is one cell, read. text is its canonical form, which the content hash is made of.
type value struct {
	text string
	time time.Time
	list []string
}

func (v value) whole() uint64 {
	n, _ := strconv.ParseUint(v.text, 10, 64)
	return n
}

func (v value) float() float64 {
	n, _ := strconv.ParseFloat(v.text, 64)
	return n
}

func (v value) flag() bool { return v.text == "true" }

var flagWords = map[string]string{
	"1": "true", "true": "true", "yes": "true", "y": "true", "x": "true", "j": "true", "ja": "true", "o": "true", "oui": "true",
	"0": "false", "false": "false", "no": "false", "n": "false", "nein": "false", "nee": "false", "non": "false",
}

func splitList(cell string) []string {
	return strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(" ,;|\t\n", r) })
}
