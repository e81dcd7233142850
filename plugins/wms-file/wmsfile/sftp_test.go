package wmsfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A partner's SFTP server is a folder like any other: files are taken once, answered, and put away there; a line that is cut, a half-written file and a restart lose nothing and tell
// nothing twice.
//
// Shows: S38
func TestSFTP(t *testing.T) {
	ssh := newSSHD(t)
	config := strings.Replace(x12Config, "complete: {by: rename}", "complete: {by: stable, stable: 2s}", 1)
	s := ssh.site(t, config)
	at := s.connect()

	s.drop("945.edi", sampleEDI(t, "945-0001.edi")[:400]) // half of it
	s.mustStep()
	s.drop("945.edi", sampleEDI(t, "945-0001.edi"))
	s.mustStep()
	if n := len(s.host.events); n != 0 {
		t.Fatalf("%d events of a file that is still being written", n)
	}
	s.clock = s.clock.Add(3 * time.Second)
	s.mustStep()
	if n := len(s.host.ids(false)); n != 5 || len(s.list("in")) != 1 || slices.Contains(s.list("out"), "945.edi") {
		t.Fatalf("%d events, answers %v, left %v", n, s.list("in"), s.list("out"))
	}
	if got := strings.Join(s.list("out/archive"), " "); got != "945.edi 945.edi.result.json" {
		t.Errorf("the server's archive holds %s", got)
	}

	// A bad file, with the text for a person beside it, on the server.
	s.drop("bad.edi", strings.NewReplacer("000000502", "000000602", "*40*EA", "*forty*EA").Replace(sampleEDI(t, "944-0001.edi")))
	s.mustStep()
	s.clock = s.clock.Add(3 * time.Second)
	s.mustStep()
	if got := strings.Join(s.list("out/error"), " "); got != "bad.edi bad.edi.result.json bad.edi.txt" {
		t.Errorf("the server's error folder holds %s", got)
	}

	// The server goes away in the middle; what was told is put away when it is back, and told once.
	s.drop("943.edi", sampleEDI(t, "943-0001.edi"))
	s.mustStep()
	before := len(s.host.events)
	ssh.stop()
	at.close()
	s.clock = s.clock.Add(3 * time.Second)
	s.mustStep()
	if len(s.host.events) != before || s.host.devices[0].GetReachable() || !strings.Contains(s.host.devices[0].GetText(), "sftp server") {
		t.Errorf("devices %v", s.host.devices)
	}
	ssh.start()
	s.connect() // and the plugin is started anew
	s.mustStep()
	s.clock = s.clock.Add(3 * time.Second)
	s.mustStep()
	if len(s.host.events) != before+1 || slices.Contains(s.list("out"), "943.edi") {
		t.Errorf("%d events after %d, left %v", len(s.host.events), before, s.list("out"))
	}

	// Told here and not put away there: it is fetched again, and nothing is told twice.
	s.drop("again.edi", sampleEDI(t, "943-0001.edi"))
	s.mustStep()
	s.clock = s.clock.Add(3 * time.Second)
	s.mustStep()
	if len(s.host.events) != before+1 || slices.Contains(s.list("out"), "again.edi") {
		t.Errorf("%d events after %d, left %v", len(s.host.events), before, s.list("out"))
	}

	// One that cannot be fetched keeps nobody waiting but itself: it is named, and its stream is complete up to it and no further.
	s.drop("odd name.edi", sampleEDI(t, "944-0001.edi"))
	odd, err := os.Stat(filepath.Join(s.root, "out", "odd name.edi"))
	if err != nil {
		t.Fatal(err)
	}
	s.drop("good.edi", strings.NewReplacer("000000502", "000000702", "WR-31", "WR-71").Replace(sampleEDI(t, "944-0001.edi")))
	before = len(s.host.events)
	s.mustStep()
	s.clock = s.clock.Add(3 * time.Second)
	s.mustStep()
	if len(s.host.events) == before || slices.Contains(s.list("out"), "good.edi") || !slices.Contains(s.list("out"), "odd name.edi") {
		t.Errorf("%d events after %d, left %v", len(s.host.events), before, s.list("out"))
	}
	s.clock = s.clock.Add(time.Hour)
	s.mustStep()
	s.clock = s.clock.Add(time.Hour)
	s.mustStep()
	if got := conditionCodes(s); !strings.Contains(got, "files_stuck") || !strings.Contains(got, "files_waiting") {
		t.Errorf("conditions %q", got)
	}
	for name, p := range s.capture.cursor.Streams {
		if !p.Through.Before(odd.ModTime()) {
			t.Errorf("%s is said to be complete through %s, and a file of %s is not read", name, p.Through, odd.ModTime())
		}
	}

	// Orders go there by a rename, and once.
	p := &Plugin{Now: func() time.Time { return s.clock }}
	if p.sink, err = newSink(s.capture.setup, s.dataDir, s.capture.partner, s.capture.in); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		deliver(t, p, release(1, "SO-1", "A"), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	}
	orders := slices.DeleteFunc(s.list("in"), func(name string) bool { return !strings.HasPrefix(name, "940-") })
	if len(orders) != 1 || !strings.Contains(s.read("in/"+orders[0]), "W05*N*SO-1~") {
		t.Errorf("orders %v", orders)
	}
}

// A server with another key is not spoken to, and a person is told why.
func TestSFTPServersKeyIsPinned(t *testing.T) {
	server := newSSHD(t)
	s := server.site(t, x12Config)
	other := newKey(t, filepath.Join(server.dir, "other"))
	for name, c := range map[string]struct{ hosts, want string }{
		"another key": {knownhosts.Line([]string{server.address}, other) + "\n", "is another than the one in known_hosts"},
		"no key":      {"", "known_hosts has no key of this server"},
	} {
		if err := os.WriteFile(server.knownHosts, []byte(c.hosts), 0o600); err != nil {
			t.Fatal(err)
		}
		at := s.connect()
		s.drop("945.edi", sampleEDI(t, "945-0001.edi"))
		s.mustStep()
		if text := s.host.devices[0].GetText(); !strings.Contains(text, c.want) || len(s.host.events) > 0 {
			t.Errorf("%s: %q, %d events", name, text, len(s.host.events))
		}
		var key *knownhosts.KeyError
		if err := (remoteInbox{at, "/"}).check(); !errors.As(err, &key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
