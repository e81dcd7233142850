package scanner

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	businessevent "github.com/dockline/dockline/proto/event"
)

// sampleSetup is the sample that the plugin ships with.
func sampleSetup(t testing.TB, change ...string) *setup {
	t.Helper()
	text, err := os.ReadFile("../sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, faults := load([]byte(strings.NewReplacer(change...).Replace(string(text))))
	for _, f := range faults {
		t.Errorf("sample.yaml line %d, %s: %s", f.GetLine(), f.GetPath(), f.GetText())
	}
	if len(faults) > 0 {
		t.FailNow()
	}
	return s
}

// bench is a machine with a clock that each scan puts on by a second.
type bench struct {
	*machine
	t   *testing.T
	now time.Time
}

func newBench(t *testing.T, s *setup, input string) *bench {
	t.Helper()
	for _, in := range s.Inputs {
		if in.ID == input {
			m := newMachine(in.ID, in, s)
			n := 0
			m.newID = func() string { n++; return fmt.Sprint("t", n) }
			return &bench{m, t, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
		}
	}
	t.Fatalf("no input %s", input)
	return nil
}

// scans reads codes one after the other and gives the last answer; all but that must be taken.
func (b *bench) scans(codes ...string) answer {
	b.t.Helper()
	var a answer
	for i, code := range codes {
		b.now = b.now.Add(time.Second)
		a = b.scan(b.now, strings.ReplaceAll(code, "^", "\x1d"))
		if i < len(codes)-1 && a.result == bad {
			b.t.Fatalf("scan %q: %s", code, a.text)
		}
	}
	return a
}

// line is an event's kind, subject and first line in short.
func short(e *docklinev1.Event) string {
	if e == nil {
		return "nothing"
	}
	if fault := businessevent.Validate(e); fault != nil {
		return "invalid: " + fault.Text
	}
	out := businessevent.KindName(e.GetKind()) + " " + e.GetSubject()
	for _, l := range businessevent.Lines(e) {
		out += fmt.Sprintf(" [%s %s x%s lot %s bin %s>%s unit %s]", l.GetOrder(), l.GetGtin()+l.GetItem(), l.GetQuantity().GetValue(), l.GetLot(), l.GetBin(), l.GetToBin(), l.GetHandlingUnit())
	}
	return out
}

// Each sort of work is scanned through its states and makes its event.
//
// Shows: S35
func TestEverySortOfWork(t *testing.T) {
	s := sampleSetup(t)
	const carton = "]C100340123450000000017"
	for _, c := range []struct {
		input, want string
		codes       []string
	}{
		{"dock", "pick.confirmed SO7 [SO7 04012345678901 x3 lot A7 bin A-01> unit ]", []string{"SO7", "BIN-A-01", "]C1010401234567890110A7^17261200", "3"}},
		{"dock", "pick.confirmed SO7 [SO7 ITM5 x3 lot  bin A-01> unit ]", []string{"SO7-2", "]C0BIN-A-01", "]A0ITM5", "3"}},
		{"packing", "pack.confirmed SO7 [SO7 04012345678901 x1 lot A7 bin > unit 340123450000000017] [SO7 04012345678901 x1 lot A7 bin > unit 340123450000000017]",
			[]string{"SO7", carton, "]C1010401234567890110A7", "]C1010401234567890110A7", carton}},
		{"gate", "shipment.departed SHP5 [SO7 04012345678901 x12 lot  bin > unit 340123450000000017]", []string{"SHP5/SO7", "]C1003401234500000000170204012345678901" + "3712", "DEPART"}},
		{"receiving", "receipt.received PO9 [ 04012345678901 x12 lot L1 bin > unit 340123450000000017]", []string{"PO9", "]C100340123450000000017020401234567890110L1^3712"}},
		{"stock", "count.observed CC4 [ 04012345678901 x40 lot  bin A-01> unit ]", []string{"BIN-A-01/CC4", "]E04012345678901", "40"}},
		{"moves", "stock.moved 04012345678901 [ 04012345678901 x1 lot  bin A-01>B-02 unit ]", []string{"]C101040123456789013103001250", "BIN-A-01", "BIN-B-02"}},
	} {
		a := newBench(t, s, c.input).scans(c.codes...)
		if got := short(a.event); a.result != whole || got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.input, got, a.text, c.want)
		}
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	s := sampleSetup(t)
	for _, c := range []struct {
		want  string
		codes []string
	}{
		{"BIN-A-01 is not expected here. Order?", []string{"BIN-A-01"}},
		{"Scan the bin before the next order.", []string{"SO7", "SO8"}},
		{"its check digit is 2, but should be 1", []string{"SO7", "BIN-A-01", "]C10104012345678902"}},
		{"symbology identifier", []string{"]??"}},
		{"no text", []string{"\xff\xfe"}},
		{"no calendar", []string{"SO7", "BIN-A-01", "]C1010401234567890117260231"}},
		{"nothing to undo", []string{"*UNDO*"}},
		{"Finish or cancel pick (order SO7) first.", []string{"SO7", "OP12"}},
	} {
		b := newBench(t, s, "dock")
		a := b.scans(c.codes...)
		if a.result != bad || !strings.Contains(a.text, c.want) {
			t.Errorf("%q: %d %s, want %s", c.codes, a.result, a.text, c.want)
		}
	}
}

func TestCancelUndoAndBadge(t *testing.T) {
	s := sampleSetup(t, "badge_required: false", "badge_required: true")
	b := newBench(t, s, "dock")
	if a := b.scans("SO7"); a.result != bad || a.text != "Scan your badge first." {
		t.Errorf("without a badge: %v", a)
	}
	if a := b.scans("OP12", "SO7", "BIN-A-01", "*UNDO*", "BIN-B-02", "]E04012345678901", "2"); short(a.event) != "pick.confirmed SO7 [SO7 04012345678901 x2 lot  bin B-02> unit ]" || a.event.GetActor() != "12" {
		t.Errorf("after an undo: %s by %s (%s)", short(a.event), a.event.GetActor(), a.text)
	}
	if a := b.scans("*CANCEL*"); a.result != lost || b.work.State != "order" {
		t.Errorf("cancelled: %v in state %s", a, b.work.State)
	}
	if a := b.scans("*LEAVE*", "SO7"); a.text != "Scan your badge first." {
		t.Errorf("after leaving: %v", a)
	}
}

func TestDoubleScansCountOnce(t *testing.T) {
	s := sampleSetup(t)
	b := newBench(t, s, "dock")
	b.scans("SO7", "BIN-A-01", "]E04012345678901")
	for range 3 {
		if a := b.scan(b.now.Add(100*time.Millisecond), "]E04012345678901"); a.result != double {
			t.Fatalf("the same code at once again: %v", a)
		}
	}
	if a := b.scan(b.now.Add(900*time.Millisecond), "]E04012345678901"); a.result != bad {
		t.Errorf("the same code later: %v", a)
	}
	packing := newBench(t, s, "packing")
	packing.scans("SO7", "]C100340123450000000017")
	for range 3 { // repeat: each piece is scanned
		if a := packing.scan(packing.now, "]E04012345678901"); a.result != good {
			t.Fatalf("a piece: %v", a)
		}
	}
	if a := packing.scans("]C100340123450000000017"); len(a.event.GetPack().GetLines()) != 3 {
		t.Errorf("three pieces scanned: %s", short(a.event))
	}
}

func TestHalfDoneWorkIsDroppedInTime(t *testing.T) {
	b := newBench(t, sampleSetup(t), "dock")
	b.scans("SO7", "BIN-A-01")
	if _, dropped := b.expire(b.now.Add(9 * time.Minute)); dropped {
		t.Error("dropped before its time")
	}
	a, dropped := b.expire(b.now.Add(10 * time.Minute))
	if !dropped || a.result != lost || !strings.Contains(a.text, "bin A-01, order SO7") || b.work.State != "order" {
		t.Errorf("after the time: %v in state %s", a, b.work.State)
	}
	if _, again := b.expire(b.now.Add(time.Hour)); again {
		t.Error("dropped twice")
	}
}

// The event names every piece of what was scanned, and its key is its own.
func TestScannedValuesReachTheEvent(t *testing.T) {
	b := newBench(t, sampleSetup(t), "dock")
	first := b.scans("SO7", "BIN-A-01", "]d2010401234567890110A7^17261200", "3").event
	second := b.scans("]d2010401234567890110A7^17261200", "3").event
	line := first.GetPick().GetLines()[0]
	if day := line.GetExpiresAt().AsTime().Format(time.DateOnly); day != "2026-12-31" {
		t.Errorf("expires %s, want the last of the month", day)
	}
	if first.GetDevice() != "dock" || !first.GetOccurredAt().AsTime().Equal(time.Date(2026, 3, 2, 8, 0, 4, 0, time.UTC)) {
		t.Errorf("device %s at %s", first.GetDevice(), first.GetOccurredAt().AsTime())
	}
	if second == nil || first.GetSourceKey() == second.GetSourceKey() {
		t.Errorf("keys %s and %s", first.GetSourceKey(), second.GetSourceKey())
	}
}
