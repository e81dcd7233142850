package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/testenv"
)

// world drives one journal by random steps and knows what must be true.
type world struct {
	*testing.T
	rand     *rand.Rand
	dir      string
	options  journal.Options
	journal  *journal.Journal
	centre   *centre
	accepted map[string]int // by plugin: events 0 to n-1 were accepted
	position journal.Position
}

var plugins = []string{"wms", "scanner", "erp-lite"}

func (w *world) append() {
	plugin := plugins[w.rand.IntN(len(plugins))]
	count := []int{0, 1, 1, 1, 1, 2, 3, 30, 99, 130}[w.rand.IntN(10)]
	from := w.accepted[plugin]
	err := w.journal.Append(context.Background(), journal.Entry{Plugin: plugin, Events: picks(plugin, from, count), Cursor: fmt.Append(nil, from+count)})
	if errors.Is(err, journal.ErrFull) {
		return
	}
	if err != nil {
		w.Fatal(err)
	}
	w.accepted[plugin] += count
}

func (w *world) next() {
	if w.rand.IntN(4) == 0 {
		w.position = journal.Position{}
	}
	envelopes, err := w.journal.Next(w.position, 1+w.rand.IntN(8))
	if err != nil {
		w.Fatal(err)
	}
	for i, e := range envelopes {
		if w.rand.IntN(10) > 0 { // else it is lost on the way
			w.centre.take(e)
		}
		if i > 0 && (e.EpochOrdinal < envelopes[i-1].EpochOrdinal || e.Epoch == envelopes[i-1].Epoch && e.FirstSeq != envelopes[i-1].LastSeq+1) {
			w.Fatalf("%d-%d of epoch %d comes behind %d-%d of epoch %d", e.FirstSeq, e.LastSeq, e.EpochOrdinal,
				envelopes[i-1].FirstSeq, envelopes[i-1].LastSeq, envelopes[i-1].EpochOrdinal)
		}
		w.position = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
	}
}

func (w *world) ack() {
	for _, e := range w.journal.Epochs() {
		ack := w.centre.ack(e.Epoch)
		lie := ack.Watermark > 0 && w.rand.IntN(30) == 0
		if lie {
			ack.Crc++
		}
		outcome, err := w.journal.Trim(ack)
		if err != nil {
			w.Fatal(err)
		}
		if outcome == journal.ForkNeeded {
			if !lie {
				w.Fatalf("an honest Ack %v asks for a fork", ack)
			}
			if err := w.journal.Fork("test"); err != nil {
				w.Fatal(err)
			}
			return
		}
	}
}

// reopen closes the journal and opens it again; crash leaves out what Close would write.
func (w *world) reopen(crash bool) {
	if crash {
		journal.Crash(w.journal)
	}
	if err := w.journal.Close(); err != nil {
		w.Fatal(err)
	}
	w.journal = open(w, w.dir, w.options)
	hello := w.centre.hello(w.journal)
	if outcome, err := w.journal.Resume(hello, w.centre.ranges(hello)); err != nil || outcome != journal.Ignored {
		w.Fatalf("resume with a collector that lost nothing: %v %v", outcome, err)
	}
}

func (w *world) check() {
	for _, plugin := range plugins {
		want := ""
		if w.accepted[plugin] > 0 {
			want = strconv.Itoa(w.accepted[plugin])
		}
		if cursor, err := w.journal.Cursor(context.Background(), plugin); err != nil || string(cursor) != want && !(want == "" && string(cursor) == "0") {
			w.Fatalf("cursor of %s is %q %v, want %q", plugin, cursor, err, want)
		}
	}
	s := w.journal.Stats()
	total := 0
	for _, n := range w.accepted {
		total += n
	}
	if s.CapturedTotal != uint64(total) || s.Bytes > s.LimitBytes {
		w.Fatalf("stats %+v, want %d captured", s, total)
	}
	if s.Events == 0 != s.OldestAt.IsZero() {
		w.Fatalf("%d events wait, the oldest from %v", s.Events, s.OldestAt)
	}
	// The files themselves: every one passes bbolt's own check.
	if err := journal.CheckFiles(w.journal); err != nil {
		w.Fatal(err)
	}
}

// Whatever the order of appends, reads, lost envelopes, Acks, lies, closings, crashes and rotations: each accepted event
// reaches the collector, nothing that was handed out changes, and cursors never run ahead.
// Shows: S52
func TestSequences(t *testing.T) {
	for seed := range testenv.Count("journal.sequences") {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			w := &world{T: t, rand: r, dir: testenv.Folder(t), centre: newCentre(t), accepted: map[string]int{}}
			w.options = journal.Options{LimitBytes: 1 << 20, RotateBytes: int64(36+r.IntN(60)) << 10, Now: func() time.Time { return now }}
			w.options.KeepAcknowledged = time.Duration(r.IntN(2)) * time.Hour
			w.journal = open(t, w.dir, w.options)
			for range 80 {
				now = now.Add(time.Duration(r.IntN(120)) * time.Second)
				switch n := r.IntN(100); {
				case n < 50:
					w.append()
				case n < 75:
					w.next()
				case n < 95:
					w.ack()
				default:
					w.reopen(n%2 == 0)
				}
			}
			w.check()
			w.centre.drain(w.journal)
			for plugin, n := range w.accepted {
				w.centre.wantAll(plugin, 0, n)
			}
			if len(w.centre.gaps) > 0 {
				t.Errorf("gaps %v although nothing was damaged", w.centre.gaps)
			}
			w.check()
		})
	}
}
