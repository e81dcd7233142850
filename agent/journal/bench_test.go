package journal_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// 64 callers of one event each share their commits: far fewer commits than events, and each is in the file.
// Shows: S52
func TestCallersShareCommits(t *testing.T) {
	const callers, each = 64, 40
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for n := range each {
				plugin := fmt.Sprint("p", caller)
				if err := j.Append(context.Background(), journal.Entry{Plugin: plugin, Events: picks(plugin, n, 1), Cursor: fmt.Append(nil, n+1)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	s := j.Stats()
	if s.Appends != callers*each || s.Commits*4 > s.Appends {
		t.Errorf("%d commits for %d appends, want a quarter at most", s.Commits, s.Appends)
	}
	c := newCentre(t)
	c.drain(j)
	for caller := range callers {
		plugin := fmt.Sprint("p", caller)
		c.wantAll(plugin, 0, each)
		if cursor, err := j.Cursor(context.Background(), plugin); err != nil || string(cursor) != fmt.Sprint(each) {
			t.Errorf("cursor of %s: %q %v", plugin, cursor, err)
		}
	}
}

// A caller that gives up while it waits has stored nothing, and does not take the lead with it.
func TestAppendGivesUp(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	var stored, gaveUp atomic.Int64
	var group sync.WaitGroup
	for caller := range 32 {
		group.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				if n%2 == 1 {
					go cancel()
				}
				err := j.Append(ctx, journal.Entry{Plugin: "p", Events: picks(fmt.Sprint("p", caller), n, 1)})
				cancel()
				switch err {
				case nil:
					stored.Add(1)
				case context.Canceled:
					gaveUp.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if total := j.Stats().CapturedTotal; total != uint64(stored.Load()) || stored.Load()+gaveUp.Load() != 32*50 {
		t.Errorf("%d events stored, %d callers were told so, %d gave up", total, stored.Load(), gaveUp.Load())
	}
	appendEvents(t, j, "after", 0, 1)
}

func TestAppendAfterClose(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(context.Background(), journal.Entry{Plugin: "p", Events: picks("p", 0, 1)}); err != journal.ErrClosed {
		t.Errorf("append: %v, want ErrClosed", err)
	}
	if _, err := j.Next(journal.Position{}, 1); err != journal.ErrClosed {
		t.Errorf("next: %v, want ErrClosed", err)
	}
}

func benchmarkAppend(b *testing.B, callers, events int) {
	j := open(b, testenv.Folder(b), journal.Options{LimitBytes: 16 << 30})
	var next atomic.Int64
	pool := picks("wms", 0, 10_000)
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			batch := make([]*docklinev1.Event, events)
			for {
				n := int(next.Add(int64(events)))
				if n > b.N+events-1 {
					return
				}
				for i := range batch {
					batch[i] = pool[(n+i)%len(pool)]
				}
				if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: batch, Cursor: fmt.Append(nil, n)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	s := j.Stats()
	b.ReportMetric(float64(s.CapturedTotal)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(s.Commits)/float64(s.CapturedTotal), "commits/event")
	b.ReportMetric(float64(s.Bytes)/float64(s.CapturedTotal), "disk-B/event")
}

// The unit of every benchmark of appending is one event, synced.
func BenchmarkAppendOneCaller(b *testing.B) { benchmarkAppend(b, 1, 1) }

func BenchmarkAppend64Callers(b *testing.B) { benchmarkAppend(b, 64, 1) }

func BenchmarkAppend100ACall(b *testing.B) { benchmarkAppend(b, 4, 100) }

// BenchmarkDrain reads and trims what waits; the unit is 100,000 events.
func BenchmarkDrain(b *testing.B) {
	const events = 100_000
	j := open(b, testenv.Folder(b), journal.Options{LimitBytes: 16 << 30})
	pool := picks("wms", 0, 5000)
	for range b.N {
		b.StopTimer()
		for range events / len(pool) {
			if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: pool}); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for left := true; left; {
			envelopes, err := j.Next(journal.Position{}, 16)
			if err != nil {
				b.Fatal(err)
			}
			if left = len(envelopes) > 0; left {
				last := envelopes[len(envelopes)-1]
				if _, err := j.Trim(&docklinev1.Ack{Epoch: last.Epoch, Watermark: last.LastSeq, Crc: last.Crc}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkOpen opens a journal over a million events that wait, after a crash.
func BenchmarkOpen(b *testing.B) {
	dir := testenv.Folder(b)
	j := open(b, dir, journal.Options{LimitBytes: 16 << 30})
	pool := picks("wms", 0, 5000)
	for range 200 {
		if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: pool}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for range b.N {
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
		j = open(b, dir, journal.Options{LimitBytes: 16 << 30})
	}
	if n := j.Stats().Events; n != 1_000_000 {
		b.Fatalf("%d events", n)
	}
}
