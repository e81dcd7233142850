package wmsfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// remoteConfig reads picks from a server.
func remoteConfig(by string) string {
	return strings.Replace(testConfig, "complete: {by: rename}", "complete: {by: "+by+", stable: 2s}", 1)
}

// pass lets time pass and looks once.
func (s *site) pass(d time.Duration) {
	s.t.Helper()
	s.clock = s.clock.Add(d)
	s.mustStep()
}

// copies are what the plugin keeps of the server's files on this machine.
func (s *site) copies() (all []string) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.dataDir, "sftp"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, d.Name())
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// A server that asks for a password is given the one in the file; a wrong one is told as what it is.
//
// Shows: S38
func TestSFTPByPassword(t *testing.T) {
	server := newSSHD(t)
	file := filepath.Join(server.dir, "password")
	server.password(file)
	s := newSite(t, remoteConfig("rename")+fmt.Sprintf("sftp: {address: %q, user: %q, known_hosts: %q, password: %q}\n", server.address, server.user, server.knownHosts, file))
	at := s.connect()
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	s.mustStep()
	s.pass(3 * time.Second)
	if n := len(s.host.events); n != 3 || len(s.list("out")) != 0 {
		t.Errorf("%d events, left %v; %v", n, s.list("out"), s.host.devices)
	}
	if err := os.WriteFile(file, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	at.close()
	s.pass(time.Second)
	if text := s.host.devices[0].GetText(); !strings.Contains(text, "does not let user "+server.user+" in with this password") {
		t.Errorf("with a wrong password the device is %q", text)
	}
}

// A server tells times by the second. What is written over within it, with as many bytes, is told as it is in the end, and alone.
func TestSFTPWrittenOverWithinTheSecond(t *testing.T) {
	server := newSSHD(t)
	s := server.site(t, remoteConfig("rename"))
	s.connect()
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	s.mustStep()
	first := s.clock
	s.drop("picks1.csv", pickFile(pickRows(4, 3)...))
	if err := os.Chtimes(filepath.Join(s.root, "out", "picks1.csv"), first, first); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if len(s.host.events) > 0 {
		t.Fatalf("%d events of a file that may still be written over without a trace", len(s.host.events))
	}
	s.pass(2 * time.Second)
	if got := tasks(s); got != "P4 P5 P6" || len(s.list("out")) > 0 {
		t.Errorf("told %s, left %v", got, s.list("out"))
	}
}

func tasks(s *site) string {
	var all []string
	for _, e := range s.host.events {
		all = append(all, e.GetPick().GetTask())
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// Who writes by SFTP without a rename, and pauses, goes on writing into a file that was put away: it comes back, and every row is told.
func TestSFTPWriterThatPauses(t *testing.T) {
	server := newSSHD(t)
	s := server.site(t, remoteConfig("stable"))
	s.connect()
	rows := pickRows(1, 6)
	s.drop("picks1.csv", pickFile(rows[:3]...))
	writer, err := os.OpenFile(filepath.Join(s.root, "out", "picks1.csv"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	s.mustStep()
	s.pass(3 * time.Second)
	if got := tasks(s); got != "P1 P2 P3" || strings.Join(s.list("out/archive"), " ") != "picks1.csv picks1.csv.result.json" {
		t.Fatalf("told %s, archive %v", got, s.list("out/archive"))
	}
	if _, err := writer.WriteString(strings.Join(rows[3:], "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
	s.connect() // and the plugin is started anew
	s.pass(6 * time.Second)
	s.pass(time.Second)
	s.pass(3 * time.Second)
	if got := tasks(s); got != "P1 P2 P3 P4 P5 P6" {
		t.Errorf("told %s; out %v, archive %v", got, s.list("out"), s.list("out/archive"))
	}
	s.pass(2 * time.Minute)
	if got := strings.Join(s.list("out/archive"), " "); got != "picks1.again-1.csv picks1.again-1.csv.result.json" {
		t.Errorf("the archive holds %s", got)
	}
	if left := s.copies(); len(left) > 0 {
		t.Errorf("copies stay on this machine: %v", left)
	}
}

// What a person does in the server's error folder ends what was said of it; no copies stay on this machine, and after a lost disk what the centre lacks is read from the server's archive.
func TestSFTPErrorFolderAndArchiveAreTheServers(t *testing.T) {
	server := newSSHD(t)
	s := server.site(t, remoteConfig("rename"))
	s.connect()
	take := func(name, text string) {
		t.Helper()
		s.drop(name, text)
		s.mustStep()
		s.pass(2 * time.Second)
	}
	take("picks1.csv", pickFile(pickRows(1, 2)...))
	older := slices.Clone(s.host.cursor)
	take("picks2.csv", pickFile(pickRows(3, 2)...))
	take("picks3.csv", "")
	s.pass(time.Minute) // an empty file is waited for
	if got := strings.Join(s.list("out/error"), " "); got != "picks3.csv picks3.csv.result.json picks3.csv.txt" || !strings.Contains(conditionCodes(s), "files_refused") {
		t.Fatalf("the error folder holds %s, conditions %s", got, conditionCodes(s))
	}
	if left := s.copies(); len(left) > 0 {
		t.Errorf("copies stay on this machine: %v", left)
	}
	held := s.host.through["picks"].GetTime().AsTime()
	s.pass(time.Hour)
	if now := s.host.through["picks"].GetTime().AsTime(); now.After(held) {
		t.Errorf("complete through %s, and %s is not read", now, "picks3.csv")
	}
	for _, name := range s.list("out/error") {
		if err := os.Remove(filepath.Join(s.root, "out", "error", name)); err != nil {
			t.Fatal(err)
		}
	}
	s.pass(time.Minute)
	if now := s.host.through["picks"].GetTime().AsTime(); !now.After(held) || strings.Contains(conditionCodes(s), "files_refused") {
		t.Errorf("complete through %s, conditions %s", now, conditionCodes(s))
	}

	if err := os.RemoveAll(s.dataDir); err != nil {
		t.Fatal(err)
	}
	s.host.cursor, s.host.events = older, nil
	s.connect()
	s.mustStep()
	if got := tasks(s); got != "P3 P4" {
		t.Errorf("read again: %s", got)
	}
}

// A server's clock may be wrong by hours. Files are taken all the same, and while one waits no stream is called complete up to a time at which it was already there.
func TestSFTPServersClock(t *testing.T) {
	for _, wrong := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			server := newSSHD(t)
			s := server.site(t, remoteConfig("stable"))
			s.connect()
			put := func(name string, rows ...string) {
				t.Helper()
				s.drop(name, pickFile(rows...))
				at := s.clock.Add(wrong)
				if err := os.Chtimes(filepath.Join(s.root, "out", name), at, at); err != nil {
					t.Fatal(err)
				}
			}
			s.mustStep()
			put("picks1.csv", pickRows(1, 2)...)
			s.mustStep()
			s.pass(3 * time.Second)
			if got := tasks(s); got != "P1 P2" || len(s.list("out")) > 0 {
				t.Fatalf("told %s, left %v", got, s.list("out"))
			}
			s.pass(time.Second)
			looked := s.clock
			put("picks2.csv", pickRows(3, 2)...)
			s.mustStep() // it is there, and waits
			for range 3 {
				put("picks2.csv", pickRows(3, 2)...) // its time changes
				s.pass(time.Second)
			}
			if through := s.capture.cursor.Streams["picks"].Through; through.After(looked) {
				t.Errorf("complete through %s, and a file waits since %s", through, looked)
			}
			s.pass(3 * time.Second)
			if got := tasks(s); got != "P1 P2 P3 P4" {
				t.Errorf("told %s", got)
			}
			s.pass(time.Hour)
			if through := s.host.through["picks"].GetTime().AsTime(); s.clock.Sub(through) > 16*time.Minute || through.After(s.clock) {
				t.Errorf("nothing waits, it is %s and complete through %s", s.clock, through)
			}
		})
	}
}
