package epcis_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/event/eventtest"
)

// lost are the kinds that the standard fields alone cannot tell apart or not tell whole, and what they are read as. All others come back as
// their own kind.
var lost = map[string]string{
	"pick.short":            "refused: epcis_short", // how much was asked for has no field
	"pick.substituted":      "pick.confirmed",
	"shipment.over_shipped": "refused: epcis_step", // it has no step of its own
	"transport.delayed":     "transport.milestone",
	"stock.damaged":         "stock.status_changed",
	"lot.relabelled":        "stock.repacked",
}

// told to a stranger, who knows nothing of Dockline: one line that names one order, as most do.
func plainly(e *docklinev1.Event) *docklinev1.Event {
	e = proto.CloneOf(e)
	if in := e.GetInbound(); in != nil {
		for _, l := range in.GetLines() {
			l.Order = in.GetPurchaseOrder()
		}
	}
	return e
}

// Without what is our own, the standard fields still tell a stranger what happened, where, to how much of what, and under which papers.
func TestTheStandardFieldsAloneTellMost(t *testing.T) {
	for _, sample := range told() {
		e := plainly(sample)
		kind := event.KindName(e.GetKind())
		t.Run(kind, func(t *testing.T) {
			x := exporter(numbered)
			x.Plain = true
			made, _ := x.Events(e)
			for _, o := range made {
				for _, name := range o.Names() {
					if name == "own:event" {
						t.Fatal("a plain document has Dockline's own part")
					}
				}
			}
			back := take(t, numbered, document(t, made...))
			want := kind
			if as, ok := lost[kind]; ok {
				want = as
			}
			got := event.KindName(back[0].GetKind())
			if letter := back[0].GetDeadLetter(); letter != nil {
				got = "refused: " + letter.GetCode()
			}
			if got != want {
				t.Fatalf("read as %s, want %s\n%v", got, want, back[0])
			}
			if strings.HasPrefix(want, "refused") {
				return
			}
			if back[0].GetSite() != e.GetSite() && !strings.HasPrefix(kind, "transport.") && kind != "delivery.proved" {
				t.Errorf("at site %q", back[0].GetSite())
			}
			if !proto.Equal(back[0].GetOccurredAt(), e.GetOccurredAt()) {
				t.Errorf("at %v", back[0].GetOccurredAt())
			}
			golden := keep(t, e, back[0])
			if len(golden) > 0 {
				t.Errorf("lost: %s\n%v\nof\n%v", strings.Join(golden, ", "), back[0], e)
			}
		})
	}
}

// carried are the fields of a payload and of its lines that the standard has words for, by kind where they differ.
var carried = map[string]string{
	"inventory.allocated": "number lines.order lines.gtin lines.lot lines.serials lines.bin", "inventory.deallocated": "number lines.order lines.gtin lines.bin",
	"pick.confirmed": "task lines.order lines.gtin lines.lot lines.serials lines.bin lines.to_bin", "pick.substituted": "task lines.order lines.gtin",
	"pack.confirmed": "handling_unit children lines.order lines.gtin lines.lot", "pack.reopened": "handling_unit children lines.order lines.gtin lines.lot",
	"load.staged": "shipments handling_units lines.order lines.gtin lines.handling_unit", "load.loaded": "trailer shipments handling_units lines.gtin", "trailer.sealed": "shipments handling_units",
	"shipment.departed":   "number tracking parcels bill_of_lading handling_units to_site lines.order lines.gtin lines.lot lines.serials lines.handling_unit",
	"shipment.voided":     "number lines.order lines.gtin",
	"transport.milestone": "shipment tracking bill_of_lading handling_units place lines.gtin", "transport.delayed": "shipment tracking bill_of_lading handling_units place",
	"transport.refused": "shipment tracking handling_units place", "transport.lost": "shipment tracking handling_units place", "transport.damaged": "shipment tracking handling_units place",
	"delivery.proved":  "shipment tracking bill_of_lading handling_units latitude longitude lines.gtin",
	"inbound.advised":  "advice purchase_order supplier handling_units lines.order lines.gtin lines.lot lines.handling_unit",
	"receipt.arrived":  "number advice purchase_order supplier handling_units lines.order lines.gtin lines.lot lines.to_bin",
	"receipt.received": "number advice purchase_order supplier handling_units lines.order lines.gtin lines.lot lines.to_bin", "receipt.discrepancy": "number advice purchase_order lines.gtin",
	"putaway.confirmed": "task lines.gtin lines.lot lines.bin lines.to_bin lines.handling_unit", "stock.moved": "task lines.gtin lines.lot lines.bin lines.to_bin lines.handling_unit",
	"stock.status_changed": "number lines.gtin lines.bin lines.to_status", "stock.damaged": "number lines.gtin lines.bin",
	"stock.adjusted": "number count lines.gtin lines.bin", "stock.scrapped": "number count lines.gtin lines.lot lines.bin",
	"count.observed": "number lines.gtin lines.lot lines.bin", "count.approved": "number",
	"lot.relabelled": "number lines.gtin outputs.gtin", "kit.built": "number lines.gtin outputs.gtin", "stock.repacked": "number lines.gtin outputs.gtin",
	"return.received":  "number receipt order customer lines.order lines.gtin lines.lot",
	"return.inspected": "number receipt order lines.gtin lines.condition", "return.disposed": "number receipt order lines.gtin lines.disposition",
}

// keep names the fields of the table that did not come back.
func keep(t *testing.T, want, got *docklinev1.Event) (lost []string) {
	t.Helper()
	fields, ok := carried[event.KindName(want.GetKind())]
	if !ok {
		t.Fatalf("the table does not say what %s carries", event.KindName(want.GetKind()))
	}
	a, b := event.Payload(want).ProtoReflect(), event.Payload(got).ProtoReflect()
	for _, name := range strings.Fields(fields) {
		list, field, ofLines := strings.Cut(name, ".")
		if !ofLines {
			if w, g := valueOf(a, list), valueOf(b, list); w != g || w == "" {
				lost = append(lost, fmt.Sprintf("%s (%q is %q)", name, w, g))
			}
			continue
		}
		// A line may come back as several: its pieces, and what is left.
		w := a.Get(a.Descriptor().Fields().ByName(protoreflect.Name(list))).List()
		g := b.Get(b.Descriptor().Fields().ByName(protoreflect.Name(list))).List()
		found := false
		for i := range g.Len() {
			found = found || g.Len() > 0 && valueOf(w.Get(0).Message(), field) == valueOf(g.Get(i).Message(), field)
		}
		if !found || valueOf(w.Get(0).Message(), field) == "" {
			lost = append(lost, fmt.Sprintf("%s (%q)", name, valueOf(w.Get(0).Message(), field)))
		}
	}
	return lost
}

func valueOf(m protoreflect.Message, name string) string {
	field := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil || !m.Has(field) {
		return ""
	}
	if !field.IsList() {
		return m.Get(field).String()
	}
	var values []string
	for i := range m.Get(field).List().Len() {
		values = append(values, m.Get(field).List().Get(i).String())
	}
	return strings.Join(values, " ")
}

// The quantities of pieces with and without serial numbers add up to what moved.
func TestQuantitiesAddUp(t *testing.T) {
	e := plainly(eventtest.Sample(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED))
	x := exporter(plainTenant)
	x.Plain = true
	made, _ := x.Events(e)
	sum := int64(0)
	for _, l := range event.Lines(take(t, plainTenant, document(t, made...))[0]) {
		n, err := event.ParseQuantity(l.GetQuantity().GetValue())
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if event.FormatQuantity(sum) != "12.5" {
		t.Errorf("12.5 became %s", event.FormatQuantity(sum))
	}
}
