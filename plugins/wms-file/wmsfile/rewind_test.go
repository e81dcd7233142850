package wmsfile

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What was taken since a time comes again out of the archive, with the same ids, in order, once, and what follows goes on as before;
// also where everything is to come again, and where the run is broken off in between.
func TestReadAgainSinceATime(t *testing.T) {
	s := newSite(t, testConfig)
	since := s.clock
	for n := range 6 {
		if n == 3 {
			since = s.clock.Add(time.Millisecond)
		}
		s.drop(fmt.Sprintf("picks%d.csv", n), pickHeader+fmt.Sprintf("P%d;SO%d;A;%d;0;2026-07-04T11:00:00;B1;%d\n", n, n, n+1, n+1))
		s.mustStep()
	}
	if len(s.host.events) != 6 {
		t.Fatalf("%d events", len(s.host.events))
	}
	ids := s.host.ids(false)
	again := func(from int) {
		t.Helper()
		set, _ := load([]byte(s.config))
		at := since
		if from == 0 {
			at = since.AddDate(-1, 0, 0)
		}
		cursor, what, err := rewind(localStore{}, set, s.host.cursor, at)
		if err != nil || !strings.HasPrefix(what, fmt.Sprint(6-from)+" files") {
			t.Fatalf("%q, %v", what, err)
		}
		s.host.cursor, s.capture = cursor, nil
	}
	var all []*docklinev1.Event
	told := func(want ...string) {
		t.Helper()
		var got []string
		for _, e := range s.host.events[6:] {
			got = append(got, e.GetPick().GetTask())
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("told again: %q, want %q", got, want)
		}
		all, s.host.events = append(all, s.host.events...), s.host.events[:6]
	}
	again(3)
	s.mustStep()
	told("P3", "P4", "P5")
	again(0)
	s.mustStep()
	told("P0", "P1", "P2", "P3", "P4", "P5")

	again(0)
	s.host.batches, s.host.failAt = 0, 1
	if err := s.startAgain(); err == nil {
		t.Fatal("the broken run did not break")
	}
	s.host.failAt, s.capture = 0, nil
	s.mustStep()
	told("P0", "P1", "P2", "P3", "P4", "P5")
	s.capture = nil
	s.mustStep()
	told()
	s.drop("picks9.csv", pickHeader+"P9;SO9;A;1;0;2026-07-04T11:00:00;B1;10\n")
	s.mustStep()
	told("P9")
	s.host.events = all
	if n := len(s.host.ids(false)); n != len(ids)+1 {
		t.Errorf("%d ids of 7 records", n)
	}
}

// startAgain begins a run and gives what broke it.
func (s *site) startAgain() error {
	set, _ := load([]byte(s.config))
	with, err := openPartner(s.dataDir, func() time.Time { return s.clock })
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := newCapture(set, plugins.Start{Cursor: s.host.cursor, DataDir: s.dataDir}, with, localInbox(set.Inbound), nil, s.host, func() time.Time { return s.clock }, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return c.reread(context.Background())
}
