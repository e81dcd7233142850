package policy_test

import (
	"errors"
	"testing"

	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/configfile"
)

// A key that nobody knows hides no wrong value of the same file: all is told at once, each with its line.
func TestWrongValuesBesideUnknownKeysAreTold(t *testing.T) {
	_, err := policy.LoadFolder(write(t, map[string]string{
		"limits.yaml": "default:\n  over_ship: maybe\n  over_shp: hold\n",
		"timing.yaml": "default:\n  orphan_wiat: 1h\n  pick_wait: -5m\n",
	}))
	var faults configfile.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("it says %v", err)
	}
	for _, want := range []struct {
		file    string
		line    int
		unknown bool
	}{{"limits.yaml", 2, false}, {"limits.yaml", 3, true}, {"timing.yaml", 2, true}, {"timing.yaml", 1, false}} {
		found := false
		for _, f := range faults {
			found = found || f.File == want.file && f.Unknown == want.unknown && (f.Line == want.line || !want.unknown)
		}
		if !found {
			t.Errorf("%s:%d is not told:\n%v", want.file, want.line, err)
		}
	}
}
