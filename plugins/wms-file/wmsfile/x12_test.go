package wmsfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/event"
)

const x12Config = `outbound: ROOT/out
inbound: ROOT/in
complete: {by: rename}
x12:
  our: {qualifier: ZZ, id: DOCKLINE}
  partner: {qualifier: ZZ, id: NORDLAGER}
  units: {PCE: EA}
files:
  - {name: edi, pattern: "*.edi", form: x12, zone: Europe/Berlin, sets: [{set: "945"}, {set: "944"}, {set: "947"}, {set: "943"}, {set: "856"}, {set: "940"}, {set: "846"}]}
commands:
  release_order: {form: x12, file: "940-{number}-{version}.edi"}
  cancel_order: {form: x12, file: "940-{number}-{version}-cancel.edi"}
`

func sampleEDI(t testing.TB, name string) string { return string(testdata(t, "x12/"+name)) }

// summary is what became of a file: events by kind, and what was refused.
func summary(host *host) string {
	kinds := map[string]int{}
	var lines []string
	for _, e := range host.events {
		if l := e.GetDeadLetter(); l != nil {
			lines = append(lines, fmt.Sprintf("refused %d %s %s", l.GetLine(), l.GetColumn(), l.GetCode()))
			continue
		}
		kinds[event.KindName(e.GetKind())]++
	}
	for kind, n := range kinds {
		lines = append(lines, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// A day of a partner's warehouse becomes the events that any other warehouse would have told, and each of its groups is answered.
//
// Shows: S38, A18
func TestX12Day(t *testing.T) {
	s := newSite(t, x12Config)
	for _, name := range []string{"945", "944", "947", "846", "856", "943", "940"} {
		s.drop(name+".edi", sampleEDI(t, name+"-0001.edi"))
	}
	s.mustStep()
	want := "backorder.created 1, count.observed 1, inbound.advised 2, order.cancel_requested 1, order.submitted 1, pick.short 1, pick.substituted 1, receipt.discrepancy 1, receipt.received 1, " +
		"shipment.departed 2, stock.adjusted 1, stock.scrapped 1, stock.status_changed 2"
	if got := summary(s.host); got != want {
		t.Fatalf("got %s\nwant %s", got, want)
	}
	for _, e := range s.host.events {
		if f := event.Validate(e); f != nil {
			t.Errorf("%v: %v", e, f)
		}
	}
	answers := s.list("in")
	if len(answers) != 7 || len(s.list("out")) != 0 {
		t.Fatalf("answers %v, left %v", answers, s.list("out"))
	}
	all, controls := "", map[string]bool{}
	for _, name := range answers {
		text := s.read("in/" + name)
		controls[strings.Split(text, "*")[13]] = true
		all += text
	}
	for _, line := range []string{"*ZZ*DOCKLINE       *ZZ*NORDLAGER      *", "AK1*SW*501~\nAK2*945*0001~\nAK5*A~\nAK2*945*0002~\nAK5*A~\nAK9*A*2*2*2~", "AK1*RE*502~", "AK1*SH*505*005010~"} {
		if !strings.Contains(all, line) {
			t.Errorf("%q is in no answer:\n%s", line, all)
		}
	}
	if len(controls) != 7 {
		t.Errorf("control numbers repeat: %v", controls)
	}
	// The same file again, under another name: nothing is told again.
	before := len(s.host.events)
	s.drop("again.edi", sampleEDI(t, "945-0001.edi"))
	s.mustStep()
	if len(s.host.events) != before || len(s.list("in")) != 7 {
		t.Errorf("%d events became %d, answers %v", before, len(s.host.events), s.list("in"))
	}
}

// What is wrong with a set refuses that set, tells segment and element, and says so to the partner; the others are taken.
//
// Shows: S38, A18
func TestABadSetIsRejected(t *testing.T) {
	good := sampleEDI(t, "945-0001.edi")
	for name, c := range map[string]struct {
		from, to  string
		told      string
		answer    string
		something string
	}{
		"a quantity":  {"W12*CC*10*10*", "W12*CC*10*ten*", "shipment.departed 1", "AK3*W12*10**8~\nAK4*3**6*ten~\nAK5*R*5~", "refused 3 W1203 number_format"},
		"a date":      {"G62*11*20261126*8*0730", "G62*11*20261399*8*0730", "shipment.departed 1", "AK4*2**8*20261399~\nAK5*R*5~", "refused 3 G6202 date_format"},
		"no order":    {"W06*F*SO-1001*", "W06*F**", "shipment.departed 1", "AK3*W06*2**8~\nAK4*2**1~", "refused 3 "},
		"its count":   {"SE*19*0001", "SE*18*0001", "shipment.departed 1", "AK2*945*0001~\nAK5*R*4~\nAK2*945*0002~\nAK5*A~\nAK9*P*2*2*1~", "refused 3 SE01 x12_envelope"},
		"its number":  {"SE*19*0001", "SE*19*0009", "shipment.departed 1", "AK5*R*3~", "refused 3 SE02 x12_envelope"},
		"another set": {"ST*945*0001", "ST*850*0001", "shipment.departed 1", "AK2*850*0001~\nAK5*R*1~", "refused 3 ST01 x12_set_unknown"},
		"the group":   {"GE*2*501", "GE*3*501", "", "AK9*R*3*2*0*5~", "refused 3 GE01 x12_envelope"},
		"the end":     {"IEA*1*000000501", "IEA*1*000000777", "", "", "IEA02 x12_envelope"},
		"cut off":     {"GE*2*501~\nIEA*1*000000501~\n", "", "", "", "SE x12_envelope"},
		"a stranger":  {"*ZZ*NORDLAGER      *ZZ*", "*ZZ*SUEDLAGER      *ZZ*", "", "", "refused 1 ISA06 x12_envelope"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(good, c.from) {
				t.Fatalf("%q is not in the sample", c.from)
			}
			s := newSite(t, x12Config)
			s.drop("bad.edi", strings.Replace(good, c.from, c.to, 1))
			s.mustStep()
			got := summary(s.host)
			if !strings.Contains(got, c.something) || c.told != "" && !strings.Contains(got, c.told) || c.told == "" && len(s.host.ids(false)) > 0 {
				t.Errorf("got %s", got)
			}
			answers := ""
			for _, file := range s.list("in") {
				answers += s.read("in/" + file)
			}
			if !strings.Contains(answers, c.answer) || (answers == "") != (c.answer == "") {
				t.Errorf("answered\n%s\nwant %s", answers, c.answer)
			}
			for _, e := range s.host.events {
				if f := event.Validate(e); f != nil {
					t.Errorf("%v: %v", e, f)
				}
			}
			if left := s.list("out/error"); len(left) != 3 || !strings.Contains(s.read("out/error/bad.edi.txt"), "segment") {
				t.Errorf("error folder: %v", left)
			}
			// Corrected by a person under the same number, it is taken: what was refused was never taken whole.
			s.drop("corrected.edi", good)
			s.mustStep()
			if n := len(s.host.ids(false)); n != 5 {
				t.Errorf("after the correction: %d different events, %s", n, summary(s.host))
			}
		})
	}
}

// A control number names one interchange: another under the same number is refused, and no event of it is told.
//
// Shows: S38
func TestAControlNumberIsGivenOnce(t *testing.T) {
	s := newSite(t, x12Config)
	s.drop("a.edi", sampleEDI(t, "944-0001.edi"))
	s.mustStep()
	before := summary(s.host)
	s.drop("b.edi", strings.Replace(sampleEDI(t, "944-0001.edi"), "WR-31", "WR-32", 1))
	s.start() // what came is known behind a restart too
	s.mustStep()
	if got := summary(s.host); !strings.Contains(got, before) || !strings.Contains(got, "refused 1 ISA13 x12_envelope") || len(s.host.ids(false)) != 2 {
		t.Errorf("got %s", got)
	}
}

// Whatever ends the process between an event's ack and the file's end, each group is answered once.
//
// Shows: A18
func TestEachGroupIsAnsweredOnce(t *testing.T) {
	s := newSite(t, x12Config)
	s.drop("a.edi", sampleEDI(t, "945-0001.edi"))
	// The archive cannot be made: the answer is written, and the file stays.
	if err := os.WriteFile(filepath.Join(s.root, "out", "archive"), []byte("a file in its place"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if len(s.list("in")) != 1 || !slices.Contains(s.list("out"), "a.edi") {
		t.Fatalf("answers %v, left %v", s.list("in"), s.list("out"))
	}
	first := s.list("in")[0]
	for range 2 {
		s.start()
		s.mustStep()
	}
	if err := os.Remove(filepath.Join(s.root, "out", "archive")); err != nil {
		t.Fatal(err)
	}
	// The partner has taken the answer meanwhile.
	if err := os.Remove(filepath.Join(s.root, "in", first)); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.mustStep()
	if len(s.list("in")) != 0 || slices.Contains(s.list("out"), "a.edi") {
		t.Errorf("answers %v, left %v", s.list("in"), s.list("out"))
	}
}

// samplesFile is what becomes of each published sample, by name.
const samplesFile = "testdata/samples.golden"

// Each of the published samples of the sets that a site reads becomes events, or is refused with segment and reason; nothing disappears.
//
// Shows: S38
func TestX12Samples(t *testing.T) {
	specs := os.Getenv("DOCKLINE_SPECS")
	if specs == "" {
		specs = "../../../../shared/specs"
	}
	var files []string
	for _, set := range []string{"846", "856", "940", "943", "944", "945", "997-999", "envelope", "misc", "850", "ack"} {
		found, err := filepath.Glob(filepath.Join(specs, "x12", set, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if ext := filepath.Ext(file); ext == ".edi" || ext == ".txt" {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		t.Skipf("there are no samples below %s (DOCKLINE_SPECS)", specs)
	}
	reads, _, _ := strings.Cut(x12Config, "commands:")
	set, faults := load([]byte(strings.NewReplacer("ROOT", "/srv", "  partner: {qualifier: ZZ, id: NORDLAGER}\n", "").Replace(reads)))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var lines []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var res Result
		events, letters, first := 0, 0, ""
		for e := range set.streams[0].read(newContent("x.edi", raw, time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)), &res) {
			if f := event.Validate(e); f != nil {
				t.Errorf("%s: %v", file, f)
			}
			if l := e.GetDeadLetter(); l != nil {
				if letters++; first == "" {
					first = fmt.Sprintf(": segment %d %s %s", l.GetLine(), l.GetColumn(), l.GetCode())
				}
				continue
			}
			events++
		}
		if res.broken != nil || events+letters+len(res.x12.brought)+len(res.x12.numbers) == 0 {
			t.Errorf("%s: neither taken nor refused (%v)", file, res.broken)
		}
		if bad := strings.Contains(file, "no-") || strings.Contains(file, "NonEdi") || strings.Contains(file, "Wrong") || strings.Contains(file, "invalid") || strings.Contains(file, "nonnumeric"); bad && letters == 0 {
			t.Errorf("%s: a faulty sample was taken", file)
		}
		lines = append(lines, fmt.Sprintf("%s/%s: %d events, %d of %d sets refused%s", filepath.Base(filepath.Dir(file)), filepath.Base(file), events, letters, res.Rows, first))
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(samplesFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(samplesFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s", got)
	}
}

// Whatever comes, each set is told or refused, and no event is made that the journal would refuse.
func FuzzX12File(f *testing.F) {
	for _, name := range []string{"945", "944", "947", "846", "856", "943", "940"} {
		f.Add(sampleEDI(f, name+"-0001.edi"))
	}
	set, faults := load([]byte(strings.ReplaceAll(x12Config, "ROOT", "/srv")))
	if len(faults) > 0 {
		f.Fatal(faults)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var res Result
		n := 0
		for e := range set.streams[0].read(newContent("x.edi", []byte(text), time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)), &res) {
			n++
			if fault := event.Validate(e); fault != nil {
				t.Fatalf("%v: %v", e, fault)
			}
		}
		if n == 0 && res.Rows == 0 && len(res.x12.answers) == 0 && len(res.x12.numbers) == 0 {
			t.Fatalf("neither told nor refused: %+v", res)
		}
	})
}
