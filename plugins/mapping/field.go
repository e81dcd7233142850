package mapping

import (
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/event"
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
	union                  // all that is named in any row
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

	{"original_item", text, perLine, "item that the order names, where another was picked"},
	{"original_quantity", number, perLine, "how much of that item it stands for"},
	{"to_status", text, perLine, "stock status after the change"},
	{"to_lot", text, perLine, "lot after the change"},
	{"to_handling_unit", text, perLine, "handling unit after the change"},
	{"owner", text, perLine, "whose goods they are, where not the operator's own"},
	{"to_owner", text, perLine, "whose goods they are after the change"},
	{"expires_at", moment, perLine, "best-before or expiry date of the lot"},
	{"condition", text, perLine, "what was seen of the goods: good, opened, damaged, wrong_item, expired"},
	{"disposition", text, perLine, "what is done with returned goods: restock, refurbish, quarantine, scrap, to_vendor"},
	{"claim", text, perLine, "claim that damage or loss is followed under"},
	{"expected", number, perLine, "how much was expected (receipts)"},
	{"refused", number, perLine, "how much of the quantity the consignee refused (deliveries)"},
	{"output", flag, perLine, "yes: this row is what came out; no: what went in (kits, repacking)"},

	{"document", text, same, "the record's own number: of a reservation, backorder, adjustment, status change or work order"},
	{"reserved_until", moment, same, "when a reservation ends by itself"},
	{"requester", text, same, "who asks"},
	{"approval", text, same, "who approved a substitution, or the approval's number"},
	{"rule", text, same, "which rule made a backorder"},
	{"dimensions_cm", text, same, "length, width and height of the handling unit in centimetres: 60x40x30"},
	{"children", list, union, "handling units within this one"},
	{"bill_of_lading", text, same, "bill of lading"},
	{"dock", text, same, "dock door"},
	{"trailer", text, same, "trailer"},
	{"seal", text, same, "seal of the trailer"},
	{"scac", text, same, "standard carrier alpha code"},
	{"freight_terms", text, same, "freight terms: prepaid, collect"},
	{"parcels", list, union, "further tracking numbers, one for each parcel"},
	{"shipments", list, union, "shipment numbers that are staged or loaded"},
	{"handling_units", list, union, "handling units where no lines name them"},
	{"to_site", text, same, "site that a transfer goes to"},
	{"did_not_occur", flag, same, "yes: the departure never happened; no: the goods came back"},
	{"shipment_site", text, same, "site of the shipment, where it is another's"},
	{"milestone_code", text, same, "milestone as the carrier codes it: X3, AF, D1"},
	{"milestone", text, same, "what it means: picked_up, departed, arrived, out_for_delivery, delivery_attempted, delivered, returning, returned_to_sender, customs"},
	{"place", text, same, "where it is"},
	{"eta", moment, same, "when it is expected to arrive"},
	{"former_eta", moment, same, "when it was expected before"},
	{"cause", text, same, "why it is late, lost or damaged"},
	{"evidence", list, union, "photographs and papers, by reference"},
	{"signer", text, same, "who signed for it"},
	{"latitude", text, same, "degrees north, decimal with a point"},
	{"longitude", text, same, "degrees east, decimal with a point"},
	{"receipt", text, same, "number of the receipt at this site"},
	{"advice", text, same, "supplier's advance ship notice"},
	{"purchase_order", text, same, "purchase order, where lines do not name it in order"},
	{"supplier", text, same, "supplier number"},
	{"expected_at", moment, same, "when it is expected"},
	{"stage", text, same, "where damage was found: receive, pick, pack, store, load, return"},
	{"ledger_hint", text, same, "account that an adjustment belongs to"},
	{"witness", text, same, "who saw goods destroyed"},
	{"approver", text, same, "who decided on a count"},
	{"decision", text, same, "approve, reject or recount (counts)"},
	{"variance_value", number, same, "value of a count's variance"},
	{"tolerance", number, same, "what may be approved without asking"},
	{"rma", text, same, "number of the return; empty for a blind return"},
}

var fieldsByName = func() map[string]field {
	m := make(map[string]field, len(fields))
	for _, f := range fields {
		m[f.name] = f
	}
	return m
}()

// customPrefix is how columns name custom fields: custom.route.
const customPrefix = "custom."

// fieldNamed finds a field, or makes the custom field of that name.
func fieldNamed(name string) (field, bool) {
	if custom, ok := strings.CutPrefix(name, customPrefix); ok {
		return field{name, text, joined, "custom field"}, event.IsCustomName(custom)
	}
	f, ok := fieldsByName[name]
	return f, ok
}

// FieldNames lists every field that a column can be mapped to, with a phrase on each; for proposals and messages.
func FieldNames() (names []string, about map[string]string) {
	about = make(map[string]string, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
		about[f.name] = f.about
	}
	return names, about
}

// value is one cell, read. text is its canonical form, which the content hash is made of.
type value struct {
	text string
	time time.Time
	list []string
	// there says that the cell was not empty.
	there bool
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
