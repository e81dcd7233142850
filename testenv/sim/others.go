package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/eventtest"
)

// own are the kinds that nobody makes up: what they say the machinery itself must have said.
var own = []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, docklinev1.EventKind_EVENT_KIND_STREAM_GAP, docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED,
	docklinev1.EventKind_EVENT_KIND_POLICY_ACTIVATED, docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED}

// central are the kinds that the ERP tells of on a wild day.
var central = []docklinev1.EventKind{docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED, docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED,
	docklinev1.EventKind_EVENT_KIND_ORDER_HELD, docklinev1.EventKind_EVENT_KIND_ORDER_HOLD_RELEASED, docklinev1.EventKind_EVENT_KIND_INVOICE_POSTED, docklinev1.EventKind_EVENT_KIND_INVOICE_VOIDED,
	docklinev1.EventKind_EVENT_KIND_CREDIT_MEMO_POSTED, docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, docklinev1.EventKind_EVENT_KIND_RETURN_DENIED, docklinev1.EventKind_EVENT_KIND_QUOTE_APPROVED}

// wildly has something told that may or may not be so: any kind, about goods of this day or of none, at any time before or after what it
// belongs to, from whoever likes to say so.
func (w *world) wildly() {
	if w.r.IntN(4) == 0 {
		if e := w.anything(central); e != nil {
			w.trace.add(w.now, "erp: says %s %s", event.KindName(e.Kind), e.SourceKey)
			w.erp.Happen(e)
		}
		return
	}
	s := w.sites[w.r.IntN(len(w.sites))]
	if e := w.anything(slices.DeleteFunc(eventtest.Kinds(), func(k docklinev1.EventKind) bool { return slices.Contains(own, k) })); e != nil {
		w.trace.add(w.now, "%s: says %s %s", s.name, event.KindName(e.Kind), e.SourceKey)
		s.note(1, e)
	}
}

// anything is the sample of one of the kinds, about this day's goods; nil where what came out cannot be said.
func (w *world) anything(kinds []docklinev1.EventKind) *docklinev1.Event {
	kind := kinds[w.r.IntN(len(kinds))]
	e := eventtest.Sample(kind)
	w.replace(e.ProtoReflect(), w.names())
	e = &docklinev1.Event{Kind: kind, Subject: e.Subject, Payload: e.Payload, SourceKey: fmt.Sprintf("%s/%d", event.KindName(kind), w.r.IntN(4)), SourceRevision: fmt.Sprint(1 + w.r.IntN(3)),
		OccurredAt: timestamppb.New(w.now.Add(time.Duration(w.r.IntN(3600)-1800) * time.Second))}
	if d := e.GetErrorDeclaration(); d != nil {
		d.EventId, d.CorrectiveEventIds = w.someEvent(), nil
	}
	whole := proto.CloneOf(e)
	whole.Tenant, whole.Site, whole.Source, whole.Id, whole.CapturedAt = tenant, w.sites[0].name, "scan", "id", timestamppb.New(w.now)
	if event.Validate(whole) != nil {
		return nil
	}
	return e
}

// someEvent is the id of an event that a site has told, or of none.
func (w *world) someEvent() string {
	s := w.sites[w.r.IntN(len(w.sites))]
	ids := slices.Sorted(maps.Keys(s.accepted))
	if len(ids) == 0 || w.r.IntN(8) == 0 {
		return event.ID(event.Cause{Tenant: tenant, SourceKey: "of none"})
	}
	return ids[w.r.IntN(len(ids))]
}

// names are what may stand for the names in the samples.
func (w *world) names() map[string][]string {
	few := func(format string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(format, i+1))
		}
		return list
	}
	sites, orders, shipments, tracked, units, invoices := []string{}, []string{"SO9999"}, few("SH-%d", 2), few("1ZX%d", 2), few("LPN-X%d", 2), few("INV-%d", 2)
	for _, s := range w.sites {
		sites = append(sites, s.name)
		for _, m := range s.truth {
			switch m.Kind {
			case day.Ship:
				shipments, tracked, invoices = append(shipments, m.ID), append(tracked, m.Tracking), append(invoices, "INV-"+m.ID)
			case day.Pack:
				units = append(units, m.ID)
			}
		}
	}
	for _, o := range w.office.orders {
		orders = append(orders, o.Number)
	}
	line := eventtest.Line()
	return map[string][]string{"SO00017": orders, "SH-1": shipments, "1Z999AA10123456784": tracked, "1Z999AA10123456793": tracked, "1Z999AA10123456800": append(few("1ZR%d", 2), tracked...),
		line.HandlingUnit: units, line.ToHandlingUnit: units, "034012345000000033": units, "RMA-7": few("RMA-%d", 3), "RC-3": few("RC-%d", 2), "INV-1": invoices, "CM-4": few("CM-%d", 3),
		"dc-east": sites, "dc-west": sites, line.Item: append([]string{"SKU-XX"}, items...), line.OriginalItem: items, line.Bin: {"A-01", "X-01", "X-02"}, line.ToBin: {"A-01", "X-01", "X-02"},
		line.OrderLine: few("%d0", 3), "12.5": few("%d", 5), "20": few("%d", 6), "PO 4711": few("PO-%d", 4), "PO00031": few("PUR-%d", 2), "ASN-12": few("ASN-%d", 3), "GR-6": few("GR-%d", 3),
		"BOL-77": few("BOL-%d", 2), "CC-1": few("CC-%d", 2), line.Lot: {"", "L1"}, line.ToLot: {"", "L2"}, line.StockStatus: {"", "", "damaged"}, line.ToStatus: {"damaged", "available"},
		"Q-9": few("Q-%d", 2), line.Owner: {""}, line.Gtin: {""}}
}

// replace puts other names in the place of those of the samples, everywhere in a message.
func (w *world) replace(m protoreflect.Message, names map[string][]string) {
	other := func(v protoreflect.Value) (protoreflect.Value, bool) {
		list := names[v.String()]
		if len(list) == 0 {
			return v, false
		}
		return protoreflect.ValueOfString(list[w.r.IntN(len(list))]), true
	}
	fields := m.Descriptor().Fields() // in their order, not in that of a map
	for i := range fields.Len() {
		d := fields.Get(i)
		if !m.Has(d) {
			continue
		}
		switch {
		case d.IsList() && d.Kind() == protoreflect.MessageKind:
			for n := range m.Get(d).List().Len() {
				w.replace(m.Get(d).List().Get(n).Message(), names)
			}
		case d.IsList() && d.Kind() == protoreflect.StringKind:
			for n := range m.Get(d).List().Len() {
				if v, ok := other(m.Get(d).List().Get(n)); ok {
					m.Get(d).List().Set(n, v)
				}
			}
		case d.Kind() == protoreflect.MessageKind:
			w.replace(m.Mutable(d).Message(), names)
		case d.Kind() == protoreflect.StringKind:
			if v, ok := other(m.Get(d)); ok {
				m.Set(d, v)
			}
		}
	}
}
