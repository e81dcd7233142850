package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func rereadFrom(plugin, cursor string) *docklinev1.Command {
	return &docklinev1.Command{Key: "reread", Version: 1, Plugin: plugin,
		Work: &docklinev1.Command_Reread{Reread: &docklinev1.Reread{From: &docklinev1.Reread_Cursor{Cursor: []byte(cursor)}}}}
}

func rereadSince(plugin string, at time.Time) *docklinev1.Command {
	return &docklinev1.Command{Key: "reread", Version: 1, Plugin: plugin,
		Work: &docklinev1.Command_Reread{Reread: &docklinev1.Reread{From: &docklinev1.Reread_Time{Time: timestamppb.New(at)}}}}
}

// A source reads again from a cursor or a time: it is stopped in order, its cursor is put back durably, and the events come again with
// the ids that they had. The other plugin is not touched.
func TestReread(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 20"), plugin("other", "count: 5"))
	w.eventually("both have told everything", func() bool { return len(w.journal.of("wms")) == 20 && len(w.journal.of("other")) == 5 })
	pid := w.pid("other", "pid")
	reread := func(c *docklinev1.Command, outcome docklinev1.CommandOutcome, text string) {
		t.Helper()
		result, err := w.Reread(context.Background(), c)
		if err != nil || result.GetOutcome() != outcome || !strings.Contains(result.GetText(), text) {
			t.Fatalf("%v, %v", result, err)
		}
	}
	applied, refused := docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED
	reread(rereadFrom("wms", "15"), applied, "from the cursor")
	w.eventually("five come again", func() bool { return len(w.journal.of("wms")) == 25 })
	reread(rereadSince("wms", time.Date(2026, 3, 2, 8, 0, 11, 0, time.UTC)), applied, "from 11, 20 had been told")
	w.eventually("ten come again", func() bool { return len(w.journal.of("wms")) == 35 })
	ids := map[string]int{}
	for _, e := range w.journal.of("wms") {
		ids[e.GetId()]++
	}
	if len(ids) != 20 {
		t.Errorf("%d ids of 20 events", len(ids))
	}
	if w.pid("other", "pid") != pid || len(w.journal.of("other")) != 5 {
		t.Error("the other plugin was touched")
	}
	if h := w.health("wms"); h.GetRestarts() != 0 {
		t.Errorf("reading again counts as a crash: %v", h)
	}
	reread(rereadSince("wms", time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)), refused, "began at eight")
	reread(rereadFrom("north", "1"), refused, "north")
	reread(rereadFrom("", "1"), refused, "name the one")
	reread(&docklinev1.Command{Key: "reread", Plugin: "wms", Work: &docklinev1.Command_Reread{Reread: &docklinev1.Reread{}}}, refused, "neither")
	w.stop()
	if _, err := w.Reread(context.Background(), rereadFrom("wms", "15")); err == nil {
		t.Error("after the end it was done")
	}
}

// A new section restarts its plugin only. One that the plugin refuses, or does not run with, is taken back, and the old one runs on.
func TestConfigure(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 5"), plugin("other", "count: 5"))
	w.eventually("both have told everything", func() bool { return len(w.journal.held()) == 10 })
	pid := w.pid("other", "pid")
	if err := w.Configure(context.Background(), map[string][]byte{"wms": []byte("count: 8"), "other": []byte("count: 5")}); err != nil {
		t.Fatal(err)
	}
	w.eventually("it works with its new section, from where it was", func() bool { return len(w.journal.of("wms")) == 8 })
	for section, want := range map[string]string{"count: many": "line 1", "count: 9\nhabit: panic": "caught fire", "cuont: 3": "cuont"} {
		err := w.Configure(context.Background(), map[string][]byte{"wms": []byte(section)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", section, err)
		}
		w.eventually("the old one runs again", func() bool { return w.health("wms").GetState() == "running" })
	}
	if w.pid("other", "pid") != pid {
		t.Error("the other plugin was restarted")
	}
	if len(w.journal.of("wms")) != 8 {
		t.Errorf("%d events", len(w.journal.of("wms")))
	}
}
