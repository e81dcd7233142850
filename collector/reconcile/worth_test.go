package reconcile

import "testing"

func TestWorth(t *testing.T) {
	for _, c := range []struct {
		millionths  int64
		price, want string
	}{
		{2_000_000, "55.93", "111.86"}, {8_000_000, "15.4", "123.20"}, {333_333, "0.01", "0.00"}, {1_500_000, "0.01", "0.02"}, {1_000_000, "", ""}, {1_000_000, "x", ""},
		{9_000_000_000_000_000_000, "9000000000000", ""},
	} {
		if got := worth(c.millionths, c.price); got != c.want {
			t.Errorf("%d millionths at %q: %q, want %q", c.millionths, c.price, got, c.want)
		}
	}
}
