package state

import (
	"cmp"
	"fmt"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Codes of findings.
const (
	CodeUnknownItem   = "unknown_item"
	CodeUnknownUnit   = "unknown_unit"
	CodeUnknownLine   = "unknown_line"
	CodeBadQuantity   = "bad_quantity"
	CodeChangedRecord = "changed_record"
	CodeChangedEvent  = "changed_event"
	CodeNegativeStock = "negative_stock"
)

const (
	technical = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL
	data      = docklinev1.FaultClass_FAULT_CLASS_DATA
)

func lineFinding(e *docklinev1.Event, code, subject, title, text string) *Finding {
	return &Finding{Class: data, Code: code, Subject: subject, Title: title, Text: text, Site: e.GetSite(), EventIDs: []string{e.GetId()}}
}

func unknownItem(e *docklinev1.Event, line *docklinev1.Line) *Finding {
	code := rawCode(line)
	where := e.GetSite()
	if where == "" {
		where = e.GetSource()
	}
	return lineFinding(e, CodeUnknownItem, where+" "+code, "Unknown item "+code,
		fmt.Sprintf("%s %s from %s names item %q (line %q, quantity %s), which the mapping does not know. Add it to mapping.yaml; the line is left out until then.",
			event.KindName(e.GetKind()), e.GetSubject(), where, code, line.GetOrderLine(), line.GetQuantity().GetValue()))
}

func unknownUnit(e *docklinev1.Event, line *docklinev1.Line, unit string) *Finding {
	code := rawCode(line)
	return lineFinding(e, CodeUnknownUnit, e.GetSite()+" "+code+" "+unit, "Unknown unit "+unit+" of item "+code,
		fmt.Sprintf("%s %s gives item %q in unit %q, which the mapping cannot convert. Add the unit to mapping.yaml; the line is left out until then.",
			event.KindName(e.GetKind()), e.GetSubject(), code, unit))
}

func badQuantity(e *docklinev1.Event, line *docklinev1.Line, err error) *Finding {
	return lineFinding(e, CodeBadQuantity, e.GetId()+" "+line.GetOrderLine(), "Quantity that cannot be read",
		fmt.Sprintf("%s %s, item %q: %v. The line is left out; correct it at its source.", event.KindName(e.GetKind()), e.GetSubject(), rawCode(line), err))
}

func unknownLine(e *docklinev1.Event, line *docklinev1.Line, why string) *Finding {
	return lineFinding(e, CodeUnknownLine, line.GetOrderLine()+" "+rawCode(line), "Line that the order does not have",
		fmt.Sprintf("%s %s: order %s %s (line %q, item %q, quantity %s). Correct the order in the system of record, or the record at its source; the line is left out until then.",
			event.KindName(e.GetKind()), e.GetSubject(), line.GetOrder(), why, line.GetOrderLine(), rawCode(line), line.GetQuantity().GetValue()))
}

// findings gathers findings; those of one code and subject become one that names all their events.
type findings map[[2]string]*Finding

func (f findings) add(found *Finding) {
	key := [2]string{found.Code, found.Subject}
	have := f[key]
	if have == nil {
		f[key] = found
		return
	}
	// The text of the one that sorts first, so that arrival does not matter.
	if found.Text < have.Text {
		have.Text = found.Text
	}
	have.EventIDs = sortedSet(append(have.EventIDs, found.EventIDs...))
}

func (f findings) sorted() []Finding {
	var list []Finding
	for _, found := range f {
		list = append(list, *found)
	}
	slices.SortFunc(list, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject)) })
	return list
}

func sortedSet(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
