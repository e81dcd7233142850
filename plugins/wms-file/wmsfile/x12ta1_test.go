package wmsfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/x12"
)

// Who asks for a TA1 by ISA14 is told of each interchange whether its envelope could be taken, and why not; who does not ask, and a stranger, are told nothing. The text of an
// answer is held in testdata/x12/ta1.golden.
//
// Shows: S38, A18
func TestInterchangesAreReported(t *testing.T) {
	asks := strings.Replace(sampleEDI(t, "945-0001.edi"), "*0*P*>", "*1*P*>", 1)
	for name, c := range map[string]struct{ from, to, want string }{
		"good":           {"", "", "TA1*000000501*261126*0815*A*000~"},
		"a bad set":      {"W12*CC*10*10*", "W12*CC*10*ten*", "TA1*000000501*261126*0815*A*000~"}, // that is the 997's to say
		"its number":     {"IEA*1*000000501", "IEA*1*000000777", "TA1*000000501*261126*0815*R*001~"},
		"its groups":     {"IEA*1*", "IEA*2*", "TA1*000000501*261126*0815*R*021~"},
		"cut off":        {"GE*2*501~\nIEA*1*000000501~\n", "", "TA1*000000501*261126*0815*R*023~"},
		"without a head": {"GS*SW*", "GX*SW*", "TA1*000000501*261126*0815*R*022~"},
		"a stranger":     {"*ZZ*NORDLAGER      *ZZ*", "*ZZ*SUEDLAGER      *ZZ*", ""},
		"not asked":      {"*1*P*>", "*0*P*>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(asks, c.from) {
				t.Fatalf("%q is not in the sample", c.from)
			}
			s := newSite(t, x12Config)
			s.drop("a.edi", strings.Replace(asks, c.from, c.to, 1))
			s.mustStep()
			var reports []string
			for _, file := range s.list("in") {
				if text := s.read("in/" + file); strings.Contains(text, "TA1*") {
					reports = append(reports, text)
				}
			}
			if (c.want == "") != (len(reports) == 0) || len(reports) > 1 {
				t.Fatalf("reports %q, want %q", reports, c.want)
			}
			if c.want == "" {
				return
			}
			if !strings.Contains(reports[0], c.want) {
				t.Errorf("reported\n%s\nwant %s", reports[0], c.want)
			}
			o, err := x12.Check(strings.NewReader(reports[0]))
			if err != nil || o.Bad() != nil || len(o.Interchanges) != 1 || o.Interchanges[0].Asked() || o.Interchanges[0].ISA.Element(8) != "NORDLAGER" {
				t.Errorf("%v, %v: %+v", err, o.Bad(), o.Interchanges)
			}
			if name == "good" {
				golden(t, "x12/ta1.golden", reports[0])
			}
			// Once, whatever ends the process.
			before := s.list("in")
			s.start()
			s.mustStep()
			if now := s.list("in"); !slices.Equal(now, before) {
				t.Errorf("answers %v became %v", before, now)
			}
		})
	}
}

// golden compares a text with the one that is kept; -update keeps it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}

// An interchange that the partner rejects as a whole is told like an order that he rejects: as the result of its command. One that he accepts still waits for its 997.
//
// Shows: S38, A18
func TestReportsOnWhatWasSent(t *testing.T) {
	s := newSite(t, strings.Replace(x12Config, "x12:\n", "x12:\n  ask_ta1: true\n", 1))
	p := s.sender()
	deliver(t, p, release(1, "SO-1", "A"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	deliver(t, p, release(1, "SO-2", "A"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	control := func(file string) string { return strings.Split(s.read("in/"+file), "*")[13] }
	if isa := strings.Split(s.read("in/940-SO-1-1.edi"), "*"); isa[14] != "1" {
		t.Errorf("ISA14 is %q", isa[14])
	}
	report := func(number, ta1 string) string {
		return "ISA*00*          *00*          *ZZ*NORDLAGER      *ZZ*DOCKLINE       *261126*0815*U*00401*" + number + "*0*P*>~\n" + ta1 + "IEA*0*" + number + "~\n"
	}
	s.drop("ta1a.edi", report("000000801", "TA1*"+control("940-SO-1-1.edi")+"*261126*0800*A*000~\nTA1*"+control("940-SO-2-1.edi")+"*261126*0800*R*006~\n"))
	s.mustStep()
	if got := conditionCodes(s); got != "x12_rejected" || summary(s.host) != "command.completed 1" || strings.Join(s.list("out/archive"), " ") != "ta1a.edi ta1a.edi.result.json" {
		t.Fatalf("conditions %q, %s, archive %v", got, summary(s.host), s.list("out/archive"))
	}
	r := s.host.events[0].GetCommandResult()
	if r.GetKey() != "release/SO-2" || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED || !strings.Contains(r.GetText(), "the sender's id is not known (TA1 code 006)") {
		t.Errorf("result %v", r)
	}
	if f := event.Validate(s.host.events[0]); f != nil {
		t.Error(f)
	}
	s.start() // what was rejected is known behind a restart
	s.mustStep()
	if got := conditionCodes(s); got != "x12_rejected" {
		t.Errorf("behind a restart: conditions %q", got)
	}
	s.drop("997.edi", s.ack("940-SO-1-1.edi", "1AK9*A*1*1*1~\n"))
	s.mustStep()
	for _, o := range s.capture.partner.sent {
		if want := map[string]string{"SO-1": sentAccepted, "SO-2": sentRejected}[o.Number]; o.State != want {
			t.Errorf("%s is %s, want %s", o.Number, o.State, want)
		}
	}
	// What nobody sent is told to a person, and what is no report is refused with its segment.
	for i, c := range []struct{ ta1, want string }{
		{"TA1*000000009*261126*0800*R*006~\n", "x12_not_sent"},
		{"TA1*nine*261126*0800*A*000~\n", "x12_envelope"},
		{"TA1*000000009*261126*0800*Q*000~\n", "x12_envelope"},
	} {
		before := len(s.host.letters())
		s.drop(fmt.Sprintf("bad%d.edi", i), report(fmt.Sprintf("%09d", 911+i), c.ta1))
		s.mustStep()
		if l := s.host.letters(); len(l) != before+1 || l[before].GetCode() != c.want {
			t.Errorf("%s: letters %v", c.ta1, l[before:])
		}
	}
}
