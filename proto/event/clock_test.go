package event_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func TestAWrongClockIsMarked(t *testing.T) {
	captured := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		offset, ahead time.Duration
		want          time.Duration
	}{
		"right":                       {0, -time.Hour, 0},
		"a little off":                {5 * time.Minute, 0, 0},
		"the site's clock is ahead":   {6 * time.Minute, 0, 6 * time.Minute},
		"the site's clock is behind":  {-26 * time.Hour, 0, -26 * time.Hour},
		"a scanner a day ahead":       {0, 24 * time.Hour, 24 * time.Hour},
		"a scanner four minutes fast": {0, 4 * time.Minute, 0},
	} {
		e := &docklinev1.Event{ClockOffsetMs: c.offset.Milliseconds(), CapturedAt: timestamppb.New(captured), OccurredAt: timestamppb.New(captured.Add(c.ahead))}
		if got := event.ClockWrong(e); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if event.ClockWrong(&docklinev1.Event{OccurredAt: timestamppb.New(captured)}) != 0 {
		t.Error("of a fact of the centre nothing is known")
	}
}
