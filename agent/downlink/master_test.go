package downlink_test

import (
	"testing"

	"github.com/dockline/dockline/agent/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const item = docklinev1.MasterKind_MASTER_KIND_ITEM

// Master data is kept by code, in order of version; a list with a hole before it is ignored, and another database begins anew.
func TestMasterData(t *testing.T) {
	s := open(t, inbox(t), downlink.Options{})
	put := func(previous uint64, records ...*docklinev1.MasterRecord) {
		t.Helper()
		if err := s.PutMaster(&docklinev1.MasterList{Previous: previous, Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	record := func(version uint64, code, name string) *docklinev1.MasterRecord {
		return &docklinev1.MasterRecord{Kind: item, Code: code, Name: name, Version: version}
	}
	want := func(through uint64, any bool, names map[string]string) {
		t.Helper()
		if n := s.MasterThrough(); n != through {
			t.Errorf("through %d, want %d", n, through)
		}
		for _, code := range []string{"A", "B", "C"} {
			r, some := s.Master(item, code)
			if r.GetName() != names[code] || some != any {
				t.Errorf("%s is %q, any %v; want %q", code, r.GetName(), some, names[code])
			}
		}
	}
	if err := s.SetIncarnation("one"); err != nil {
		t.Fatal(err)
	}
	want(0, false, nil)
	put(0, record(1, "A", "apple"), record(2, "B", "box"))
	want(2, true, map[string]string{"A": "apple", "B": "box"})
	put(0, record(1, "A", "late"), record(3, "C", "crate")) // again, with something new
	want(3, true, map[string]string{"A": "apple", "B": "box", "C": "crate"})
	put(5, record(6, "A", "behind a hole"))
	want(3, true, map[string]string{"A": "apple", "B": "box", "C": "crate"})
	gone := record(4, "B", "box")
	gone.Removed = true
	put(3, gone, record(5, "A", "avocado"))
	want(5, true, map[string]string{"A": "avocado", "C": "crate"})
	if r, some := s.Master(docklinev1.MasterKind_MASTER_KIND_UNIT, "A"); r != nil || some {
		t.Errorf("of units: %v, %v", r, some)
	}
	if err := s.SetIncarnation("one"); err != nil {
		t.Fatal(err)
	}
	want(5, true, map[string]string{"A": "avocado", "C": "crate"})
	if err := s.SetIncarnation("two"); err != nil {
		t.Fatal(err)
	}
	want(0, false, nil)
	put(0, record(1, "A", "anew"))
	want(1, true, map[string]string{"A": "anew"})
}
