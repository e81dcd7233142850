package master_test

import (
	"slices"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// put tells of items, "CODE=name", as a source does.
func (b *bench) put(source string, whole bool, names map[string]string) (done master.Done) {
	b.Helper()
	var records []*docklinev1.MasterRecord
	for code, name := range names {
		records = append(records, &docklinev1.MasterRecord{Code: code, Name: name, Removed: name == ""})
	}
	err := b.db.Write(b.Context(), func(tx *db.Tx) (err error) {
		done, err = (master.Put{Tenant: tenant, Source: source, Kind: items, Records: records, Whole: whole}).Do(b.Context(), tx, b.now)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return done
}

// A file neither changes nor removes what a system tells of, whichever of both was first and whether they said the same.
// Shows: S19
func TestAFileBesideASystem(t *testing.T) {
	type told = map[string]string
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		b.put("", true, told{"SAME": "same", "FILE": "by file", "OTHER": "by file"})
		b.put("erp", false, told{"SAME": "same", "OTHER": "by erp", "ERP": "by erp", "GONE": "by erp"})
		if _, version := b.names(); version != 6 {
			t.Errorf("version %d: what says the same has no new one", version)
		}
		done := b.put("", true, told{"FILE": "by file", "OTHER": "again", "ERP": "by file", "GONE": ""})
		slices.SortFunc(done.Kept, func(x, y master.Kept) int { return len(y.Code) - len(x.Code) })
		if want := []master.Kept{{Code: "OTHER", Source: "erp"}, {Code: "GONE", Source: "erp"}, {Code: "ERP", Source: "erp"}}; done.Changed != 0 || !slices.Equal(done.Kept, want) {
			t.Errorf("the file did %+v", done)
		}
		b.put("", true, told{"LAST": "by file"})
		if names, _ := b.names(); !slices.Equal(names, []string{"ERP=by erp", "GONE=by erp", "LAST=by file", "OTHER=by erp", "SAME=same"}) {
			t.Errorf("known are %q", names)
		}
		b.put("erp", false, told{"GONE": ""})
		if done = b.put("", false, told{"GONE": "by file"}); done.Changed != 1 || len(done.Kept) != 0 {
			t.Errorf("what the system has removed a file may enter: %+v", done)
		}
		b.put("erp", true, told{"SAME": "same"})
		if names, _ := b.names(); !slices.Equal(names, []string{"GONE=by file", "LAST=by file", "SAME=same"}) {
			t.Errorf("the system tells of one, the file of two: known are %q", names)
		}
	})
}

// A reading that ends removes nothing that another system has taken over while it looked for what was not told.
func TestARecordThatAnotherSystemHasTakenOver(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := newBench(t, d), &system{}
		s.tell("x", codes("A", 5)...)
		b.must(b.imports(s).Step)
		s.feed, s.era = s.feed[:4], 1
		b.anew()
		in := b.imports(s)
		lookedAt := 0
		d.Fault = func(point string, write bool) error {
			// The third transaction that only reads is the one that lists what was not told.
			if point != "committed" || write {
				return nil
			}
			if lookedAt++; lookedAt == 3 {
				d.Fault = nil
				b.put("wms", false, map[string]string{"A004": "x"})
			}
			return nil
		}
		b.must(in.Step)
		if names, _ := b.names(); len(names) != 5 || lookedAt != 3 {
			t.Errorf("after %d looks known are %q", lookedAt, names)
		}
	})
}
