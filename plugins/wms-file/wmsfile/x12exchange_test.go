package wmsfile

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

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
func (s *site) ack(order, verdict string) string { return s.ackOf(order, "OW", verdict) }

// ackOf is his 997 for a file of a functional group.
func (s *site) ackOf(order, functional, verdict string) string {
	s.t.Helper()
	parts := strings.Split(strings.Split(s.read("in/"+order), "\n")[1], "*")
	return "ISA*00*          *00*          *ZZ*NORDLAGER      *ZZ*DOCKLINE       *261126*0815*U*00401*00000090" + verdict[:1] + "*0*P*>~\nGS*FA*NORDLAGER*DOCKLINE*20261126*0815*90" + verdict[:1] + "*X*004010~\nST*997*0001~\n" +
		"AK1*" + functional + "*" + parts[6] + "~\n" + verdict[1:] + "SE*" + fmt.Sprint(strings.Count(verdict, "~")+3) + "*0001~\nGE*1*90" + verdict[:1] + "~\nIEA*1*00000090" + verdict[:1] + "~\n"
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
