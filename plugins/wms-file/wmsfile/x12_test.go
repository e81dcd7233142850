package wmsfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/event"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
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

// sender opens the sink beside the site's capture, with the same partner.
func (s *site) sender() *Plugin {
	s.t.Helper()
	if s.capture == nil {
		s.start()
	}
	p := &Plugin{Now: func() time.Time { return s.clock }}
	var err error
	if p.sink, err = newSink(s.capture.setup, s.dataDir, s.capture.partner, s.capture.in); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// ack is the partner's 997 for an order that was sent.
func (s *site) ack(order, verdict string) string {
	s.t.Helper()
	parts := strings.Split(strings.Split(s.read("in/"+order), "\n")[1], "*")
	return "ISA*00*          *00*          *ZZ*NORDLAGER      *ZZ*DOCKLINE       *261126*0815*U*00401*00000090" + verdict[:1] + "*0*P*>~\nGS*FA*NORDLAGER*DOCKLINE*20261126*0815*90" + verdict[:1] + "*X*004010~\nST*997*0001~\n" +
		"AK1*OW*" + parts[6] + "~\n" + verdict[1:] + "SE*" + fmt.Sprint(strings.Count(verdict, "~")+3) + "*0001~\nGE*1*90" + verdict[:1] + "~\nIEA*1*00000090" + verdict[:1] + "~\n"
}

func conditionCodes(s *site) string {
	var codes []string
	for _, c := range s.host.conditions {
		codes = append(codes, c.GetCode())
	}
	slices.Sort(codes)
	return strings.Join(codes, " ")
}

// An order goes out as a 940; the partner's acknowledgement closes it, a rejection is told as the result of the command, and silence is told too.
//
// Shows: S38, A18
func TestOrdersAreAcknowledged(t *testing.T) {
	s := newSite(t, x12Config)
	p := s.sender()
	deliver(t, p, release(1, "SO-1", "A", "B"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	first := s.read("in/940-SO-1-1.edi")
	for _, line := range []string{"GS*OW*DOCKLINE*NORDLAGER*", "W05*N*SO-1~", "N1*ST*Müller; Söhne*92*K1~", "N3*Hauptstr. 1*Bonn~", "G62*02*20260705~", "LX*1~\nW01*12.5*EA**VN*A~\nN9*LI*1~\nLX*2~"} {
		if !strings.Contains(first, line) {
			t.Errorf("%q is not in\n%s", line, first)
		}
	}
	// The same command again writes nothing anew.
	deliver(t, p, release(1, "SO-1", "A", "B"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	if files := s.list("in"); len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	s.mustStep()
	if got := conditionCodes(s); got != "" {
		t.Errorf("conditions %s before the time is over", got)
	}
	s.clock = s.clock.Add(5 * time.Hour)
	s.mustStep()
	if got := conditionCodes(s); got != "x12_unacknowledged" {
		t.Errorf("conditions %q after five hours of silence", got)
	}
	s.drop("997a.edi", s.ack("940-SO-1-1.edi", "1AK9*A*1*1*1~\n"))
	s.mustStep()
	if got := conditionCodes(s); got != "" || len(s.host.events) != 0 {
		t.Errorf("acknowledged: conditions %q, %s", got, summary(s.host))
	}

	deliver(t, p, release(1, "SO-2", "A"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	s.drop("997b.edi", s.ack("940-SO-2-1.edi", "2AK2*940*0001~\nAK3*W01*8**8~\nAK4*5**7*A~\nAK5*R*5~\nAK9*R*1*1*0~\n"))
	s.mustStep()
	if got := conditionCodes(s); got != "x12_rejected" || summary(s.host) != "command.completed 1" {
		t.Fatalf("rejected: conditions %q, %s", got, summary(s.host))
	}
	r := s.host.events[0].GetCommandResult()
	if r.GetKey() != "release/SO-2" || r.GetVersion() != 1 || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED || !strings.Contains(r.GetText(), `segment 8, W0105: error 7 with "A"`) {
		t.Errorf("result %v", r)
	}
	if f := event.Validate(s.host.events[0]); f != nil {
		t.Error(f)
	}
	// The corrected order takes its place.
	deliver(t, p, release(2, "SO-2", "AX"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	if text := s.read("in/940-SO-2-2.edi"); !strings.Contains(text, "W05*R*SO-2~") {
		t.Errorf("a change is\n%s", text)
	}
	s.drop("997c.edi", s.ack("940-SO-2-2.edi", "3AK2*940*0001~\nAK5*A~\nAK9*A*1*1*1~\n"))
	s.host.conditions = nil
	s.start() // behind a restart
	s.mustStep()
	if got := conditionCodes(s); got != "" {
		t.Errorf("after the correction: conditions %q", got)
	}
	// Nobody here sent what this one is about.
	before := len(s.host.letters())
	s.drop("997d.edi", strings.Replace(s.ack("940-SO-1-1.edi", "4AK9*A*1*1*1~\n"), "AK1*OW*", "AK1*OW*9", 1))
	s.mustStep()
	if l := s.host.letters(); len(l) != before+1 || l[before].GetCode() != "x12_not_sent" {
		t.Errorf("letters %v", l)
	}
	// A number that X12 cannot write is refused in words.
	out := deliver(t, p, release(1, "SO*3", "A"), docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED)
	if !strings.Contains(out.GetText(), "W0502") {
		t.Errorf("refused: %s", out.GetText())
	}
}

// Control numbers grow over restarts, and over the loss of the folder that keeps them.
func TestControlNumbersNeverRepeat(t *testing.T) {
	now := time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC)
	given := map[uint64]bool{}
	last := uint64(0)
	for range 4 {
		dir := t.TempDir() // a lost disk
		for range 3 {
			p, err := openPartner(dir, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				n, err := p.next()
				if err != nil || given[n] || n <= last {
					t.Fatalf("%d after %d, %v", n, last, err)
				}
				given[n], last = true, n
			}
		}
		now = now.Add(2 * time.Minute)
	}
}

// Who sends orders and who acknowledges what came ask for numbers at once: none is given twice.
func TestTwoWhoAskForAControlNumber(t *testing.T) {
	p, err := openPartner(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	const each = 100
	numbers := make(chan uint64, 2*each)
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			for range each {
				n, err := p.next()
				if err != nil {
					t.Error(err)
					return
				}
				numbers <- n
			}
		})
	}
	asking.Wait()
	close(numbers)
	given := map[uint64]bool{}
	for n := range numbers {
		if given[n] {
			t.Errorf("%d was given twice", n)
		}
		given[n] = true
	}
	if len(given) != 2*each {
		t.Errorf("%d of %d", len(given), 2*each)
	}
}

// What a partner writes into his acknowledgement, however much that is, takes nothing from what is known of him behind a restart.
func TestALongAcknowledgementIsRemembered(t *testing.T) {
	s := newSite(t, x12Config)
	p := s.sender()
	deliver(t, p, release(1, "SO-1", "A"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	value := strings.Repeat("\u00e9\"", 15_000)
	s.drop("997.edi", s.ack("940-SO-1-1.edi", "1AK2*940*0001~\nAK3*W01*8**8~\nAK4*5**7*"+value+"~\nAK4*6**7*"+value+"~\nAK5*R*5~\nAK9*R*1*1*0~\n"))
	s.mustStep()
	if len(s.host.events) != 1 || len(s.host.events[0].GetCommandResult().GetText()) > 2000 {
		t.Fatalf("%s", summary(s.host))
	}
	if err := s.capture.partner.note(&sent{Functional: "OW", Control: "77", Number: strings.Repeat("9", 100_000), State: sentOpen}); err != nil {
		t.Fatal(err)
	}
	s.drop("a.edi", sampleEDI(t, "944-0001.edi"))
	s.mustStep()
	before := len(s.host.ids(false))
	s.drop("b.edi", strings.Replace(sampleEDI(t, "944-0001.edi"), "WR-31", "WR-32", 1))
	s.start()
	s.mustStep()
	if l := s.host.letters(); len(l) != 1 || l[0].GetCode() != "x12_envelope" || len(s.host.ids(false)) != before {
		t.Errorf("the number of an interchange was taken twice: %s", summary(s.host))
	}
}

// A disk that is full when it is to be kept what came keeps the file where it is, until that is on the disk.
func TestWhatWasExchangedIsKeptOrTriedAgain(t *testing.T) {
	s := newSite(t, x12Config)
	s.drop("a.edi", sampleEDI(t, "944-0001.edi"))
	s.start()
	path := s.capture.partner.path()
	if err := os.Mkdir(path, 0o755); err != nil { // it cannot be written
		t.Fatal(err)
	}
	for range 2 {
		s.mustStep()
	}
	if !slices.Contains(s.list("out"), "a.edi") {
		t.Fatal("the file is put away, and its number is on no disk")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if raw, err := os.ReadFile(path); err != nil || !strings.Contains(string(raw), "000000502") || slices.Contains(s.list("out"), "a.edi") {
		t.Errorf("%v %q, left %v", err, raw, s.list("out"))
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
