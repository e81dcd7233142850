package broker

import (
	"testing"
	"time"
)

// The width narrows while connections are let in slowly, once for all that came before, down to where a few still get in, and widens again.
func TestWidthFollowsWhatTheMachineGetsDone(t *testing.T) {
	w, now := newWidth(1024), time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for range 500 { // all came in the same moment, and took long
		w.settled(now, now.Add(5*time.Second))
	}
	if w.now() != 682 {
		t.Errorf("after one crowd it is %d, not two thirds", w.now())
	}
	for range 50 {
		now = now.Add(10 * time.Second)
		w.settled(now, now.Add(5*time.Second))
	}
	if w.now() != narrowest {
		t.Errorf("it narrowed to %d", w.now())
	}
	for range 2000 {
		w.settled(now, now.Add(time.Millisecond))
	}
	if w.now() != 1024 {
		t.Errorf("it widened to %d", w.now())
	}
	small := newWidth(8)
	small.settled(now, now.Add(time.Minute))
	if small.now() != 8 {
		t.Errorf("a small one became %d", small.now())
	}
}
