package mapping

import (
	"bytes"
	"testing"

	"github.com/dockline/dockline/proto/event"
)

// Ids rest on the content hash: it is the one that the protocol states, of the cells that columns fill, whatever order they stand in; constants and empty cells are no part of it.
func TestTheContentHashIsTheProtocols(t *testing.T) {
	m, b := bind(t, "picks", picks(), pickHeader)
	e := one(t, m, b, "17", "SO/1", "A-1", "1.234,50", "", "24.12.2026", "08:30:00", "B 7", "99", "x")
	want := event.ContentHash(map[string]string{"task": "17", "order": "SO/1", "item": "A-1", "quantity": "1234.5", "occurred_at": "2026-12-24T07:30:00Z", "bin": "B 7", "movement": "99"})
	if !bytes.Equal(e.ContentHash, want) {
		t.Errorf("hash %x, want %x", e.ContentHash, want)
	}
}

// An expression may ask of row in any way; what it does not ask for need not be made.
func TestExpressionsAskOfTheRow(t *testing.T) {
	for when, want := range map[string]bool{
		`row["extra"] == "x"`: true, `row["bin"] == row["extra"]`: false, `"extra" in row && row["extra"] == "x"`: true, `"absent" in row`: false,
		`row.exists(h, h == "bin" && row[h] == "B 7")`: true, `row[order.startsWith("SO") ? "extra" : "bin"] == "x"`: true, `row.extra == "x"`: true, `row.size() == 10`: true,
	} {
		spec := picks()
		spec.When = when
		_, b := bind(t, "picks", spec, pickHeader)
		r, faults := b.Map([]string{"17", "SO/1", "A-1", "1", "", "24.12.2026", "08:30:00", "B 7", "99", "x"})
		if len(faults) > 0 || (r != nil) != want {
			t.Errorf("%s: taken %v, want %v: %v", when, r != nil, want, faults)
		}
	}
}

// A time in ISO is read alike with and without an offset, whatever else stands in it.
func TestTimesInISO(t *testing.T) {
	spec := picks()
	spec.Date, spec.Columns["date"] = Dates{"iso"}, Column{Field: Fields{"occurred_at"}}
	m, b := bind(t, "picks", spec, pickHeader)
	for cell, want := range map[string]string{
		"2026-07-04T08:00:00Z": "2026-07-04T08:00:00Z", "2026-07-04T08:00:00+02:00": "2026-07-04T06:00:00Z", "2026-07-04 08:00:00.250-05:00": "2026-07-04T13:00:00.25Z",
		"2026-07-04T08:00:00": "2026-07-04T06:00:00Z", "2026-07-04 08:00": "2026-07-04T06:00:00Z", "2026-07-04": "2026-07-03T22:00:00Z", "2026-07-04T08:00Z": "2026-07-04T08:00:00Z",
	} {
		e := one(t, m, b, "17", "SO/1", "A-1", "1", "", cell, "", "B 7", "99", "x")
		if got := e.OccurredAt.AsTime().Format("2006-01-02T15:04:05.999999999Z07:00"); got != want {
			t.Errorf("%s is %s, want %s", cell, got, want)
		}
	}
	for _, cell := range []string{"04.07.2026", "2026-07-04T25:00:00", "2026-07-04T08:00:00+2:00", "2026-07-04T08:00:00z", "Z", "+02:00"} {
		if _, faults := b.Map([]string{"17", "SO/1", "A-1", "1", "", cell, "", "B 7", "99", "x"}); len(faults) != 1 || faults[0].Code != "date_format" {
			t.Errorf("%s gives %v", cell, faults)
		}
	}
}
