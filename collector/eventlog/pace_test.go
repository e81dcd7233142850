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
		{3000, time.Second, 1500},
		{10, time.Minute, 1500},
		{1500, time.Second, 750},
		{750, time.Second, 500},
		{500, time.Second, 500},
		{100, time.Millisecond, 500},
		{400, 10 * time.Millisecond, 1000},
	} {
		p.took(c.events, c.took)
		if got := p.size(); got != c.want {
			t.Fatalf("after %d events in %s: %d, want %d", c.events, c.took, got, c.want)
		}
	}
}
