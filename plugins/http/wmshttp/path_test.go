package wmshttp

import (
	"strings"
	"testing"
)

// An order whose list of lines is named otherwise is refused to who sends it, and does not pass for one without lines; of a system that is polled, and
// leaves out what is empty, it is one without lines.
func TestAListThatIsNotNamedIsNoEmptyOne(t *testing.T) {
	l, err := parseListing("orders[].lines[]")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct{ sent, polled int }{
		`{"orders":[{"lines":[{"sku":"A"},{"sku":"B"}]},{"lines":[]},{"lines":null}]}`: {2, 2},
		`{"orders":[{"lines":[{"sku":"A"}]},{"Lines":[{"sku":"B"}]}]}`:                 {-1, 1},
		`{"orders":[]}`:                      {0, 0},
		`{"Orders":[{"lines":[]}]}`:          {-1, -1},
		`{"orders":[{"lines":{"sku":"A"}}]}`: {-1, -1},
	} {
		whole, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for named, n := range map[bool]int{true: want.sent, false: want.polled} {
			found, err := l.records(whole, named)
			if n < 0 && (err == nil || !strings.Contains(err.Error(), "orders[].lines[]")) || n >= 0 && (err != nil || len(found) != n) {
				t.Errorf("%s, named %t: %d records, %v", text, named, len(found), err)
			}
		}
	}
}
