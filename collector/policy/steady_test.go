package policy_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/dockline/dockline/collector/policy"
)

// writing is a folder that somebody writes to: each time that a file of it is opened, what next says of the number of the opening is there.
type writing struct {
	next   func(opened int) fstest.MapFS
	opened int
}

func (w *writing) Open(name string) (fs.File, error) {
	folder := w.next(w.opened)
	if name != "." {
		w.opened++
	}
	return folder.Open(name)
}

func version(tolerance string) fstest.MapFS {
	return fstest.MapFS{"fulfilment.yaml": {Data: []byte("customers: {C1: {over_ship_tolerance: \"" + tolerance + "\"}}\n")},
		"limits.yaml": {Data: []byte("over_ship: hold\nover_ship_tolerance: \"" + tolerance + "\"\n")}}
}

// A folder that is read while somebody writes to it is the one before or the one after, never some files of each.
func TestAFolderThatIsWrittenToIsNeverAMixture(t *testing.T) {
	for switched := range 6 {
		before, after := version("3"), version("7")
		folder := &writing{next: func(opened int) fstest.MapFS {
			if opened < switched {
				return before
			}
			return after
		}}
		p, err := policy.Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		inFulfilment := p.Fulfilment(p.Scope("acme", "dc-east", "C1"), "BOLT").OverShipTolerance
		if inLimits := p.Fulfilment(p.Scope("acme", "dc-east", "C2"), "BOLT").OverShipTolerance; inLimits != inFulfilment {
			t.Errorf("switched at opening %d: %s and %s", switched, inLimits, inFulfilment)
		}
	}
	restless := &writing{next: func(opened int) fstest.MapFS { return version(fmt.Sprint(opened)) }}
	if _, err := policy.Load(restless); !errors.Is(err, policy.ErrUnsteady) {
		t.Errorf("a folder that never rests: %v", err)
	}
}
