package event_test

import (
	"testing"

	"github.com/dockline/dockline/proto/event"
)

func TestSeveral(t *testing.T) {
	for n, want := range map[int]string{0: "0 orders are", 1: "1 order is", 2: "2 orders are"} {
		if got := event.Several(n, "order") + " " + event.Are(n); got != want {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
}
