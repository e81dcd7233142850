package wmsfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFileIsTakenWhenItIsStable(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "{by: rename}", "{by: stable, stable: 2s}", 1))
	s.drop("picks.csv", pickHeader)
	s.mustStep()
	s.clock = s.clock.Add(time.Second)
	s.drop("picks.csv", pickFile(pickRows(1, 2)...)) // the WMS goes on writing
	s.mustStep()
	s.clock = s.clock.Add(1900 * time.Millisecond)
	s.mustStep()
	if len(s.host.events) != 0 || len(s.list("out")) != 1 {
		t.Fatalf("%d events before the file was stable", len(s.host.events))
	}
	s.clock = s.clock.Add(100 * time.Millisecond)
	s.mustStep()
	if len(s.host.events) != 2 || len(s.list("out")) != 0 {
		t.Errorf("%d events, left %v", len(s.host.events), s.list("out"))
	}
}

func TestFileIsTakenWhenItsMarkerIsThere(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "{by: rename}", "{by: marker}", 1))
	s.drop("picks.csv", pickFile(pickRows(1, 2)...))
	s.mustStep()
	s.clock = s.clock.Add(2 * patience)
	s.mustStep()
	if len(s.host.events) != 0 || len(s.host.conditions) != 1 || s.host.conditions[0].GetCode() != "files_waiting" {
		t.Fatalf("%d events, conditions %v", len(s.host.events), s.host.conditions)
	}
	s.drop("picks.csv.done", "")
	s.mustStep()
	if len(s.host.events) != 2 || len(s.list("out")) != 0 || len(s.list("out/archive")) != 2 || len(s.host.conditions) != 0 {
		t.Errorf("%d events, left %v, conditions %v", len(s.host.events), s.list("out"), s.host.conditions)
	}
}

func TestFileIsTakenWhenItIsRenamed(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks.csv.tmp", pickFile(pickRows(1, 2)...))
	s.mustStep()
	if len(s.host.events) != 0 {
		t.Fatal("a temporary file was taken")
	}
	if err := os.Rename(filepath.Join(s.root, "out", "picks.csv.tmp"), filepath.Join(s.root, "out", "PICKS.CSV")); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if len(s.host.events) != 2 {
		t.Errorf("%d events", len(s.host.events))
	}
}

func TestUnknownFilesAndMissingFolderAreReported(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("readme.txt", "x")
	s.clock = s.clock.Add(2 * patience)
	s.mustStep()
	if len(s.host.conditions) != 1 || s.host.conditions[0].GetCode() != "files_unknown" || len(s.list("out")) != 1 {
		t.Errorf("conditions %v", s.host.conditions)
	}
	if err := os.RemoveAll(filepath.Join(s.root, "out")); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if d := s.host.devices; len(d) == 0 || d[0].GetReachable() || d[0].GetKind() != "folder" || !strings.Contains(d[0].GetText(), filepath.Join(s.root, "out")) {
		t.Errorf("devices %v", d)
	}
	if err := os.MkdirAll(filepath.Join(s.root, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.drop("picks.csv", pickFile(pickRows(1, 1)...))
	s.mustStep()
	if len(s.host.conditions) != 0 || len(s.host.events) != 1 || !s.host.devices[0].GetReachable() {
		t.Errorf("conditions %v, devices %v, %d events", s.host.conditions, s.host.devices, len(s.host.events))
	}
}

func TestFilesAreTakenOldestFirst(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks-z.csv", pickFile(pickRows(1, 1)...))
	s.drop("picks-a.csv", pickFile(pickRows(2, 1)...))
	s.mustStep()
	if s.host.events[0].GetSourceKey() != "picks/P1" || s.host.events[1].GetSourceKey() != "picks/P2" {
		t.Errorf("%s came first", s.host.events[0].GetSourceKey())
	}
}

func through(s *site, stream string) time.Time { return s.host.through[stream].GetTime().AsTime() }

func TestCompleteThrough(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "{by: rename}", "{by: marker}", 1))
	s.mustStep()
	begin := s.clock
	if got := through(s, "picks"); !got.Equal(begin.Add(-15 * time.Minute)) {
		t.Fatalf("an empty folder is complete through %s at %s", got, begin)
	}
	// A file that was taken: through its stamp.
	s.drop("picks1.csv", pickFile(pickRows(1, 1)...))
	first := s.clock
	s.drop("picks1.csv.done", "")
	s.mustStep()
	if got := through(s, "picks"); !got.Equal(first) || s.host.through["picks"].GetMovement() != 1 || !s.host.through["picks"].GetMovesStock() {
		t.Fatalf("complete through %v, want %s", s.host.through["picks"], first)
	}
	// A file that waits holds its stream, and only its own.
	s.drop("picks2.csv", pickFile(pickRows(2, 1)...))
	second := s.clock
	s.clock = s.clock.Add(time.Hour)
	s.mustStep()
	if got := through(s, "picks"); !got.Equal(first) {
		t.Errorf("complete through %s although a file of %s waits", got, second)
	}
	if got := through(s, "ships"); !got.Equal(s.clock.Add(-15 * time.Minute)) {
		t.Errorf("ships complete through %s at %s", got, s.clock)
	}
	// It never goes back, also over a restart.
	s.drop("picks2.csv.done", "")
	s.mustStep()
	s.start()
	s.clock = s.clock.Add(-2 * time.Hour)
	s.mustStep()
	if got := through(s, "picks"); got.Before(second) {
		t.Errorf("complete through went back to %s", got)
	}
}

// A pick file that nobody could read must not let a count find a variance.
func TestUnreadFileHoldsItsStreamUntilAPersonHasLooked(t *testing.T) {
	s := newSite(t, testConfig)
	s.mustStep()
	s.drop("picks.csv", "nonsense\n")
	at := s.clock
	s.clock = s.clock.Add(time.Minute)
	s.mustStep()
	s.clock = s.clock.Add(time.Hour)
	s.mustStep()
	if got := through(s, "picks"); !got.Before(at) {
		t.Fatalf("complete through %s although the file of %s was not read", got, at)
	}
	s.start()
	s.clock = s.clock.Add(time.Hour)
	s.mustStep()
	if got := through(s, "picks"); !got.Before(at) {
		t.Fatalf("after a restart: complete through %s", got)
	}
	for _, name := range s.list("out/error") {
		if err := os.Remove(filepath.Join(s.root, "out", "error", name)); err != nil {
			t.Fatal(err)
		}
	}
	s.clock = s.clock.Add(time.Hour)
	s.mustStep()
	if got := through(s, "picks"); !got.Equal(s.clock.Add(-15 * time.Minute)) {
		t.Errorf("complete through %s after the error folder was cleared at %s", got, s.clock)
	}
}

func TestIdleFolderWritesSeldom(t *testing.T) {
	s := newSite(t, testConfig)
	for range 120 {
		s.mustStep()
		s.clock = s.clock.Add(time.Second)
	}
	if s.host.batches < 2 || s.host.batches > 3 {
		t.Errorf("%d batches in two idle minutes", s.host.batches)
	}
}

// What looks like a file to be read and is none is told, not passed over; and the report ends when it is gone.
func TestAFolderOrALinkInPlaceOfAFileIsReported(t *testing.T) {
	s := newSite(t, testConfig)
	out := filepath.Join(s.root, "out")
	if err := os.Mkdir(filepath.Join(out, "picks.csv"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(out, "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	s.clock = s.clock.Add(2 * time.Minute)
	s.mustStep()
	if len(s.host.conditions) != 1 || s.host.conditions[0].GetCode() != "files_stuck" || !strings.Contains(s.host.conditions[0].GetText(), "picks.csv cannot be read (it is a folder") ||
		strings.Contains(s.host.conditions[0].GetText(), "other") {
		t.Errorf("conditions %v", s.host.conditions)
	}
	if err := os.Remove(filepath.Join(out, "picks.csv")); err != nil {
		t.Fatal(err)
	}
	s.drop("picks.csv", pickFile(pickRows(1, 1)...))
	s.mustStep()
	if len(s.host.conditions) != 0 || len(s.host.events) != 1 {
		t.Errorf("conditions %v, %d events", s.host.conditions, len(s.host.events))
	}
	if err := os.Symlink(filepath.Join(out, "archive", "picks.csv"), filepath.Join(out, "picks2.csv")); err != nil {
		t.Logf("no links on this system: %v", err)
		return
	}
	s.mustStep()
	s.clock = s.clock.Add(2 * time.Minute)
	s.mustStep()
	if len(s.host.conditions) != 1 || !strings.Contains(s.host.conditions[0].GetText(), "picks2.csv cannot be read (it is a link") {
		t.Errorf("conditions %v", s.host.conditions)
	}
	if err := os.Remove(filepath.Join(out, "picks2.csv")); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if len(s.host.conditions) != 0 {
		t.Errorf("it is gone, and still there is %v", s.host.conditions)
	}
}
