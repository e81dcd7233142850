package journal_test

import (
	"context"
	"testing"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// A cursor that the collector gives back counts in a new folder only, also where the source has begun from nothing meanwhile, and
// after a start in between; once anything was acknowledged, the journal's own is right.
func TestACursorIsGivenBackToANewFolder(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Cursor: []byte("of this folder")}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = open(t, dir, journal.Options{})
	given := func(cursor string, want bool) {
		t.Helper()
		again, err := j.GiveBack(&docklinev1.PluginCursor{Plugin: "wms", Cursor: []byte(cursor)})
		if err != nil || again != want {
			t.Errorf("cursor %q given back: %v %v, want %v", cursor, again, err, want)
		}
	}
	given("", false)
	given("17", true)
	given("17", false)
	if c, err := j.Cursor(t.Context(), "wms"); err != nil || string(c) != "17" {
		t.Errorf("cursor %q %v", c, err)
	}
	j.Close()
	j = open(t, dir, journal.Options{})
	if c, err := j.Cursor(t.Context(), "wms"); err != nil || string(c) != "17" {
		t.Errorf("after a start the cursor is %q %v", c, err)
	}
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 10)
	c.drain(j)
	given("5", false)
}

// A virtual machine that was put back while the process ran, memory and disk together: the epoch goes on, and the collector has other
// events under numbers that this process has given since and never sent. What it knows of the epoch is beyond what was handed out, so
// all is sent again under a new one, although the collector's number is not beyond the journal's own.
func TestAProcessPutBackForks(t *testing.T) {
	j := open(t, testenv.Folder(t), journal.Options{})
	c := newCentre(t)
	appendEvents(t, j, "wms", 0, 100)
	c.drain(j)
	appendEvents(t, j, "wms", 100, 500)
	hello := &docklinev1.Hello{Epochs: j.Epochs()}
	if outcome, err := j.Resume(hello, c.ranges(hello)); err != nil || outcome != journal.Ignored {
		t.Fatalf("with what it had sent itself: %v %v", outcome, err)
	}
	other := c.ranges(hello)
	for _, r := range other.Received {
		r.LastSeq, r.Ranges = 200, []*docklinev1.SeqRange{{First: 1, Last: 200}}
	}
	if outcome, err := j.Resume(hello, other); err != nil || outcome != journal.ForkNeeded {
		t.Fatalf("with events of its other life: %v %v, want a fork", outcome, err)
	}
}
