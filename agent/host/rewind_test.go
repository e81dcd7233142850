package host_test

import (
	"testing"
)

// TestAPluginBeginsAgainFromAnOlderCursor puts a cursor back while the plugin tells without end: it is drained, begins again from there,
// and is not counted as crashed; every row behind the cursor is told twice, under the same id.
func TestAPluginBeginsAgainFromAnOlderCursor(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 1000000000\nbatch: 3"))
	w.eventually("rows", func() bool { return len(w.journal.of("wms")) > 300 })
	if err := w.Rewind("wms", func() (bool, error) {
		w.journal.mu.Lock()
		defer w.journal.mu.Unlock()
		w.journal.cursors["wms"] = []byte("100")
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	times := func(key string) map[string]int {
		ids := map[string]int{}
		for _, e := range w.journal.of("wms") {
			if e.GetSourceKey() == key {
				ids[e.GetId()]++
			}
		}
		return ids
	}
	w.eventually("row 101 again", func() bool {
		for _, n := range times("row/101") {
			return n == 2
		}
		return false
	})
	w.stop()
	if ids := times("row/101"); len(ids) != 1 {
		t.Errorf("row 101 has the ids %v", ids)
	}
	if ids := times("row/100"); len(ids) != 1 || ids[w.journal.of("wms")[99].GetId()] != 1 {
		t.Errorf("row 100 was told again: %v", ids)
	}
	if h := w.health("wms"); h.GetRestarts() != 0 {
		t.Errorf("%d restarts are counted", h.GetRestarts())
	}
}
