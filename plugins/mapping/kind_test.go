package mapping

import (
	"slices"
	"strings"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// words are cells of fields that take known words or a shape of their own.
var words = map[string]string{"condition": "damaged", "disposition": "scrap", "milestone": "arrived", "stage": "pick", "decision": "recount", "latitude": "48.1", "longitude": "11.5",
	"original_item": "B", "ship_to": "Main St 1 | Springfield", "refused": "1", "ordered": "9", "short": ""}

// cellOf is something to stand in a column of a field.
func cellOf(f field) string {
	if word, ok := words[f.name]; ok {
		return word
	}
	switch f.typ {
	case number:
		return "2"
	case moment:
		return "2026-07-04T10:00:00Z"
	case whole:
		return "3"
	case flag:
		return "yes"
	case list:
		return "a b"
	}
	return f.name + "-1"
}

// full is a mapping of a kind that fills every field, and a row for it.
func full(kind string) (spec Spec, header, row []string) {
	spec = Spec{Kind: kind, Key: Key{"item"}, Zone: "UTC", Columns: map[string]Column{}}
	for _, f := range fields {
		if strings.HasSuffix(kind, ".repacked") && f.name == "output" { // one row alone says what went in and what came out
			continue
		}
		spec.Columns[f.name] = Column{Field: Fields{f.name}}
		header, row = append(header, f.name), append(row, cellOf(f))
	}
	return spec, header, row
}

// left are the fields that no record fills: what the centre says of an order, and the site of a shipment that is the event's own.
var left = []string{"order.site", "order.reason", "order.price_list", "order.price_list_version", "order.verdicts", "order.answers", "shipment_void.site"}

// Every kind that a site may tell comes of a row, and a row can fill every field of it. Shows: S39
func TestEveryKindCanBeMapped(t *testing.T) {
	for _, kind := range Kinds() {
		name := event.KindName(kind)
		if name == "lot.relabelled" || name == "kit.built" {
			continue // TestTransformations
		}
		spec, header, row := full(name)
		m, b := bind(t, "all", spec, header)
		e := one(t, m, b, row...)
		if e.Kind != kind || e.Subject == "" {
			t.Errorf("%s: %v", name, e)
		}
		payload := event.Payload(e).ProtoReflect()
		for i := range payload.Descriptor().Fields().Len() {
			f := payload.Descriptor().Fields().Get(i)
			if where := event.RequirementOf(kind).Payload + "." + string(f.Name()); !payload.Has(f) && !slices.Contains(left, where) {
				t.Errorf("%s: %s is empty", name, where)
			}
		}
		for _, l := range event.Lines(e) {
			lineIsFull(t, name, l)
		}
	}
}

func lineIsFull(t *testing.T, name string, l *docklinev1.Line) {
	t.Helper()
	m := l.ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		if f := m.Descriptor().Fields().Get(i); !m.Has(f) {
			t.Errorf("%s: line.%s is empty", name, f.Name())
		}
	}
}

// A mapping that lacks what its kind needs is refused when it is loaded, and the fault names the field.
func TestEveryNeedIsAskedForAtLoad(t *testing.T) {
	for _, kind := range Kinds() {
		for _, need := range Needs(kind) {
			spec, _, _ := full(event.KindName(kind))
			spec.Key = Key{"k"}
			spec.Columns["k"] = Column{Field: Fields{"custom.k"}}
			names := strings.Split(need, "|")
			for _, name := range names {
				delete(spec.Columns, name)
			}
			if _, faults := Compile("all", spec); !slices.ContainsFunc(faults, func(f ConfigFault) bool { return strings.Contains(f.Text, names[0]) }) {
				t.Errorf("%s without %s: %v", event.KindName(kind), need, faults)
			}
		}
	}
}

// The needs of the kinds that mappings in the field use have not changed.
func TestNeedsOfTheFirstKinds(t *testing.T) {
	for name, want := range map[string]string{
		"pick.confirmed": "occurred_at order item|gtin quantity", "pick.short": "occurred_at order item|gtin quantity ordered|short", "pack.confirmed": "occurred_at order item|gtin quantity",
		"shipment.departed": "occurred_at shipment order item|gtin quantity", "count.observed": "occurred_at count bin item|gtin quantity",
		"order.submitted": "occurred_at|ordered_at order item|gtin quantity", "order.accepted": "occurred_at|ordered_at order item|gtin quantity",
		"order.changed": "occurred_at|ordered_at order item|gtin quantity", "order.cancelled": "occurred_at order",
	} {
		kind, _ := event.ParseKind(name)
		got, expected := slices.Clone(Needs(kind)), strings.Fields(want)
		slices.Sort(got)
		slices.Sort(expected)
		switch {
		case name == "order.cancelled":
			expected = []string{"occurred_at", "order"}
		case strings.HasPrefix(name, "order."):
			expected = append(expected[:0], "item|gtin", "occurred_at|ordered_at", "order", "quantity")
		}
		if !slices.Equal(got, expected) {
			t.Errorf("%s needs %v, not %v", name, got, expected)
		}
	}
}

// What is not a site's to tell is refused at load, whether it stands there plainly or in an expression.
func TestKindsThatASiteMayNotTell(t *testing.T) {
	for _, kind := range event.Kinds() {
		name := event.KindName(kind)
		if plans[kind] != nil {
			continue
		}
		for _, source := range []string{name, `quantity > 3 ? "pick.confirmed" : "` + name + `"`} {
			spec := picks()
			spec.Kind = source
			m, faults := Compile("picks", spec)
			if m != nil || len(faults) != 1 || faults[0].Path != "kind" || !strings.Contains(faults[0].Text, "not for a mapping to give") {
				t.Errorf("%s: %v", source, faults)
			}
		}
	}
}

func TestTransformations(t *testing.T) {
	kit := Spec{Kind: "kit.built", Key: Key{"wo"}, Group: true, Zone: "UTC", Columns: map[string]Column{"wo": {Field: Fields{"document"}}, "out": {Field: Fields{"output"}},
		"sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}}, "at": {Field: Fields{"occurred_at"}}}}
	m, b := bind(t, "kits", kit, []string{"wo", "out", "sku", "qty", "at"})
	var records []*Record
	for _, row := range [][]string{{"W1", "no", "A", "2", "2026-07-04T10:00:00"}, {"W1", "no", "B", "1", "2026-07-04T10:00:00"}, {"W1", "yes", "KIT", "1", "2026-07-04T10:00:00"}} {
		r, faults := b.Map(row)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		records = append(records, r)
	}
	e, faults := m.Event(0, records...)
	if p := e.GetTransformation(); len(faults) > 0 || p.GetNumber() != "W1" || len(p.GetLines()) != 2 || len(p.GetOutputs()) != 1 || p.GetOutputs()[0].GetItem() != "KIT" || e.Subject != "W1" {
		t.Errorf("%v, %v", e, faults)
	}
	if _, faults := m.Event(0, records[:2]...); len(faults) != 1 || faults[0].Code != "lines_missing" || !strings.Contains(faults[0].Text, "outputs") {
		t.Errorf("a kit of nothing: %v", faults)
	}

	lot := Spec{Kind: "lot.relabelled", Key: Key{"id"}, Zone: "UTC", Columns: map[string]Column{"id": {Field: Fields{"document"}}, "sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}},
		"old": {Field: Fields{"lot"}}, "new": {Field: Fields{"to_lot"}}, "at": {Field: Fields{"occurred_at"}}}}
	m, b = bind(t, "lots", lot, []string{"id", "sku", "qty", "old", "new", "at"})
	p := one(t, m, b, "R1", "A", "5", "L1", "L2", "2026-07-04T10:00:00").GetTransformation()
	if p.GetLines()[0].GetLot() != "L1" || len(p.GetOutputs()) != 1 || p.GetOutputs()[0].GetLot() != "L2" || p.GetOutputs()[0].GetQuantity().GetValue() != "5" {
		t.Errorf("%v", p)
	}
}

// A trailer's seal, a parcel's delivery and a pack that is taken apart name no goods: a row without any is enough.
func TestRowsWithoutGoods(t *testing.T) {
	for kind, c := range map[string]struct {
		field, cell string
		check       func(e *docklinev1.Event) bool
	}{
		"trailer.sealed": {"trailer", "TR-1", func(e *docklinev1.Event) bool {
			return e.GetLoad().GetTrailer() == "TR-1" && len(e.GetLoad().GetLines()) == 0
		}},
		"load.loaded": {"shipments", "S1,S2", func(e *docklinev1.Event) bool { return slices.Equal(e.GetLoad().GetShipments(), []string{"S1", "S2"}) }},
		"pack.reopened": {"handling_unit", "00340", func(e *docklinev1.Event) bool {
			return e.GetPack().GetHandlingUnit() == "00340" && len(e.GetPack().GetLines()) == 0
		}},
		"delivery.proved":     {"tracking", "1Z", func(e *docklinev1.Event) bool { return e.GetDelivery().GetTracking() == "1Z" && e.Subject == "1Z" }},
		"shipment.voided":     {"shipment", "S1", func(e *docklinev1.Event) bool { return e.GetShipmentVoid().GetNumber() == "S1" }},
		"transport.lost":      {"bill_of_lading", "B1", func(e *docklinev1.Event) bool { return e.GetTransport().GetBillOfLading() == "B1" && e.Subject == "B1" }},
		"receipt.arrived":     {"advice", "ASN1", func(e *docklinev1.Event) bool { return e.GetInbound().GetAdvice() == "ASN1" && e.Subject == "ASN1" }},
		"count.approved":      {"count", "C1", func(e *docklinev1.Event) bool { return e.GetCountApproval().GetNumber() == "C1" }},
		"order.cancelled":     {"order", "SO1", func(e *docklinev1.Event) bool { return e.GetOrderCancelled().GetNumber() == "SO1" }},
		"transport.milestone": {"handling_units", "U1", func(e *docklinev1.Event) bool { return e.GetTransport().GetCode() == "X3" }},
	} {
		spec := Spec{Kind: kind, Key: Key{"x"}, Zone: "UTC", Columns: map[string]Column{"x": {Field: Fields{c.field}}, "at": {Field: Fields{"occurred_at"}}},
			Constants: map[string]string{"decision": "approve", "milestone_code": "X3"}}
		m, b := bind(t, "x", spec, []string{"x", "at"})
		if e := one(t, m, b, c.cell, "2026-07-04T10:00:00"); !c.check(e) {
			t.Errorf("%s: %v", kind, e)
		}
	}
}

// The source's own words are translated, without regard to case; a word that nothing translates is refused with the words that are known.
func TestWordsAreTranslated(t *testing.T) {
	spec := Spec{Kind: "return.disposed", Key: Key{"id"}, Zone: "UTC", Columns: map[string]Column{"id": {Field: Fields{"receipt"}}, "sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}},
		"at": {Field: Fields{"occurred_at"}}, "what": {Field: Fields{"disposition"}, Words: map[string]string{"R1": "restock", " Schrott": "scrap"}}}}
	m, b := bind(t, "returns", spec, []string{"id", "sku", "qty", "at", "what"})
	for cell, want := range map[string]string{"r1": "restock", "SCHROTT": "scrap", "to_vendor": "to_vendor"} {
		if got := one(t, m, b, "7", "A", "1", "2026-07-04T10:00:00", cell).GetReturn().GetLines()[0].GetDisposition(); got != want {
			t.Errorf("%s is %s", cell, got)
		}
	}
	r, faults := b.Map([]string{"7", "A", "1", "2026-07-04T10:00:00", "Z9"})
	if len(faults) == 0 {
		_, faults = m.Event(0, r)
	}
	if len(faults) != 1 || faults[0].Code != "word_unknown" || !strings.Contains(faults[0].Text, "to_vendor") {
		t.Errorf("Z9: %v", faults)
	}
}

// Columns that Dockline has no field for travel as custom fields, sorted by name, and expressions see them.
func TestCustomFields(t *testing.T) {
	spec := picks()
	spec.Columns["extra"] = Column{Field: Fields{"custom.zone"}}
	spec.Constants = map[string]string{"custom.building": "B2"}
	spec.When = `custom.zone != "SKIP" && custom.building == "B2"`
	m, b := bind(t, "picks", spec, pickHeader)
	row := []string{"1", "SO1", "A", "2", "", "24.12.2026", "08:30:00", "", "1", "COLD"}
	e := one(t, m, b, row...)
	if len(e.GetCustom()) != 2 || e.GetCustom()[0].GetName() != "building" || event.Custom(e, "zone") != "COLD" {
		t.Errorf("custom fields %v", e.GetCustom())
	}
	row[len(row)-1] = "SKIP"
	if r, faults := b.Map(row); r != nil || len(faults) > 0 {
		t.Errorf("the condition on a custom field: %v, %v", r, faults)
	}
	spec.Columns["extra"] = Column{Field: Fields{"custom.Zone 7"}}
	if _, faults := Compile("picks", spec); len(faults) == 0 || faults[0].Path != "columns.extra" || !strings.Contains(faults[0].Text, "custom.route") {
		t.Errorf("a custom name with a blank: %v", faults)
	}
}

// Only a difference may be below zero; the fault of any other kind names its column.
func TestAdjustmentsMayTakeAway(t *testing.T) {
	spec := Spec{Kind: "stock.adjusted", Key: Key{"id"}, Zone: "UTC", Columns: map[string]Column{"id": {Field: Fields{"document"}}, "sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}},
		"bin": {Field: Fields{"bin"}}, "at": {Field: Fields{"occurred_at"}}}}
	m, b := bind(t, "adjustments", spec, []string{"id", "sku", "qty", "bin", "at"})
	if e := one(t, m, b, "1", "A", "-2", "B1", "2026-07-04T10:00:00"); e.GetAdjustment().GetLines()[0].GetQuantity().GetValue() != "-2" {
		t.Errorf("%v", e)
	}
	spec.Kind = "stock.scrapped"
	_, b = bind(t, "adjustments", spec, []string{"id", "sku", "qty", "bin", "at"})
	if _, faults := b.Map([]string{"1", "A", "-2", "B1", "2026-07-04T10:00:00"}); len(faults) != 1 || faults[0].Code != "quantity_negative" || faults[0].Column != "qty" {
		t.Errorf("%v", faults)
	}
}

// Shipments whose rows have a tracking number each are found by every one of them.
func TestEveryParcelOfAShipmentIsNamed(t *testing.T) {
	m, b := bind(t, "ships", shipments(), shipHeader)
	x, _ := b.Map([]string{"S1", "SO1", "A", "1", "2026-07-04T10:00:00", "UPS", "T2"})
	y, _ := b.Map([]string{"S1", "SO1", "B", "1", "2026-07-04T10:00:00", "UPS", "T1"})
	e, faults := m.Event(0, x, y)
	if s := e.GetShipment(); len(faults) > 0 || s.GetTracking() != "T1, T2" || !slices.Equal(s.GetParcels(), []string{"T1", "T2"}) {
		t.Errorf("%v, %v", e, faults)
	}
}
