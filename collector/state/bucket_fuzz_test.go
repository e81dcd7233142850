package state_test

import (
	"testing"

	"github.com/dockline/dockline/collector/state"
)

// A key that can be read as one of a bucket is written again as it was, but for its spelling.
func FuzzParseBucket(f *testing.F) {
	for _, key := range []string{"stock/dc-east/A-01/BOLT//available", "stock/dc-east/A-01/BOLT/L1/available/owner", "stock/a%2Fb/c/d/e/f", "stock///", "order/SO1", "movement/shipment/dc-east/S1"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		_, _, _ = state.MovedShipment(key)
		b, err := state.ParseBucket(key)
		if err != nil {
			return
		}
		if again, err := state.ParseBucket(b.Key()); err != nil || again != b {
			t.Fatalf("%q is %+v, and its key %q is %+v (%v)", key, b, b.Key(), again, err)
		}
	})
}
