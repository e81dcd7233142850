package health_test

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/health"
)

// Days until full is the room divided by what the last 24 hours brought; a restart knows of the day, and a burst is not a day's work.
func TestDaysUntilFull(t *testing.T) {
	now := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "outlook.json")
	o := &health.Outlook{Path: path}
	room := health.Room{Free: 1_000_000_000, Held: 10_000, Bytes: 1_000_000} // 100 bytes an event
	ask := func(hour float64, captured uint64) *float64 {
		room.Captured = captured
		return o.DaysUntilFull(now.Add(time.Duration(hour*float64(time.Hour))), room)
	}
	near := func(what string, got *float64, want float64) {
		t.Helper()
		if got == nil || math.Abs(*got-want) > want/100 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	if got := ask(0, 5000); got != nil {
		t.Errorf("before anything was captured: %v", *got)
	}
	near("a burst of a minute counts as one of a quarter of an hour", ask(1.0/60, 15_000), 1e9/(10_000*96*100))
	for hour := 1.0; hour <= 24; hour++ {
		ask(hour, 5000+uint64(hour)*10_000)
	}
	near("after a day", ask(24, 245_000), 1e9/(240_000*100))
	o = &health.Outlook{Path: path}
	near("after a restart", ask(24.1, 245_000), 1e9/(240_000*100/(24.1/24)))
	for hour := 25.0; hour <= 60; hour++ {
		ask(hour, 245_000)
	}
	if got := ask(61, 245_000); got != nil {
		t.Errorf("a day without any: %v", *got)
	}
	if got := ask(62, 10); got != nil {
		t.Errorf("another journal begins anew: %v", *got)
	}
	if got := ask(2, 20); got != nil {
		t.Errorf("a clock set back begins anew: %v", *got)
	}
	room.Held, room.Bytes = 3, 40_960
	near("too few to tell their size", ask(3, 1020), 1e9/(1000*24*900))
	room.Free = -5
	near("no room", ask(4, 1021), 0)
}
