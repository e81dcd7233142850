package state

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ofStock is the keys of what moves or reserves stock within a site.
func (t *touches) ofStock(m Mapping) {
	site := t.event.GetSite()
	switch p := t.event.GetPayload().(type) {
	case *docklinev1.Event_Allocation:
		t.lines(p.Allocation.GetLines(), orderKeyOf)
		t.lines(p.Allocation.GetLines(), stockKeyOf(t.event, site, m))
	case *docklinev1.Event_StockMove:
		t.moved(p.StockMove.GetLines(), m)
	case *docklinev1.Event_StockStatusChange:
		t.lines(p.StockStatusChange.GetLines(), orderKeyOf)
		t.whole(shipmentOrName(site, p.StockStatusChange.GetShipment()))
		t.moved(p.StockStatusChange.GetLines(), m)
	case *docklinev1.Event_Adjustment:
		if p.Adjustment.GetCount() != "" {
			t.whole(event.CountKey(site, p.Adjustment.GetCount()))
		}
		t.lines(p.Adjustment.GetLines(), stockKeyOf(t.event, site, m))
	case *docklinev1.Event_Transformation:
		t.transformed(p.Transformation, m)
	case *docklinev1.Event_CountApproval:
		t.whole(event.CountKey(site, p.CountApproval.GetNumber()))
	}
}

// moved gives the event to the buckets that lines leave and to those that they come to.
func (t *touches) moved(lines []*docklinev1.Line, m Mapping) {
	from, to := stockKeyOf(t.event, t.event.GetSite(), m), stockKeyTo(t.event, m)
	left, keys := grouped(lines, from)
	came, arrived := grouped(lines, func(line *docklinev1.Line) string {
		if from(line) == to(line) {
			return ""
		}
		return to(line)
	})
	for _, key := range append(keys, arrived...) {
		t.part(key, event.WithLines(t.event, append(slices.Clip(left[key]), came[key]...)))
	}
}

// stockKeyTo finds the bucket that a line comes to.
func stockKeyTo(e *docklinev1.Event, m Mapping) func(*docklinev1.Line) string {
	return func(line *docklinev1.Line) string {
		bin := cmp.Or(line.GetToBin(), line.GetBin())
		if bin == "" {
			return ""
		}
		return event.StockKey(e.GetSite(), bin, stockItem(m, e.GetSite(), line), cmp.Or(line.GetToLot(), line.GetLot()), cmp.Or(line.GetToStatus(), line.GetStockStatus()))
	}
}

// transformed gives the event to the buckets that lose what went in and to those that get what came out, each with what concerns it.
func (t *touches) transformed(p *docklinev1.Transformation, m Mapping) {
	in, keys := grouped(p.GetLines(), stockKeyOf(t.event, t.event.GetSite(), m))
	out, made := grouped(p.GetOutputs(), stockKeyTo(t.event, m))
	for _, key := range append(keys, made...) {
		part := event.WithLines(t.event, in[key])
		part.GetTransformation().Outputs = out[key]
		t.part(key, part)
	}
}

// grouped is lines by key, and the keys in the order of their first line; a line without a key is left out.
func grouped(lines []*docklinev1.Line, keyOf func(*docklinev1.Line) string) (groups map[string][]*docklinev1.Line, keys []string) {
	groups = make(map[string][]*docklinev1.Line)
	for _, line := range lines {
		key := keyOf(line)
		if key == "" {
			continue
		}
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], line)
	}
	return groups, keys
}
