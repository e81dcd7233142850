package carrier_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/carrier"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

var received = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

func reader() *carrier.Reader {
	return &carrier.Reader{Tenant: "acme", Source: "nordwind", Zone: time.FixedZone("", 3600), Received: received}
}

// told is an event in one line.
func told(e *docklinev1.Event) string {
	text := fmt.Sprintf("%s %s %s", event.KindName(e.GetKind()), e.GetOccurredAt().AsTime().Format(time.RFC3339), e.GetSubject())
	if t := e.GetTransport(); t != nil {
		text += fmt.Sprintf(" shipment=%s bill=%s units=%v code=%s milestone=%s place=%q cause=%q carrier=%s", t.GetShipment(), t.GetBillOfLading(), t.GetHandlingUnits(), t.GetCode(), t.GetMilestone(), t.GetPlace(), t.GetCause(), t.GetCarrier())
		if t.GetEta() != nil {
			text += " eta=" + t.GetEta().AsTime().Format(time.RFC3339)
		}
	}
	if d := e.GetDelivery(); d != nil {
		text += fmt.Sprintf(" shipment=%s place=%q carrier=%s", d.GetShipment(), d.GetPlace(), d.GetCarrier())
	}
	return text
}

// A day of a carrier becomes the events of the golden file; the same statements in another envelope are the same events.
//
// Shows: S38, S49
func TestADayOfStatuses(t *testing.T) {
	text, err := os.ReadFile("testdata/day.edi")
	if err != nil {
		t.Fatal(err)
	}
	events, refused := reader().X12(string(text))
	if len(refused) > 0 {
		t.Fatalf("refused: %v", refused[0].Fault)
	}
	var lines []string
	for _, e := range events {
		if f := event.Validate(e); f != nil {
			t.Errorf("%s: %s", told(e), f.Text)
		}
		lines = append(lines, told(e))
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("testdata/day.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/day.golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	other := strings.NewReplacer("000000017", "000000018", "*17*X*", "*18*X*", "GE*3*17", "GE*3*18", "*0001", "*0091").Replace(string(text))
	other = strings.NewReplacer("~\n", "\n", "*", "|").Replace(other)
	again, refused := reader().X12(other)
	if len(refused) > 0 || len(again) != len(events) {
		t.Fatalf("with other separators: %d events, want %d; refused %v", len(again), len(events), refused)
	}
	for i := range again {
		if again[i].GetId() != events[i].GetId() {
			t.Errorf("sent again in another envelope it is another event: %s", told(again[i]))
		}
	}
}

const small = "ISA*00*          *00*          *02*NWLG           *ZZ*DOCKLINE       *261126*0815*U*00401*000000001*0*P*>~GS*QM*NWLG*DOCKLINE*20261126*0815*1*X*004010~ST*214*0001~B10*PRO-1*SHP-1*NWLG~LX*1~AT7*AF*NS***20261125*1640*UT~MS1*HAMBURG**DE~SE*6*0001~GE*1*1~IEA*1*000000001~"

// What is wrong is refused with segment and element, and nothing of it is taken.
func TestBadSetsAreRefusedWithSegmentAndElement(t *testing.T) {
	if events, refused := reader().X12(small); len(events) != 1 || len(refused) > 0 {
		t.Fatalf("the good one: %v, %v", events, refused)
	}
	for _, c := range []struct{ from, to, want string }{
		{"ISA*", "XXX*", "segment 1, ISA: an X12 interchange begins with ISA"},
		{"AT7*AF", "AT7*ZZ", `segment 6, AT701: "ZZ" is a status code that is not known`},
		{"AT7*AF", "AT7*", "segment 6, AT701: has no status code"},
		{"20261125*1640", "20261325*1640", "segment 6, AT705: "},
		{"20261125*1640", "20261125*16", "segment 6, AT706: "},
		{"1640*UT", "1640*QQ", "segment 6, AT707: "},
		{"B10*PRO-1*SHP-1*NWLG", "B10***NWLG", "segment 3, ST: the set names no goods"},
		{"ST*214*", "ST*210*", `segment 3, ST01: is "210"`},
		{"SE*6*0001", "SE*9*0001", "segment 8, SE01: says that the set has 9 segments, and it has 6"},
		{"SE*6*0001", "SE*6*0002", "segment 8, SE02: "},
		{"GE*1*1", "GE*2*1", "segment 9, GE01: says that the group has 2 sets, and it has 1"},
		{"GE*1*1", "GE*1*7", "segment 9, GE02: "},
		{"IEA*1*000000001~", "", "segment 9, GE: is the last segment"},
		{"IEA*1*000000001", "IEA*1*000000002", "segment 10, IEA02: "},
		{"IEA*1*", "IEA*3*", "segment 10, IEA01: "},
		{"AT7*AF*NS***20261125*1640*UT~MS1*HAMBURG**DE~SE*6", "SE*4", "segment 3, ST: the set has no status"},
		{"SE*6*0001~", "", "segment 8, GE: ends the group before"},
		{"20261125*1640", "19700101*1640", "segment 6, AT7: "},
	} {
		if !strings.Contains(small, c.from) {
			t.Fatalf("%q is not in the sample", c.from)
		}
		events, refused := reader().X12(strings.Replace(small, c.from, c.to, 1))
		if len(events) > 0 || len(refused) != 1 || !strings.HasPrefix(refused[0].Fault.Error(), c.want) {
			t.Errorf("%q for %q: %d events, refused %v; want %s", c.to, c.from, len(events), refused, c.want)
			continue
		}
		letter := reader().Letter("status.edi", refused[0])
		if d := letter.GetDeadLetter(); d.GetCode() != carrier.CodeRefused || d.GetFile() != "status.edi" || len(d.GetRaw()) == 0 || letter.GetId() == "" {
			t.Errorf("%q: kept as %v", c.to, letter)
		}
	}
}

// The published samples are read, and those whose envelope does not close are refused.
//
// Shows: S38, S49
func TestPublishedSamples(t *testing.T) {
	specs := os.Getenv("DOCKLINE_SPECS")
	if specs == "" {
		specs = "../../../shared/specs"
	}
	files, err := filepath.Glob(filepath.Join(specs, "x12", "214", "*.edi"))
	if err != nil || len(files) == 0 {
		t.Skipf("there are no samples below %s (DOCKLINE_SPECS)", specs)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := reader()
		r.Received = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		events, refused := r.X12(string(text))
		if bad := strings.Contains(file, "broken"); bad != (len(refused) > 0) || bad == (len(events) > 0) {
			t.Errorf("%s: %d events, refused %v", filepath.Base(file), len(events), refused)
		}
	}
}

// Whatever comes, the reader says what it is or what is wrong with it, and makes no event that the log would refuse.
func FuzzX12(f *testing.F) {
	f.Add(small)
	if day, err := os.ReadFile("testdata/day.edi"); err == nil {
		f.Add(string(day))
	}
	f.Fuzz(func(t *testing.T, text string) {
		events, refused := reader().X12(text)
		if len(events) == 0 && len(refused) == 0 {
			t.Fatal("it is neither taken nor refused")
		}
		for _, e := range events {
			if fault := event.Validate(e); fault != nil {
				t.Fatalf("%s: %s", protojson.Format(e), fault.Text)
			}
		}
		for _, each := range refused {
			if each.Fault.Text == "" {
				t.Fatal("refused without a reason")
			}
		}
	})
}
