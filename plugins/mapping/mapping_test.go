package mapping

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func picks() Spec {
	return Spec{
		Kind: `short > 0 ? "pick.short" : "pick.confirmed"`,
		Key:  Key{"pick_id"}, Zone: "Europe/Berlin", Date: Dates{"dd.MM.yyyy HH:mm:ss"}, Number: Number{Decimal: ",", Group: "."},
		Columns: map[string]Column{
			"pick_id": {Field: Fields{"task"}}, "order": {Field: Fields{"order"}}, "sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}},
			"short_qty": {Field: Fields{"short"}}, "date": {Field: Fields{"occurred_at"}, Join: []string{"time"}}, "bin": {Field: Fields{"bin"}},
			"movement": {Field: Fields{"movement"}},
		},
		Constants: map[string]string{"unit": "PCE"},
	}
}

var pickHeader = []string{"pick_id", "order", "sku", "qty", "short_qty", "date", "time", "bin", "movement", "extra"}

func bind(t testing.TB, stream string, spec Spec, header []string) (*Mapping, *Binding) {
	t.Helper()
	m, faults := Compile(stream, spec)
	if len(faults) > 0 {
		t.Fatalf("compile: %v", faults)
	}
	b, rowFaults := m.Bind(header)
	if len(rowFaults) > 0 {
		t.Fatalf("bind: %v", rowFaults)
	}
	return m, b
}

func one(t testing.TB, m *Mapping, b *Binding, cells ...string) *docklinev1.Event {
	t.Helper()
	r, faults := b.Map(cells)
	if len(faults) > 0 || r == nil {
		t.Fatalf("%v: %v", cells, faults)
	}
	e, faults := m.Event(0, r)
	if len(faults) > 0 {
		t.Fatalf("%v: %v", cells, faults)
	}
	return e
}

func TestRowBecomesEvent(t *testing.T) {
	m, b := bind(t, "picks", picks(), pickHeader)
	e := one(t, m, b, " 17", "SO/1", "A-1", "1.234,50", "", "24.12.2026", "08:30:00", "B 7", "99", "x")
	line := e.GetPick().GetLines()[0]
	switch {
	case e.Kind != docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, e.SourceKey != "picks/17", e.Subject != "SO/1", e.Movement != 99, e.SourceRevision != "",
		len(e.ContentHash) != 32, e.OccurredAt.AsTime().Format("15:04") != "07:30", line.Quantity.Value != "1234.5", line.Quantity.Unit != "PCE", line.Item != "A-1",
		line.Bin != "B 7", line.Ordered != nil, e.GetPick().Task != "17":
		t.Errorf("got %v", e)
	}
	short := one(t, m, b, "18", "SO1", "A-1", "0", "3", "24.12.2026", "08:30:00", "B7", "100", "")
	if short.Kind != docklinev1.EventKind_EVENT_KIND_PICK_SHORT || short.GetPick().Lines[0].Ordered.Value != "3" {
		t.Errorf("short pick: %v", short)
	}
}

func TestContentHashIsOfWhatCellsMean(t *testing.T) {
	m, b := bind(t, "picks", picks(), pickHeader)
	first := one(t, m, b, "17", "SO1", "A-1", "1.234,50", "", "24.12.2026", "08:30:00", "B7", "9", "x")
	other := one(t, m, b, "17", "SO1", " A-1", "1234,5", "", "24.12.2026", "08:30:00", "B7", "09", "y")
	if !proto.Equal(first, other) {
		t.Errorf("another way of writing the same gave another event:\n%v\n%v", first, other)
	}
	changed := one(t, m, b, "17", "SO1", "A-1", "1234,6", "", "24.12.2026", "08:30:00", "B7", "9", "x")
	if hex.EncodeToString(changed.ContentHash) == hex.EncodeToString(first.ContentHash) {
		t.Error("another quantity has the same hash")
	}
}

func TestFaultsOfARow(t *testing.T) {
	_, b := bind(t, "picks", picks(), pickHeader)
	for name, c := range map[string]struct {
		cells []string
		codes string
	}{
		"bad number":         {[]string{"1", "SO1", "A", "12x", "", "24.12.2026", "08:30:00", "", "1", ""}, "number_format:qty"},
		"wrong decimal sign": {[]string{"1", "SO1", "A", "12.5", "", "24.12.2026", "08:30:00", "", "1", ""}, "number_format:qty"},
		"negative":           {[]string{"1", "SO1", "A", "-2", "", "24.12.2026", "08:30:00", "", "1", ""}, "quantity_negative:qty"},
		"bad date":           {[]string{"1", "SO1", "A", "2", "", "31.02.2026", "08:30:00", "", "1", ""}, "date_format:date"},
		"no key":             {[]string{" ", "SO1", "A", "2", "", "24.12.2026", "08:30:00", "", "1", ""}, "key_missing:pick_id"},
		"no order":           {[]string{"1", "", "A", "2", "", "24.12.2026", "08:30:00", "", "1", ""}, "field_missing:order"},
		"no item, no number": {[]string{"1", "SO1", "", "", "", "24.12.2026", "08:30:00", "", "1", ""}, "field_missing:sku field_missing:qty"},
		"several at once":    {[]string{"", "SO1", "A", "x", "", "nie", "", "", "-1", ""}, "date_format:date whole_number_format:movement number_format:qty key_missing:pick_id"},
		"too few cells":      {[]string{"1", "SO1"}, "columns_missing:"},
	} {
		r, faults := b.Map(c.cells)
		var codes []string
		for _, f := range faults {
			codes = append(codes, f.Code+":"+f.Column)
			if f.Text == "" || f.Class != docklinev1.FaultClass_FAULT_CLASS_DATA {
				t.Errorf("%s: fault without words or class: %+v", name, f)
			}
		}
		if got := strings.Join(codes, " "); got != c.codes || r != nil {
			t.Errorf("%s: got %s, want %s", name, got, c.codes)
		}
	}
}

func TestConfigFaultsComeAllAtOnce(t *testing.T) {
	m, faults := Compile("picks", Spec{
		Kind: `shrot > 0 ? "pick.short" : "pick.konfirmed"`, When: `quantity`, Number: Number{Decimal: ";"}, Zone: "Europe/Nowhere", Date: Dates{"dd.MM"},
		Columns: map[string]Column{"qty": {Field: Fields{"quantity"}}, "menge": {Field: Fields{"quantity"}}, "sku": {Field: Fields{"itm"}}, "at": {Field: Fields{"occurred_at"}},
			"x": {Field: Fields{"lot"}, Date: Dates{"iso"}}},
		Constants: map[string]string{"quantity": "1", "bin": "A", "colour": "red", "movement": "x"},
	})
	if m != nil {
		t.Error("a mapping with faults was given")
	}
	want := []string{"number", "zone", "columns.qty", "columns.sku", "columns.x.date", "date", "constants.colour", "constants.movement", "constants.quantity", "key", "kind", "when"}
	for _, path := range want {
		found := false
		for _, f := range faults {
			found = found || f.Path == path && f.Text != ""
		}
		if !found {
			t.Errorf("no fault at %s in %v", path, faults)
		}
	}
}

func TestKindsInConditionsAreChecked(t *testing.T) {
	spec := picks()
	spec.Kind = `short > 0 ? "pick.short" : (quantity > 5 ? "shipment.departed" : "pick.konfirmed")`
	_, faults := Compile("picks", spec)
	if len(faults) != 2 || faults[0].Path != "kind" || faults[1].Path != "columns" || !strings.Contains(faults[1].Text, "shipment") {
		t.Errorf("got %v", faults)
	}
}

func TestConditionSkipsRows(t *testing.T) {
	spec := picks()
	spec.When = `row["extra"] == "OUT" && occurred_at.getFullYear("Europe/Berlin") == 2026`
	_, b := bind(t, "picks", spec, pickHeader)
	for extra, want := range map[string]bool{"OUT": true, "IN": false} {
		r, faults := b.Map([]string{"1", "SO1", "A", "2", "", "24.12.2026", "08:30:00", "", "1", extra})
		if (r != nil) != want || len(faults) > 0 {
			t.Errorf("%s: %v, %v", extra, r, faults)
		}
	}
	spec.When = `row["absent"] == "OUT"`
	_, b = bind(t, "picks", spec, pickHeader)
	if _, faults := b.Map([]string{"1", "SO1", "A", "2", "", "24.12.2026", "08:30:00", "", "1", ""}); len(faults) != 1 || faults[0].Code != "condition" {
		t.Errorf("a condition on an absent column: %v", faults)
	}
}

func TestHeaderFaultsNameEveryColumn(t *testing.T) {
	m, _ := Compile("picks", picks())
	_, faults := m.Bind([]string{"PICK_ID", " order ", "sku", "Sku", "qty", "date", "bin"})
	var got []string
	for _, f := range faults {
		got = append(got, f.Code+":"+f.Column)
	}
	if want := "unknown_column:time unknown_column:movement unknown_column:short_qty column_twice:sku"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestKeysOfDifferentPartsDiffer(t *testing.T) {
	spec := picks()
	spec.Key = Key{"order", "pick_id"}
	m, b := bind(t, "picks", spec, pickHeader)
	a := one(t, m, b, "c", "a/b", "A", "1", "", "24.12.2026", "08:30:00", "", "1", "")
	o := one(t, m, b, "b/c", "a", "A", "1", "", "24.12.2026", "08:30:00", "", "1", "")
	if a.SourceKey == o.SourceKey {
		t.Errorf("one key %s for two", a.SourceKey)
	}
}

func TestRowAndOccurrence(t *testing.T) {
	spec := picks()
	spec.Key = Key{RowAndOccurrence}
	m, b := bind(t, "picks", spec, pickHeader)
	r, _ := b.Map([]string{"1", "SO1", "A", "2", "", "24.12.2026", "08:30:00", "", "1", ""})
	first, _ := m.Event(0, r)
	second, _ := m.Event(1, r)
	if first.SourceKey == second.SourceKey || !m.ByRow() || !strings.HasSuffix(second.SourceKey, "/1") {
		t.Errorf("keys %s and %s", first.SourceKey, second.SourceKey)
	}
}

func shipments() Spec {
	return Spec{Kind: "shipment.departed", Key: Key{"ship"}, Group: true, Zone: "UTC", Columns: map[string]Column{
		"ship": {Field: Fields{"shipment"}}, "order": {Field: Fields{"order"}}, "sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}},
		"at": {Field: Fields{"occurred_at"}}, "carrier": {Field: Fields{"carrier"}}, "tracking": {Field: Fields{"tracking"}},
	}}
}

var shipHeader = []string{"ship", "order", "sku", "qty", "at", "carrier", "tracking"}

func TestGroupIsOneEventInAnyOrderOfRows(t *testing.T) {
	m, b := bind(t, "ships", shipments(), shipHeader)
	rows := [][]string{
		{"S1", "SO1", "A", "1", "2026-07-04T10:00:00", "UPS", "T2"},
		{"S1", "SO1", "B", "2", "2026-07-04T10:00:09", "UPS", "T1"},
		{"S1", "SO2", "A", "3", "2026-07-04T10:00:01", "", "T1"},
		{"S1", "SO1", "A", "1", "2026-07-04T10:00:00", "UPS", "T2"},
	}
	var first *docklinev1.Event
	for range 20 {
		var records []*Record
		for _, i := range rand.Perm(len(rows)) {
			r, faults := b.Map(rows[i])
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			records = append(records, r)
		}
		e, faults := m.Event(0, records...)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if first == nil {
			first = e
		}
		if !proto.Equal(first, e) {
			t.Fatalf("another order of rows gave another event:\n%v\n%v", first, e)
		}
	}
	s := first.GetShipment()
	if len(s.Lines) != 4 || s.Number != "S1" || s.Tracking != "T1, T2" || s.Carrier != "UPS" || first.Subject != "S1" || first.SourceKey != "ships/S1" || first.OccurredAt.AsTime().Second() != 9 {
		t.Errorf("got %v", first)
	}
}

func TestGroupThatContradictsItself(t *testing.T) {
	m, b := bind(t, "ships", shipments(), shipHeader)
	x, _ := b.Map([]string{"S1", "SO1", "A", "1", "2026-07-04T10:00:00", "UPS", ""})
	y, _ := b.Map([]string{"S1", "SO1", "B", "1", "2026-07-04T10:00:00", "DHL", ""})
	if e, faults := m.Event(0, x, y); e != nil || len(faults) != 1 || faults[0].Code != "group_differs" {
		t.Errorf("got %v, %v", e, faults)
	}
}

// A row that says of itself that it is deleted gives its key and no more, whatever else is wrong with it.
func TestADeletedRowGivesItsKey(t *testing.T) {
	m, faults := Compile("picks", Spec{Kind: "pick.confirmed", Zone: "UTC", Key: Key{"id"}, Deleted: `row["state"] == "X"`, When: `order != ""`,
		Columns: map[string]Column{"order": {Field: Fields{"order"}}, "sku": {Field: Fields{"item"}}, "qty": {Field: Fields{"quantity"}}, "at": {Field: Fields{"occurred_at"}}}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	b, missing := m.Bind([]string{"id", "order", "sku", "qty", "at", "state"})
	if len(missing) > 0 {
		t.Fatal(missing)
	}
	for _, test := range []struct {
		cells   []string
		deleted bool
		faults  int
	}{
		{[]string{"7", "SO1", "A", "1", "2026-07-04 08:00", ""}, false, 0},
		{[]string{"7", "", "", "none", "", "X"}, true, 0},
		{[]string{"", "SO1", "A", "1", "2026-07-04 08:00", "X"}, false, 1},
	} {
		record, faults := b.Map(test.cells)
		if len(faults) != test.faults || record != nil && (record.Deleted != test.deleted || record.Key != "picks/7") || record == nil && test.faults == 0 {
			t.Errorf("%q: %+v %v", test.cells, record, faults)
		}
	}
	if _, faults := Compile("picks", Spec{Kind: "pick.confirmed", Zone: "UTC", Key: Key{"id"}, Deleted: "order", Columns: map[string]Column{"order": {Field: Fields{"order"}}}}); len(faults) == 0 {
		t.Error("a condition that gives a text was taken")
	}
}
