package wmsfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/mapping"
)

func pickRows(from, n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("P%d;SO%d;SKU%d;%d;;2026-07-04T08:00:00;B%d;%d", from+i, (from+i)/3, i%5, 1+i%7, i%9, from+i)
	}
	return rows
}

func pickFile(rows ...string) string { return pickHeader + strings.Join(rows, "\n") + "\n" }

func TestFileIsTakenOnceAndArchivedWithItsResult(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	s.mustStep()
	if got := s.host.ids(false); len(got) != 3 || len(s.list("out")) != 0 {
		t.Fatalf("%d events, left %v", len(got), s.list("out"))
	}
	if got := strings.Join(s.list("out/archive"), " "); got != "picks1.csv picks1.csv.result.json" {
		t.Errorf("archive holds %s", got)
	}
	var r Result
	if err := json.Unmarshal([]byte(s.read("out/archive/picks1.csv.result.json")), &r); err != nil || r.Events != 3 || r.Refused != 0 || r.Sequence != 1 || r.Stream != "picks" || len(r.SHA256) != 64 {
		t.Errorf("result %+v, %v", r, err)
	}
	batches := s.host.batches
	s.mustStep()
	if s.host.batches != batches {
		t.Error("a step with nothing to do wrote to the journal")
	}
}

// The same file again gives nothing new, under its own or another name; its dead letters too.
func TestSameFileTwice(t *testing.T) {
	s := newSite(t, testConfig)
	data := pickFile(append(pickRows(1, 3), "P9;SO1;SKU;x;;2026-07-04T08:00:00;B;1")...)
	s.drop("picks1.csv", data)
	s.mustStep()
	events := len(s.host.events)
	s.drop("picks1.csv", data)
	s.mustStep()
	s.drop("picks-copy.csv", data)
	s.mustStep()
	if len(s.host.events) != events || events != 4 || len(s.list("out")) != 0 {
		t.Errorf("%d events became %d, left %v", events, len(s.host.events), s.list("out"))
	}
	if got := s.read("out/error/picks-copy.csv.result.json"); !strings.Contains(got, "repeated") || !strings.Contains(got, "picks1.csv, taken at") {
		t.Errorf("result of the repeated file: %s", got)
	}
	// Without the memory in the data folder the ids do it.
	if err := os.RemoveAll(s.dataDir); err != nil {
		t.Fatal(err)
	}
	before := s.host.ids(false)
	if err := os.MkdirAll(s.dataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.drop("picks2.csv", data)
	s.mustStep()
	if got := s.host.ids(false); !slices.Equal(got, before) {
		t.Errorf("ids %v, before %v", got, before)
	}
}

// Any order of rows and any way of splitting them over files gives the same ids.
func TestRowsInAnyOrderAndAnyFilesAreTheSameEvents(t *testing.T) {
	rows := pickRows(1, 40)
	var want []string
	for seed := range uint64(15) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newSite(t, testConfig)
		shuffled := slices.Clone(rows)
		if seed > 0 {
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		}
		for part := 0; len(shuffled) > 0; part++ {
			n := 1 + r.IntN(len(shuffled))
			if seed == 0 {
				n = len(shuffled)
			}
			s.drop(fmt.Sprintf("picks%d.csv", part), pickFile(shuffled[:n]...))
			shuffled = shuffled[n:]
			if r.IntN(2) == 0 {
				s.mustStep()
			}
		}
		s.mustStep()
		got := s.host.ids(false)
		if want == nil {
			want = got
		}
		if len(got) != 40 || !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d ids differ from those of one file", seed, len(got))
		}
	}
}

func TestSecondFileWithOneRowAdded(t *testing.T) {
	s := newSite(t, testConfig)
	rows := pickRows(1, 5)
	s.drop("picks1.csv", pickFile(rows...))
	s.mustStep()
	slices.Reverse(rows)
	s.drop("picks2.csv", pickFile(append(rows, pickRows(6, 1)...)...))
	s.mustStep()
	if got := s.host.ids(false); len(got) != 6 {
		t.Errorf("%d events, want 6", len(got))
	}
}

func TestTwoGenuineIdenticalPicks(t *testing.T) {
	s := newSite(t, strings.Replace(testConfig, "key: [id]", "key: "+mapping.RowAndOccurrence, 1))
	row := pickRows(1, 1)[0]
	data := pickFile(row, pickRows(2, 1)[0], row)
	s.drop("picks1.csv", data)
	s.mustStep()
	if got := s.host.ids(false); len(got) != 3 {
		t.Fatalf("%d events, want 3: two equal rows in one file are two picks", len(got))
	}
	s.drop("picks2.csv", data+"\n\n")
	s.mustStep()
	if got := s.host.ids(false); len(got) != 3 {
		t.Errorf("%d events after the same rows in a second file, want 3", len(got))
	}
}

// A crash at any batch, before or after it became durable, and at any file that is to be moved, loses nothing and doubles nothing.
func TestCrashAnywhere(t *testing.T) {
	fill := func(s *site) {
		s.drop("picks1.csv", pickFile(pickRows(1, 2*batchEvents+10)...))
		s.drop("ships1.csv", "ship;order;sku;qty;at\nS1;SO1;A;1;2026-07-04T09:00:00\nS2;SO1;A;1;2026-07-04T09:00:00\nS1;SO1;B;2;2026-07-04T09:00:00\n")
		s.drop("picks2.csv", pickFile(append(pickRows(1000, batchEvents), "bad;SO;SKU;-1;;2026-07-04T09:00:00;B;1")...))
	}
	clean := newSite(t, testConfig)
	fill(clean)
	clean.mustStep()
	wantEvents, wantRefused, batches := clean.host.ids(false), clean.host.ids(true), clean.host.batches
	if len(wantEvents) != 3*batchEvents+12 || len(wantRefused) != 1 || batches < 4 {
		t.Fatalf("%d events, %d refused, %d batches", len(wantEvents), len(wantRefused), batches)
	}
	for at := 1; at <= batches; at++ {
		for _, durable := range []bool{false, true} {
			s := newSite(t, testConfig)
			fill(s)
			s.host.failAt, s.host.durable = at, durable
			if err := s.step(); err == nil {
				t.Fatalf("batch %d: no crash", at)
			}
			if !durable && at == 1 && len(s.list("out/archive")) > 0 {
				t.Fatal("a file moved before its events were durable")
			}
			s.start()
			s.mustStep()
			if !slices.Equal(s.host.ids(false), wantEvents) || !slices.Equal(s.host.ids(true), wantRefused) || len(s.list("out")) != 0 {
				t.Errorf("crash at batch %d (durable %v): %d events, %d refused, left %v", at, durable, len(s.host.ids(false)), len(s.host.ids(true)), s.list("out"))
			}
			if len(s.host.events) != len(wantEvents)+1 {
				t.Errorf("crash at batch %d (durable %v): %d events were told for %d", at, durable, len(s.host.events), len(wantEvents)+1)
			}
		}
	}
}

func TestFileThatCannotBeMovedIsNotToldAgain(t *testing.T) {
	s := newSite(t, testConfig)
	// A file stands where the archive folder should be.
	if err := os.WriteFile(filepath.Join(s.root, "out", "archive"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	for range 3 {
		s.mustStep()
	}
	s.start() // and over a restart
	s.mustStep()
	s.clock = s.clock.Add(patience)
	s.mustStep()
	if len(s.host.events) != 3 || len(s.list("out")) != 2 {
		t.Errorf("%d events, left %v", len(s.host.events), s.list("out"))
	}
	if len(s.host.conditions) == 0 || s.host.conditions[0].GetCode() != "files_stuck" || !strings.Contains(s.host.conditions[0].GetText(), "picks1.csv") {
		t.Errorf("conditions %v", s.host.conditions)
	}
	if err := os.Remove(filepath.Join(s.root, "out", "archive")); err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	if len(s.host.events) != 3 || len(s.list("out")) != 0 || len(s.list("out/archive")) != 2 || len(s.host.conditions) != 0 {
		t.Errorf("%d events, left %v, archive %v, conditions %v", len(s.host.events), s.list("out"), s.list("out/archive"), s.host.conditions)
	}
}

// After a lost disk the collector gives back an older cursor: what was taken after it comes again out of the archive.
func TestOlderCursorReadsTheArchiveAgain(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	s.mustStep()
	older := s.host.cursor
	s.drop("picks2.csv", pickFile(append(pickRows(10, 3), "bad;SO;SKU;x;;2026-07-04T09:00:00;B;1")...))
	s.drop("picks3.csv", pickFile(pickRows(20, 3)...))
	s.mustStep()
	want, refused := s.host.ids(false), s.host.ids(true)
	for _, lost := range []bool{false, true} {
		if lost {
			if err := os.Remove(filepath.Join(s.dataDir, "taken.jsonl")); err != nil {
				t.Fatal(err)
			}
		}
		first := s.host.events[:3]
		s.host = &host{cursor: older, events: slices.Clone(first)}
		s.start()
		if !slices.Equal(s.host.ids(false), want) || !slices.Equal(s.host.ids(true), refused) || len(s.host.events) != 10 {
			t.Errorf("data folder lost %v: %d events, want %d", lost, len(s.host.events), len(want)+len(refused))
		}
		s.mustStep()
		s.drop("picks4.csv", pickFile(pickRows(30, 1)...))
		s.mustStep()
		if c, err := parseCursor(s.host.cursor); err != nil || c.Sequence < 4 || len(s.host.ids(false)) != 10 {
			t.Errorf("data folder lost %v: sequence %d, %d events, %v", lost, c.Sequence, len(s.host.ids(false)), err)
		}
		for _, path := range []string{"out/archive/picks4.csv", "out/archive/picks4.csv" + resultSuffix} {
			if err := os.Remove(filepath.Join(s.root, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A new beginning, with no cursor, leaves the archive alone: under another plugin id its events would be new ones.
func TestNewBeginningLeavesTheArchive(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	s.mustStep()
	s.host = &host{}
	s.start()
	s.mustStep()
	if len(s.host.events) != 0 {
		t.Errorf("%d events", len(s.host.events))
	}
}

func TestNamesAreUsedAgain(t *testing.T) {
	s := newSite(t, testConfig)
	for i := range 3 {
		s.drop("picks.csv", pickFile(pickRows(10*i, 2)...))
		s.mustStep()
	}
	if got := s.list("out/archive"); len(s.host.ids(false)) != 6 || len(got) != 6 || !slices.Contains(got, "picks.3.csv") {
		t.Errorf("%d events, archive %v", len(s.host.ids(false)), got)
	}
}

func TestFileWrittenAgainBeforeItMoves(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks.csv", pickFile(pickRows(1, 2)...))
	s.start()
	complete, _, _, err := s.capture.folder.scan(s.clock, s.capture.cursor.isDone)
	if err != nil || len(complete) != 1 {
		t.Fatal(complete, err)
	}
	if took, err := s.capture.take(t.Context(), complete[0]); err != nil || !took {
		t.Fatal(took, err)
	}
	s.drop("picks.csv", pickFile(pickRows(1, 3)...)) // the WMS appends
	if err := s.capture.settle(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if len(s.list("out")) != 1 {
		t.Fatal("a file was put away that nobody has read")
	}
	s.mustStep()
	if got := s.host.ids(false); len(got) != 3 || len(s.list("out")) != 0 {
		t.Errorf("%d events, left %v", len(got), s.list("out"))
	}
}

func TestConfigChangeReadsRefusedFileAnew(t *testing.T) {
	s := newSite(t, testConfig)
	data := strings.Replace(pickFile(pickRows(1, 2)...), "sku", "artikel", 1)
	s.drop("picks.csv", data)
	s.mustStep()
	if len(s.host.ids(false)) != 0 || len(s.host.letters()) != 1 {
		t.Fatalf("%d events, letters %v", len(s.host.ids(false)), s.host.letters())
	}
	s.config = strings.ReplaceAll(s.config, "sku: item, qty: quantity, short", "artikel: item, qty: quantity, short")
	s.start()
	s.drop("picks.csv", data)
	s.mustStep()
	if len(s.host.ids(false)) != 2 {
		t.Errorf("%d events after the configuration was corrected, want 2", len(s.host.ids(false)))
	}
}

// A WMS that uses one name for ever renames its next export over the last one at any moment, also while that one is put away. Some
// exports are gone unread, which is the WMS's doing; but no file lies in the archive that was not told.
func TestNoFileIsPutAwayUnread(t *testing.T) {
	s := newSite(t, testConfig)
	start := s.clock.Add(-time.Hour)
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			next := filepath.Join(s.root, "next")
			err := os.WriteFile(next, []byte(pickFile(pickRows(n, 1)...)), 0o600)
			stamp := start.Add(time.Duration(n) * time.Millisecond) // no two in one tick of the file system's clock
			if err = errors.Join(err, os.Chtimes(next, stamp, stamp), os.Rename(next, filepath.Join(s.root, "out", "picks.csv"))); err != nil {
				ended <- err
				return
			}
		}
	}()
	for deadline := time.Now().Add(time.Minute); len(s.host.events) < 300 && time.Now().Before(deadline); {
		s.mustStep()
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.mustStep()
	told := map[string]bool{}
	for _, e := range s.host.events {
		told[e.GetPick().GetTask()] = true
	}
	files := 0
	for _, name := range s.list("out/archive") {
		raw, err := os.ReadFile(filepath.Join(s.root, "out/archive", name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, resultSuffix) {
			continue
		}
		files++
		if _, err := os.Stat(filepath.Join(s.root, "out/archive", name+resultSuffix)); err != nil {
			t.Error(err)
		}
		if id, _, _ := strings.Cut(strings.TrimPrefix(string(raw), pickHeader), ";"); !told[id] {
			t.Errorf("%s was put away, but its pick %s was never told", name, id)
		}
	}
	if files == 0 {
		t.Error("nothing was put away")
	}
}
