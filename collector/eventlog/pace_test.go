package eventlog

import (
	"testing"
	"time"
)

// Steps that are over at once grow, those that others wait for shrink, and a step of few events tells nothing of a large one.
func TestPace(t *testing.T) {
	var p pace
	for _, c := range []struct {
		events int
		took   time.Duration
		want   int
	}{
		{4000, 200 * time.Millisecond, 4000},
		{4000, 100 * time.Millisecond, 8000},
		{8000, 50 * time.Millisecond, 8000},
		{10, time.Millisecond, 8000},
		{8000, time.Second, 4000},
		{10, time.Minute, 4000},
		{3500, time.Second, 2000},
		{2000, time.Minute, 2000},
		{900, time.Millisecond, 2000},
		{1500, 10 * time.Millisecond, 4000},
	} {
		p.took(c.events, c.took)
		if got := p.size(); got != c.want {
			t.Fatalf("after %d events in %s: %d, want %d", c.events, c.took, got, c.want)
		}
	}
}
