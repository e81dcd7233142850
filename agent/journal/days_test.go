package journal_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// onDay has the plugin's next picks recorded on a day of March, some of them as dead letters.
func onDay(t *testing.T, j *journal.Journal, day, from, count, refused int) {
	t.Helper()
	events := picks("wms", from, count)
	for i, e := range events {
		e.CapturedAt = timestamppb.New(time.Date(2026, 3, day, 23, 59, 59, i, time.UTC))
		if i < refused {
			e.Kind = docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED
		}
	}
	if err := j.Append(context.Background(), journal.Entry{Plugin: "wms", Events: events, Cursor: fmt.Append(nil, from+count)}); err != nil {
		t.Fatal(err)
	}
}

func wantDays(t *testing.T, j *journal.Journal, when string, want ...string) {
	t.Helper()
	var got []string
	for _, d := range j.Stats().Days {
		got = append(got, fmt.Sprintf("%s %d %d", d.GetDate(), d.GetAccepted(), d.GetRefused()))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: days %v, want %v", when, got, want)
	}
}

// Accepted events are counted by the day on which they were recorded, over a rotation, a clean stop, a kill and a damaged file.
func TestDaysAreCounted(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	onDay(t, j, 1, 0, 30, 2)
	onDay(t, j, 2, 30, 500, 0)
	onDay(t, j, 1, 530, 1, 0) // its clock was set back
	wantDays(t, j, "at first", "2026-03-01 31 2", "2026-03-02 500 0")
	if err := j.Fork("test"); err != nil {
		t.Fatal(err)
	}
	onDay(t, j, 2, 531, 5, 5)
	wantDays(t, j, "behind a fork", "2026-03-01 31 2", "2026-03-02 505 5")
	j.Close()
	j = open(t, dir, journal.Options{})
	wantDays(t, j, "after a stop", "2026-03-01 31 2", "2026-03-02 505 5")
	j.Close()
	unclean(t, dir)

	j = open(t, dir, journal.Options{Check: checkInChild})
	onDay(t, j, 3, 536, 7, 0)
	if days := j.Stats().Days; days != nil {
		t.Errorf("while the older file is being checked the days are %v: they are not known yet", days)
	}
	if err := j.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantDays(t, j, "after a kill", "2026-03-01 31 2", "2026-03-02 505 5", "2026-03-03 7 0")
	j.Close()

	files := epochFiles(t, dir)
	newest := files[len(files)-1]
	info, err := os.Stat(newest)
	if err != nil {
		t.Fatal(err)
	}
	// Both meta pages: nothing opens it any more, and its pages are read one by one.
	f, err := os.OpenFile(newest, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 2*os.Getpagesize()), 0); err != nil || info.Size() < int64(2*os.Getpagesize()) {
		t.Fatal(err)
	}
	f.Close()
	j = open(t, dir, journal.Options{Now: func() time.Time { return time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC) }})
	wantDays(t, j, "after a damaged file, with the gap that tells of it", "2026-03-01 31 2", "2026-03-02 505 5", "2026-03-03 7 0", "2026-03-04 1 0")
}

// Forty days are kept, whatever the clock said in between.
func TestOldDaysMakePlace(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	for n := range 45 {
		onDay(t, j, n+1, n, 1, 0)
	}
	days := j.Stats().Days
	if len(days) != 40 || days[0].GetDate() != "2026-03-06" || days[39].GetDate() != "2026-04-14" {
		t.Errorf("%d days, from %v to %v", len(days), days[0], days[len(days)-1])
	}
	j.Close()
	j = open(t, dir, journal.Options{})
	if again := j.Stats().Days; len(again) != 40 || again[0].GetDate() != "2026-03-06" {
		t.Errorf("after a stop %d days from %v", len(again), again[0])
	}
}
