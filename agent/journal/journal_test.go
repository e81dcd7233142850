package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// Events come out in the order in which they went in, with the cursor that was committed with them, also after a reopen.
// Shows: S52
func TestAcceptedEventsComeOutInOrder(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 3)
	appendEvents(t, j, "wms", 3, 250)
	appendEvents(t, j, "scanner", 0, 1)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{})
	for plugin, want := range map[string]string{"wms": "253", "scanner": "1", "other": ""} {
		if cursor, err := j.Cursor(context.Background(), plugin); err != nil || string(cursor) != want {
			t.Errorf("cursor of %s: %q %v, want %q", plugin, cursor, err, want)
		}
	}
	envelopes, err := j.Next(journal.Position{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(1)
	c := newCentre(t)
	for _, e := range envelopes {
		if e.FirstSeq != next || int(e.Count) > 2*journal.PackEvents {
			t.Errorf("pack of %d events from %d, want from %d", e.Count, e.FirstSeq, next)
		}
		next = e.LastSeq + 1
		c.take(e)
	}
	c.wantAll("wms", 0, 253)
	c.wantAll("scanner", 0, 1)
	if next != 255 {
		t.Errorf("ends at %d, want 254", next-1)
	}
	last := envelopes[len(envelopes)-1]
	if len(last.Cursors) != 2 || string(last.Cursors[0].Cursor) != "1" || string(last.Cursors[1].Cursor) != "253" {
		t.Errorf("cursors as of the last event: %v", last.Cursors)
	}
	if s := j.Stats(); s.Events != 254 || s.CapturedTotal != 254 || s.LastSeq != 0 || s.OldestAt.IsZero() {
		t.Errorf("stats %+v", s)
	}
}

// An envelope of a pack that ends within a batch carries the cursor before that batch: restoring it loses nothing.
func TestCursorInEnvelopeNeverRunsAhead(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	appendEvents(t, j, "wms", 0, 10)
	appendEvents(t, j, "wms", 10, 1000)
	envelopes, err := j.Next(journal.Position{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range envelopes {
		want := "10"
		if e.LastSeq == 1010 {
			want = "1010"
		}
		if got := string(e.Cursors[0].Cursor); got != want {
			t.Errorf("cursor at %d is %s, want %s", e.LastSeq, got, want)
		}
	}
	if len(envelopes) != 10 {
		t.Errorf("%d packs of 1010 events, want 10", len(envelopes))
	}
}

func TestCompletenessWithoutEvents(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	at := timestamppb.New(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	for _, stream := range []string{"picks", "counts", "picks"} {
		entry := journal.Entry{Plugin: "wms", CompleteThrough: []*docklinev1.CompleteThrough{{Stream: stream, Time: at, MovesStock: stream == "picks"}}}
		if err := j.Append(context.Background(), entry); err != nil {
			t.Fatal(err)
		}
		at = timestamppb.New(at.AsTime().Add(time.Hour))
	}
	j.Close()
	j = open(t, dir, journal.Options{})
	s := j.Stats()
	if s.Events != 0 || len(s.Cursors) != 1 || len(s.Cursors[0].CompleteThrough) != 2 {
		t.Fatalf("stats %+v", s)
	}
	if got := s.Cursors[0].CompleteThrough[0]; got.Stream != "picks" || got.Time.AsTime().Hour() != 11 || !got.MovesStock {
		t.Errorf("picks complete through %v, want 11:00", got)
	}
	if envelopes, err := j.Next(journal.Position{}, 1); err != nil || len(envelopes) != 0 {
		t.Errorf("%d envelopes %v, want none", len(envelopes), err)
	}
}

// A pack may grow until it is handed out, not after.
func TestPackIsImmutableOnceHandedOut(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 2)
	appendEvents(t, j, "wms", 2, 3)
	first, err := j.Next(journal.Position{}, 10)
	if err != nil || len(first) != 1 || first[0].Count != 5 {
		t.Fatalf("%v %v, want one pack of 5", first, err)
	}
	c.take(first[0])
	appendEvents(t, j, "wms", 5, 4)
	j.Close()
	j = open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 9, 1)
	var counts []uint32
	var position journal.Position
	for {
		again, err := j.Next(position, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) == 0 {
			break
		}
		for _, e := range again {
			c.take(e)
			counts = append(counts, e.Count)
			position = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
		}
	}
	if fmt.Sprint(counts) != "[5 4 1]" {
		t.Errorf("packs of %v events, want [5 4 1]", counts)
	}
	c.wantAll("wms", 0, 10)
}

// A reader that has taken all gets the next event in a pack of its own at once, without a second commit.
func TestHungryReaderCostsNoSecondCommit(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	if e, err := j.Next(journal.Position{}, 1); err != nil || len(e) != 0 {
		t.Fatal(e, err)
	}
	changed := j.Changed()
	appendEvents(t, j, "wms", 0, 1)
	select {
	case <-changed:
	default:
		t.Fatal("Changed is silent after an append")
	}
	if e, err := j.Next(journal.Position{}, 1); err != nil || len(e) != 1 {
		t.Fatal(e, err)
	}
	if s := j.Stats(); s.Commits != 1 {
		t.Errorf("%d commits, want 1", s.Commits)
	}
}

func TestTrim(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 100)
	appendEvents(t, j, "wms", 100, 100)
	appendEvents(t, j, "wms", 200, 5)
	envelopes, err := j.Next(journal.Position{}, 2)
	if err != nil || len(envelopes) != 2 {
		t.Fatal(envelopes, err)
	}
	epoch, crc := envelopes[0].Epoch, envelopes[0].Crc
	c.take(envelopes[0])
	c.take(envelopes[1])
	tests := []struct {
		name string
		ack  *docklinev1.Ack
		want journal.Outcome
		left uint64
	}{
		{"an epoch of another life", &docklinev1.Ack{Epoch: strings.Repeat("0", 32), Watermark: 100, Crc: crc}, journal.Ignored, 205},
		{"nothing yet", &docklinev1.Ack{Epoch: epoch}, journal.Ignored, 205},
		{"another CRC", &docklinev1.Ack{Epoch: epoch, Watermark: 100, Crc: crc + 1}, journal.ForkNeeded, 205},
		{"within a pack", &docklinev1.Ack{Epoch: epoch, Watermark: 50, Crc: crc}, journal.ForkNeeded, 205},
		{"what was never handed out", &docklinev1.Ack{Epoch: epoch, Watermark: 205, Crc: crc}, journal.ForkNeeded, 205},
		{"what does not exist", &docklinev1.Ack{Epoch: epoch, Watermark: 900, Crc: crc}, journal.ForkNeeded, 205},
		{"the first pack", &docklinev1.Ack{Epoch: epoch, Watermark: 100, Crc: crc}, journal.Trimmed, 105},
		{"the same again", &docklinev1.Ack{Epoch: epoch, Watermark: 100, Crc: crc}, journal.Ignored, 105},
		{"an older one later", &docklinev1.Ack{Epoch: epoch, Watermark: 50, Crc: crc}, journal.Ignored, 105},
		{"the second pack", &docklinev1.Ack{Epoch: epoch, Watermark: 200, Crc: envelopes[1].Crc}, journal.Trimmed, 5},
	}
	for _, test := range tests {
		outcome, err := j.Trim(test.ack)
		if err != nil || outcome != test.want || j.Stats().Events != test.left {
			t.Errorf("%s: %v %v with %d left, want %v with %d", test.name, outcome, err, j.Stats().Events, test.want, test.left)
		}
	}
	c.drain(j)
	c.wantAll("wms", 200, 5)
}

// Files that are drained are deleted; the captured total and the cursors go on.
func TestDrainedEpochsAreDeleted(t *testing.T) {
	dir := testenv.Folder(t)
	c := newCentre(t)
	for n := range 4 {
		j := open(t, dir, journal.Options{})
		appendEvents(t, j, "wms", n*10, 10)
		if n == 2 {
			c.drain(j)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, dir, journal.Options{})
	files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db"))
	if err != nil || len(files) != 2 {
		t.Errorf("files %v %v, want the one of the last ten events and the new one", files, err)
	}
	epochs := j.Epochs()
	if len(epochs) != 2 || epochs[0].LastSeq != 10 || epochs[1].Ordinal != 5 || epochs[1].Predecessor != epochs[0].Epoch || epochs[1].PredecessorLastSeq != 10 {
		t.Errorf("epochs %v", epochs)
	}
	c.drain(j)
	c.wantAll("wms", 0, 40)
	if s := j.Stats(); s.CapturedTotal != 40 || s.Events != 0 || !s.OldestAt.IsZero() {
		t.Errorf("stats %+v", s)
	}
	if cursor, err := j.Cursor(t.Context(), "wms"); err != nil || string(cursor) != "40" {
		t.Errorf("cursor %q %v", cursor, err)
	}
}

// With keep_acknowledged packs stay until their age, and are sent again only to a collector that lost them.
func TestKeepAcknowledged(t *testing.T) {
	dir := testenv.Folder(t)
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	o := journal.Options{KeepAcknowledged: 24 * time.Hour, Now: func() time.Time { return now }}
	j := open(t, dir, o)
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 300)
	c.drain(j)
	j.Close()
	j = open(t, dir, o)
	if e, err := j.Next(journal.Position{}, 10); err != nil || len(e) != 0 {
		t.Fatalf("acknowledged packs come again: %v %v", e, err)
	}
	restored := newCentre(t)
	restored.incarnation = "two"
	hello := &docklinev1.Hello{Epochs: j.Epochs()}
	if outcome, err := j.Resume(hello, restored.ranges(hello)); err != nil || outcome != journal.Rewound {
		t.Fatalf("resume with an empty collector: %v %v, want rewound", outcome, err)
	}
	restored.drain(j)
	restored.wantAll("wms", 0, 300)
	if len(restored.gaps) != 0 {
		t.Errorf("gaps %v", restored.gaps)
	}
	now = now.Add(25 * time.Hour)
	j.Close()
	j = open(t, dir, o)
	if epochs := j.Epochs(); len(epochs) != 1 {
		t.Errorf("%d epochs after a day, want the new one only", len(epochs))
	}
}

// What was acknowledged by a database that is gone, and is no longer here, is declared; the rest is sent again.
func TestRestoredCollectorWithNothingKept(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 300)
	c.drain(j)
	appendEvents(t, j, "wms", 300, 20)
	gone := j.Epochs()[0].Epoch
	restored := newCentre(t)
	restored.incarnation = "two"
	hello := &docklinev1.Hello{Epochs: j.Epochs()}
	outcome, err := j.Resume(hello, restored.ranges(hello))
	if err != nil || outcome != journal.ForkNeeded {
		t.Fatalf("resume: %v %v, want a fork", outcome, err)
	}
	if err := j.Fork("test"); err != nil {
		t.Fatal(err)
	}
	restored.drain(j)
	restored.wantAll("wms", 300, 20)
	// The packs of the first three hundred may still lie in the file, not yet deleted: then they are sent, and are no gap.
	for _, gap := range restored.gaps {
		if gap.Epoch != gone || len(restored.missing("wms", int(gap.FirstSeq)-1, int(gap.LastSeq-gap.FirstSeq)+1)) == 0 {
			t.Errorf("gap %v although nothing of it is missing", gap)
		}
	}
	if len(restored.gaps) == 0 {
		restored.wantAll("wms", 0, 300)
	}
	if outcome, err := j.Resume(hello, restored.ranges(hello)); err != nil || outcome != journal.Ignored {
		t.Errorf("resume again: %v %v", outcome, err)
	}
}

// A disk that was rolled back: the collector knows more of the epoch than Hello says. All is sent again under a new one.
func TestRolledBackDiskForks(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 150)
	hello := &docklinev1.Hello{Epochs: j.Epochs()}
	reply := &docklinev1.HelloReply{Incarnation: "one", Received: []*docklinev1.EpochRange{{Epoch: hello.Epochs[0].Epoch, LastSeq: 400, Ranges: []*docklinev1.SeqRange{{First: 1, Last: 400}}}}}
	if outcome, err := j.Resume(hello, reply); err != nil || outcome != journal.ForkNeeded {
		t.Fatalf("%v %v, want a fork", outcome, err)
	}
	old := j.Epochs()
	if err := j.Fork("the collector knows more than this disk"); err != nil {
		t.Fatal(err)
	}
	epochs := j.Epochs()
	if len(epochs) != 2 || epochs[1].Epoch == old[0].Epoch || epochs[1].Predecessor != old[0].Epoch || epochs[1].LastSeq != 150 {
		t.Fatalf("after the fork: %v", epochs)
	}
	want := &docklinev1.EpochRange{
		Epoch: old[0].Epoch, Ordinal: 1, LastSeq: 150, Ranges: []*docklinev1.SeqRange{{First: 1, Last: 150}},
		MovedTo: epochs[1].Epoch, MovedThrough: 150,
	}
	if !proto.Equal(epochs[0], want) {
		t.Errorf("moved: %v, want %v", epochs[0], want)
	}
	// A position in the old epoch still has its place: before all of the new one.
	envelopes, err := j.Next(journal.Position{Epoch: old[0].Epoch, Seq: 150}, 10)
	if err != nil || len(envelopes) == 0 || envelopes[0].FirstSeq != 1 {
		t.Errorf("next behind the old epoch: %v %v", envelopes, err)
	}
	c.drain(j)
	c.wantAll("wms", 0, 150)
	if s := j.Stats(); s.CapturedTotal != 150 || s.Events != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestOneProcessOnly(t *testing.T) {
	dir := testenv.Folder(t)
	open(t, dir, journal.Options{})
	if second, err := journal.Open(dir, journal.Options{}); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("second open: %v %v, want journal.ErrLocked", second, err)
	}
	if err := journal.EachIn(t.Context(), dir, true, func(journal.Held) bool { return true }); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("read beside it: %v, want journal.ErrLocked", err)
	}
}

func TestLeftoversOfACrashAreRemoved(t *testing.T) {
	dir := testenv.Folder(t)
	left := filepath.Join(dir, "epoch-00000001-"+strings.Repeat("a", 32)+".db"+journal.TemporarySuffix)
	if err := os.WriteFile(left, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, journal.Options{})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v, want it gone", left, err)
	}
}

// A crash between the end of a fork and the deletion of the old file leaves both; the old one goes at the next open.
func TestCrashAtTheEndOfAFork(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 150)
	j.Close()
	old := epochFiles(t, dir)[0]
	left, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{})
	if err := j.Fork("test"); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if err := os.WriteFile(old, left, 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{})
	if s := j.Stats(); s.Events != 150 {
		t.Errorf("%d events held, want 150 once", s.Events)
	}
	c := newCentre(t)
	c.drain(j)
	c.wantAll("wms", 0, 150)
}

// A commit that was written although its sync failed counts as the file has it, and the next one goes behind it.
func TestCommitThatFailedAfterAll(t *testing.T) {
	for _, count := range []int{1, 150} {
		dir := testenv.Folder(t)
		j := open(t, dir, journal.Options{})
		appendEvents(t, j, "wms", 0, 10)
		journal.Unlearn(j, func() { appendEvents(t, j, "wms", 10, count) })
		appendEvents(t, j, "wms", 10+count, 5)
		c := newCentre(t)
		c.drain(j)
		c.wantAll("wms", 0, 15+count)
		if len(c.gaps) > 0 || len(asideFiles(t, dir)) > 0 {
			t.Errorf("gaps %v, files set aside %v", c.gaps, asideFiles(t, dir))
		}
	}
}

// The newest epoch names all before it that gave anything, also those whose files are long gone and those between which an empty one lay, each with
// what stayed its own: a database that was put back to before them asks for what it lacks by these names. What has moved into a newer epoch
// is that one's.
func TestTheNewestEpochNamesThoseBefore(t *testing.T) {
	dir := testenv.Folder(t)
	c := newCentre(t)
	var want []*docklinev1.EpochRange
	start := func(events int) {
		j := open(t, dir, journal.Options{})
		if events > 0 {
			appendEvents(t, j, "wms", 0, events)
			c.drain(j)
			newest := j.Epochs()[len(j.Epochs())-1]
			want = append(want, &docklinev1.EpochRange{Epoch: newest.Epoch, Ordinal: newest.Ordinal, LastSeq: uint64(events)})
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before := func(j *journal.Journal) []*docklinev1.EpochRange {
		epochs := j.Epochs()
		for _, e := range epochs[:len(epochs)-1] {
			if len(e.Before) > 0 {
				t.Errorf("an older epoch names those before it too: %v", e)
			}
		}
		return epochs[len(epochs)-1].Before
	}
	start(3)
	start(0)
	start(5)
	start(0)
	j := open(t, dir, journal.Options{})
	if got := before(j); !slices.EqualFunc(got, want, func(a, b *docklinev1.EpochRange) bool { return proto.Equal(a, b) }) {
		t.Fatalf("before: %v, want %v", got, want)
	}
	appendEvents(t, j, "wms", 0, 7) // never drained: a fork takes it over whole
	if err := j.Fork("test"); err != nil {
		t.Fatal(err)
	}
	c.drain(j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{})
	got := before(j)
	if len(got) != 3 || !proto.Equal(got[1], want[1]) || got[2].LastSeq != 7 || got[2].Ordinal != 6 {
		t.Errorf("after the fork: %v", got)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for range 65 {
		start(1)
	}
	if got := before(open(t, dir, journal.Options{})); len(got) != 64 || !proto.Equal(got[63], want[len(want)-1]) {
		t.Errorf("%d epochs are named, the last one %v", len(got), got[len(got)-1])
	}
}
