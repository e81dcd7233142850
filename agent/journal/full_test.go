package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// fill appends until the journal is full and returns how many events were taken.
func fill(t *testing.T, j *journal.Journal, plugin string, from int) int {
	t.Helper()
	for n := from; n < 1_000_000; n += 50 {
		err := j.Append(context.Background(), journal.Entry{Plugin: plugin, Events: picks(plugin, n, 50), Cursor: fmt.Append(nil, n+50)})
		if errors.Is(err, journal.ErrFull) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the journal is never full")
	return 0
}

// A full journal refuses events and nothing else: cursors and Acks still go in, nothing is dropped, and with the first Ack it
// takes events again, without a restart. Several rounds end at the same size.
// Shows: S52
func TestFullAndBack(t *testing.T) {
	for _, keep := range []time.Duration{0, 24 * time.Hour} {
		t.Run(keep.String(), func(t *testing.T) {
			const limit = 1 << 20
			dir := testenv.Folder(t)
			j := open(t, dir, journal.Options{LimitBytes: limit, KeepAcknowledged: keep})
			c := newCentre(t)
			from := 0
			for round := range 4 {
				n := fill(t, j, "wms", from)
				if n-from < 2000 {
					t.Fatalf("round %d: full after %d events already", round, n-from)
				}
				if s := j.Stats(); s.Events != uint64(n-from) || s.Bytes > limit {
					t.Fatalf("round %d: %+v, want %d events within %d bytes", round, s, n-from, limit)
				}
				if cursor, err := j.Cursor(t.Context(), "wms"); err != nil || string(cursor) != fmt.Sprint(n) {
					t.Fatalf("cursor %s %v, want %d", cursor, err, n)
				}
				complete := []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.Now()}}
				if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", CompleteThrough: complete}); err != nil {
					t.Fatalf("a cursor while full: %v", err)
				}
				c.drain(j)
				c.wantAll("wms", from, n-from)
				from = n
			}
			appendEvents(t, j, "wms", from, 500)
			if size := diskUse(t, dir); size > 3*limit/2 {
				t.Errorf("files take %d bytes with a limit of %d", size, limit)
			}
		})
	}
}

// A 32 bit program can't map 2 GiB of files: it takes what it can map, and says so, rather than stop at a size where it can't be opened again.
func TestLimitFitsTheAddresses(t *testing.T) {
	if is, large := journal.LimitFor(32, 2<<30), journal.LimitFor(64, 2<<30); is != 768<<20 || large != 2<<30 || journal.LimitFor(32, 1<<20) != 1<<20 {
		t.Errorf("limits %d, %d", is, large)
	}
	j := open(t, testenv.Folder(t), journal.Options{LimitBytes: 2 << 30})
	if is := j.Stats().LimitBytes; is != journal.LimitFor(strconv.IntSize, 2<<30) {
		t.Errorf("limit %d with %d bits", is, strconv.IntSize)
	}
}

// A backlog that is drained gives its space back, whether it lay in old files or in the newest.
func TestSpaceComesBack(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{LimitBytes: 1 << 30, RotateBytes: 4 << 20})
	pool := picks("wms", 0, 5000)
	for range 40 {
		if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: pool}); err != nil {
			t.Fatal(err)
		}
	}
	before := j.Stats()
	if files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db")); err != nil || len(files) < 2 {
		t.Fatalf("files %v %v, want several", files, err)
	}
	for {
		envelopes, err := j.Next(journal.Position{}, 16)
		if err != nil {
			t.Fatal(err)
		}
		if len(envelopes) == 0 {
			break
		}
		for _, e := range envelopes {
			if outcome, err := j.Trim(&docklinev1.Ack{Epoch: e.Epoch, Watermark: e.LastSeq, Crc: e.Crc}); err != nil || outcome != journal.Trimmed {
				t.Fatal(outcome, err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db"))
	if s := j.Stats(); err != nil || len(files) != 1 || s.Bytes > before.Bytes/3 || s.Bytes > 4<<20 || s.CapturedTotal != 200_000 {
		t.Errorf("after the drain %v %v: %+v, before %d bytes", files, err, s, before.Bytes)
	}
}

// Acknowledged packs that are kept never make the journal look full, however much goes through it.
func TestKeptPacksDoNotFillTheJournal(t *testing.T) {
	const limit = 1 << 20
	j := open(t, testenv.Folder(t), journal.Options{LimitBytes: limit, KeepAcknowledged: 24 * time.Hour})
	c := newCentre(t)
	most := int64(0)
	for n := range 150 {
		appendEvents(t, j, "wms", n*200, 200)
		c.drain(j)
		most = max(most, j.Stats().Bytes)
	}
	c.wantAll("wms", 0, 30_000)
	if most < limit/3 || most > limit*4/5 {
		t.Errorf("at most %d bytes of %d are used, want about half", most, limit)
	}
}
