package journal_test

import (
	"fmt"
	"testing"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// A pack is divided until every event stands alone; order, ids and cursors are those of the whole, also after opening it again, and an
// Ack of any part trims.
func TestSplitPack(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 100)
	events := picks("wms", 100, 100)
	events[30].Urgent = true
	if err := j.Append(t.Context(), journal.Entry{Plugin: "wms", Events: events, Cursor: []byte("200")}); err != nil {
		t.Fatal(err)
	}
	whole, err := j.Next(journal.Position{}, 10)
	if err != nil || len(whole) != 2 {
		t.Fatalf("%d packs, %v", len(whole), err)
	}
	var split func(e *docklinev1.Envelope) int
	split = func(e *docklinev1.Envelope) int {
		if e.Count == 1 {
			return 1
		}
		parts, err := j.Split(e.Epoch, e.LastSeq)
		if err != nil {
			t.Fatal(err)
		}
		if parts[0].FirstSeq != e.FirstSeq || parts[1].FirstSeq != parts[0].LastSeq+1 || parts[1].LastSeq != e.LastSeq || e.Urgent != (parts[0].Urgent || parts[1].Urgent) {
			t.Fatalf("%d to %d became %v", e.FirstSeq, e.LastSeq, parts)
		}
		return split(parts[0]) + split(parts[1])
	}
	if n := split(whole[1]); n != 100 {
		t.Fatalf("%d parts", n)
	}
	if _, err := j.Split(whole[0].Epoch, 150); err == nil {
		t.Error("a pack of one event was split")
	}
	if _, err := j.Split("0123", 100); err == nil {
		t.Error("a pack of an unknown epoch was split")
	}
	got, err := j.Next(journal.Position{}, 1000)
	if err != nil || len(got) != 101 {
		t.Fatalf("%d packs, %v", len(got), err)
	}
	n := 0
	for _, e := range got {
		bodies, err := wire.OpenPack(e.Pack, 0)
		if err != nil || wire.CRC(e.Pack) != e.Crc {
			t.Fatal(err)
		}
		for _, body := range bodies {
			if id := idOf(body); id != fmt.Sprintf("wms/%d", n) {
				t.Fatalf("event %d is %s", n, id)
			}
			n++
		}
	}
	if c := got[50].Cursors[0].Cursor; string(c) != "100" {
		t.Errorf("in the middle the cursor is %q, want that before the pack", c)
	}
	if c := got[100].Cursors[0].Cursor; string(c) != "200" {
		t.Errorf("at the end the cursor is %q", c)
	}
	urgent, err := j.Urgent(journal.Position{}, 10)
	if err != nil || len(urgent) != 1 || urgent[0].LastSeq != 131 || urgent[0].Count != 1 {
		t.Errorf("urgent: %v, %v", urgent, err)
	}
	if outcome, err := j.Trim(&docklinev1.Ack{Epoch: got[0].Epoch, Watermark: 150, Crc: got[50].Crc}); err != nil || outcome != journal.Trimmed {
		t.Errorf("trim through a part: %s, %v", outcome, err)
	}
	if urgent, err := j.Urgent(journal.Position{}, 10); err != nil || len(urgent) != 0 {
		t.Errorf("acknowledged, and still urgent: %v, %v", urgent, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, journal.Options{})
	if left, err := again.Next(journal.Position{}, 1000); err != nil || len(left) < 50 {
		t.Errorf("after opening again %d packs, %v", len(left), err)
	}
}
