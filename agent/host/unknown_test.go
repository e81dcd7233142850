package host_test

import (
	"strings"
	"sync/atomic"
	"testing"
)

// An item that the centre does not know is a warning with its code, and nothing else: the event is journalled as it is. The warning
// ends when the centre knows it.
func TestAnUnknownItemIsAWarning(t *testing.T) {
	var known atomic.Bool
	w := &world{t: t, dir: t.TempDir(), journal: &memory{}, log: &logBook{}, known: func(item string) bool { return item != "A" || known.Load() }}
	w.start(quick, plugin("wms", "count: 3"))
	w.eventually("all are journalled", func() bool { return len(w.journal.held()) == 3 })
	c := w.condition("unknown_item")
	if c == nil || !strings.Contains(c.GetText(), ": A.") {
		t.Fatalf("condition %v", c)
	}
	for _, e := range w.journal.held() {
		if e.GetPick() == nil {
			t.Errorf("%v was refused", e.GetKind())
		}
	}
	known.Store(true)
	if c := w.condition("unknown_item"); c != nil {
		t.Errorf("the warning stays: %v", c)
	}
}
