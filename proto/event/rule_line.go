package event

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// lineRule is what the lines of a kind must have.
type lineRule struct {
	// some: there must be one at least.
	some bool
	// order, bin: each line names them. needs are further fields of each line, "a|b" for one of several.
	order, bin bool
	needs      []string
	// negative allows quantities below zero: a book may hold one and a correction take away, a person cannot see or pick it.
	negative bool
	// itemless allows lines that are about no goods, such as freight on an invoice.
	itemless bool
}

var (
	// goodsLine names goods and how many.
	goodsLine   = lineRule{}
	orderedLine = lineRule{some: true}
	movedLine   = lineRule{some: true, order: true}
	// takenBackLine is movedLine where no line stands for all of them.
	takenBackLine = lineRule{order: true}
	countedLine   = lineRule{some: true, bin: true}
	// bookLine opens a ledger; a book may be empty.
	bookLine = lineRule{bin: true, negative: true}
	// adjustedLine is a difference.
	adjustedLine = lineRule{some: true, bin: true, negative: true}
	billedLine   = lineRule{negative: true, itemless: true}
)

// Conditions are what may be seen of goods on receipt or inspection.
var Conditions = []string{"good", "opened", "damaged", "wrong_item", "expired"}

// Dispositions are what may be done with goods that came back.
var Dispositions = []string{"restock", "refurbish", "quarantine", "scrap", "to_vendor"}

// lineFields says whether a line has a field that a rule may need.
var lineFields = map[string]func(*docklinev1.Line) bool{
	"to_bin":           func(l *docklinev1.Line) bool { return l.GetToBin() != "" },
	"lot":              func(l *docklinev1.Line) bool { return l.GetLot() != "" },
	"reason":           func(l *docklinev1.Line) bool { return l.GetReason() != "" },
	"original_item":    func(l *docklinev1.Line) bool { return l.GetOriginalItem() != "" },
	"to_status":        func(l *docklinev1.Line) bool { return l.GetToStatus() != "" },
	"to_lot":           func(l *docklinev1.Line) bool { return l.GetToLot() != "" },
	"to_handling_unit": func(l *docklinev1.Line) bool { return l.GetToHandlingUnit() != "" },
	"to_owner":         func(l *docklinev1.Line) bool { return l.GetToOwner() != "" },
	"condition":        func(l *docklinev1.Line) bool { return l.GetCondition() != "" },
	"disposition":      func(l *docklinev1.Line) bool { return l.GetDisposition() != "" },
	"expected":         func(l *docklinev1.Line) bool { return l.GetExpected() != nil },
}

func validLines(list string, lines []*docklinev1.Line, rule *lineRule) *Fault {
	if rule.some && len(lines) == 0 {
		if list == "lines" {
			return dataFault("lines_missing", "the event has no lines")
		}
		return dataFault("lines_missing", "the event has no %s", list)
	}
	for i, line := range lines {
		if f := validLine(line, rule); f != nil {
			return at(list, i, f)
		}
	}
	return nil
}

func validLine(l *docklinev1.Line, rule *lineRule) *Fault {
	switch {
	case l.GetItem() == "" && l.GetGtin() == "" && !rule.itemless:
		return dataFault("field_missing", "item: neither item nor gtin is there; map a column to item")
	case rule.order && l.GetOrder() == "":
		return dataFault("field_missing", "order is missing; map a column to it")
	case rule.bin && l.GetBin() == "":
		return dataFault("field_missing", "bin is missing; map a column to it")
	}
	for _, need := range rule.needs {
		if f := lineNeeds(l, need); f != nil {
			return f
		}
	}
	if f := lineCodes(l); f != nil {
		return f
	}
	if f := lineQuantities(l, rule.negative); f != nil {
		return f
	}
	if f := oneOf("condition", l.GetCondition(), Conditions); f != nil {
		return f
	}
	if f := oneOf("disposition", l.GetDisposition(), Dispositions); f != nil {
		return f
	}
	if f := plausible("expires_at", l.GetExpiresAt()); f != nil {
		return f
	}
	return amount("unit_price", l.GetUnitPrice())
}

func lineNeeds(l *docklinev1.Line, need string) *Fault {
	names := strings.Split(need, "|")
	for _, name := range names {
		if lineFields[name](l) {
			return nil
		}
	}
	if len(names) == 1 {
		return dataFault("field_missing", "%s is missing; map a column to it", need)
	}
	return dataFault("field_missing", "none of %s is there; map a column to one of them", strings.Join(names, ", "))
}

// lineCodes is a fault where a code is too long for a key.
func lineCodes(l *docklinev1.Line) *Fault {
	if len(l.GetSerials()) == 0 && codeBytes(l) <= MaxCodeBytes {
		return nil // none of them can be: so it is with nearly every line
	}
	for _, c := range [...]struct{ name, code string }{
		{"order", l.GetOrder()}, {"order_line", l.GetOrderLine()}, {"item", l.GetItem()}, {"gtin", l.GetGtin()}, {"lot", l.GetLot()}, {"handling_unit", l.GetHandlingUnit()},
		{"bin", l.GetBin()}, {"to_bin", l.GetToBin()}, {"stock_status", l.GetStockStatus()}, {"quantity.unit", l.GetQuantity().GetUnit()},
		{"original_item", l.GetOriginalItem()}, {"to_status", l.GetToStatus()}, {"to_lot", l.GetToLot()}, {"to_handling_unit", l.GetToHandlingUnit()},
		{"owner", l.GetOwner()}, {"to_owner", l.GetToOwner()}, {"claim", l.GetClaim()},
	} {
		if f := short(c.name, c.code, MaxCodeBytes); f != nil {
			return f
		}
	}
	for _, serial := range l.GetSerials() {
		if f := short("serials", serial, MaxCodeBytes); f != nil {
			return f
		}
	}
	return nil
}

// codeBytes is how long all codes of a line are together.
func codeBytes(l *docklinev1.Line) int {
	return len(l.GetOrder()) + len(l.GetOrderLine()) + len(l.GetItem()) + len(l.GetGtin()) + len(l.GetLot()) + len(l.GetHandlingUnit()) + len(l.GetBin()) + len(l.GetToBin()) +
		len(l.GetStockStatus()) + len(l.GetQuantity().GetUnit()) + len(l.GetOriginalItem()) + len(l.GetToStatus()) + len(l.GetToLot()) + len(l.GetToHandlingUnit()) +
		len(l.GetOwner()) + len(l.GetToOwner()) + len(l.GetClaim())
}

func lineQuantities(l *docklinev1.Line, negative bool) *Fault {
	if f := validQuantity("quantity", l.GetQuantity(), negative); f != nil {
		return f
	}
	for _, q := range [...]struct {
		name     string
		quantity *docklinev1.Quantity
	}{{"ordered", l.GetOrdered()}, {"original_quantity", l.GetOriginalQuantity()}, {"expected", l.GetExpected()}, {"refused", l.GetRefused()}} {
		if q.quantity == nil {
			continue
		}
		if f := validQuantity(q.name, q.quantity, negative); f != nil {
			return f
		}
	}
	return nil
}

func validQuantity(name string, q *docklinev1.Quantity, negative bool) *Fault {
	millionths, err := ParseQuantity(q.GetValue())
	switch {
	case err != nil:
		return dataFault("quantity_format", "%s: %v", name, err)
	case millionths < 0 && !negative:
		return dataFault("quantity_negative", "%s is %s; what is ordered, moved or counted cannot be below zero, a correction needs a record of its own kind", name, q.GetValue())
	case millionths > MaxQuantity*Scale || millionths < -MaxQuantity*Scale:
		return dataFault("quantity_too_large", "%s is %s, more than any dock moves; check whether an article number stands in its column", name, q.GetValue())
	}
	return nil
}
