package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// What was captured lately is shown in its order, over the ends of processes, and what was captured before is not.
func TestRecentLooksBackOverProcesses(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 250)
	j.Close()
	j = open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 250, 30)
	j.Close()
	j = open(t, dir, journal.Options{})
	n := 0
	j.Recent(time.Unix(0, 0), func(e *docklinev1.Event) {
		if want := pick("wms", n).GetSourceKey(); e.GetSourceKey() != want {
			t.Fatalf("event %d is %s, want %s", n, e.GetSourceKey(), want)
		}
		n++
	})
	if n != 280 {
		t.Errorf("%d events, want 280", n)
	}
	j.Recent(time.Now().Add(time.Hour), func(e *docklinev1.Event) { t.Errorf("shown although it is older: %s", fmt.Sprint(e)) })
}
