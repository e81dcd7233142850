package posting

import (
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestMovesKnowEveryState(t *testing.T) {
	for _, s := range States() {
		to, ok := moves[s]
		if !ok || len(to) == 0 {
			t.Errorf("%s has no way out", s)
		}
		for _, next := range to {
			if _, ok := moves[next]; !ok {
				t.Errorf("%s leads to %q, which is no state", s, next)
			}
		}
	}
	for _, from := range States() {
		if late := from != Planned && from != Ready && from != Rejected; late && (May(from, Superseded) || May(from, Blocked)) {
			t.Errorf("%s may be superseded or blocked, although it may have had its effect", from)
		}
		if from != Sending && from != Unknown && from != Diverged && from != Correcting && May(from, Confirmed) {
			t.Errorf("%s may be confirmed without having been sent", from)
		}
	}
	if May(Unknown, Sending) || May(Unknown, Planned) || May(Unknown, Rejected) {
		t.Error("unknown may be left without being settled")
	}
}

func issue(lines ...*docklinev1.DocumentLine) *docklinev1.Document {
	return &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: "SO1", Lines: lines}}}
}

func line(item, quantity string, serials ...string) *docklinev1.DocumentLine {
	return &docklinev1.DocumentLine{Item: item, Quantity: quantity, Serials: serials}
}

func TestDifferenceIsNamed(t *testing.T) {
	tracked := issue(line("A", "1"))
	tracked.GetGoodsIssue().Tracking = "X2"
	other := &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Delta: "1"}}}
	for _, c := range []struct {
		name string
		a, b *docklinev1.Document
		want string
	}{
		{"nothing", issue(line("A", "1")), issue(line("A", "1")), ""},
		{"a quantity", issue(line("A", "1"), line("B", "5")), issue(line("A", "1"), line("B", "4")), "line 2 (B): quantity 5, now 4"},
		{"a new line", issue(line("A", "1")), issue(line("A", "1"), line("B", "5")), "line 2 (B) is new"},
		{"a line less", issue(line("A", "1"), line("B", "5")), issue(line("A", "1")), "line 2 (B) is gone"},
		{"a field", issue(line("A", "1")), tracked, "tracking none, now X2"},
		{"serials", issue(line("A", "1", "s2", "s1")), issue(line("A", "1", "s1", "s3")), "line 1 (A): serials s1, s2, now s1, s3"},
		{"before", nil, tracked, "what was sent before is not known"},
		{"another document", issue(), other, "order SO1, now none; delta none, now 1"},
	} {
		if got := Difference(c.a, c.b); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestBackoffIsCapped(t *testing.T) {
	for attempt, want := range map[int64]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 2 * time.Minute, 1 << 40: 2 * time.Minute} {
		if got := backoff(attempt, time.Second, 2*time.Minute, 0); got != want/2 {
			t.Errorf("attempt %d: at least %s, want %s", attempt, got, want/2)
		}
		if got := backoff(attempt, time.Second, 2*time.Minute, 0.999999); got > want {
			t.Errorf("attempt %d: at most %s, want %s", attempt, got, want)
		}
	}
}
