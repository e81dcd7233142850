package bench

import (
	"context"
	"testing"
)

// TestFoldIsMeasured runs the area with small keys: every line is made, and from a state that has the fact.
func TestFoldIsMeasured(t *testing.T) {
	sizes := foldSizes
	t.Cleanup(func() { foldSizes = sizes })
	foldSizes = []uint64{10, 1000, 8000}
	s, made := suite()
	s.Dir = t.TempDir()
	if err := s.foldOn(context.Background(), "sqlite", nil); err != nil {
		t.Fatal(err)
	}
	if len(*made) != 3 {
		t.Fatalf("made %+v", *made)
	}
	for _, m := range *made {
		if m.Value <= 0 || m.Ratio <= 0 {
			t.Errorf("nothing was measured: %+v", m)
		}
		t.Logf("%+v", m)
	}
}
