package master_test

import (
	"context"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// newest is a system that keeps the newest version that it was told, and takes no notice of an older one.
type newest struct {
	by map[string]*docklinev1.MasterRecord
}

func (s *newest) ToldKinds() []docklinev1.MasterKind { return []docklinev1.MasterKind{items} }

func (s *newest) Tell(_ context.Context, _ docklinev1.MasterKind, records []*docklinev1.MasterRecord) ([]connector.RefusedRecord, error) {
	for _, r := range records {
		if old := s.by[r.Code]; old == nil || old.Version < r.Version {
			s.by[r.Code] = r
		}
	}
	return nil, nil
}

// name is what the system knows a record by, "" where it is removed.
func (s *newest) name(code string) string {
	if r := s.by[code]; !r.GetRemoved() {
		return r.GetName()
	}
	return ""
}

var masterTables = []string{"master_record", "master_top", "master_target", "master_source"}

// keep is a backup of master data, putBack brings it again and says so, as the collector does.
func (b *bench) keep() {
	b.Helper()
	b.each(func(tx *db.Tx, table string) error {
		_, err := tx.Exec(b.Context(), `CREATE TABLE kept_`+table+` AS SELECT * FROM `+table)
		return err
	})
}

func (b *bench) putBack() {
	b.Helper()
	b.each(func(tx *db.Tx, table string) error {
		if _, err := tx.Exec(b.Context(), `DELETE FROM `+table); err != nil {
			return err
		}
		_, err := tx.Exec(b.Context(), `INSERT INTO `+table+` SELECT * FROM kept_`+table)
		return err
	})
	err := b.db.Write(b.Context(), func(tx *db.Tx) error {
		if _, err := tx.NewIncarnation(b.Context(), b.now); err != nil {
			return err
		}
		return master.Restored(b.Context(), tx)
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) each(do func(tx *db.Tx, table string) error) {
	b.Helper()
	for _, table := range masterTables {
		if err := b.db.Write(b.Context(), func(tx *db.Tx) error { return do(tx, table) }); err != nil {
			b.Fatal(err)
		}
	}
}

// behind is how far a system is behind.
func (b *bench) behind() master.Behind {
	b.Helper()
	var s master.Status
	err := b.db.Read(b.Context(), func(tx *db.Tx) (err error) {
		s, err = master.Lag(b.Context(), tx, tenant, b.now, b.now)
		return err
	})
	if err != nil || len(s.Targets) != 1 {
		b.Fatal(s.Targets, err)
	}
	return s.Targets[0]
}

// A database is put back, twice: what a system was told in the time that is lost has newer versions than anything here. It takes what changes
// then all the same, a name that went back to what it was before included, and how far it is behind stays a number of changes.
func TestASystemKnowsWhatARestoreHasLost(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s, crm := newBench(t, d), &system{}, &newest{by: map[string]*docklinev1.MasterRecord{}}
		both := func() {
			t.Helper()
			b.must(b.imports(s).Step)
			b.must(b.tells(crm).Step)
		}
		s.tell("first", codes("A", 5)...)
		s.tell("gone", "GONE")
		s.tell("", "GONE")
		both()
		b.keep()
		for _, name := range []string{"second", "third"} {
			b.now = b.now.Add(24 * time.Hour)
			lost := len(s.feed)
			for range 4 {
				s.tell("lost "+name, "A001", "A003", "A004")
				both()
				s.tell("lost again "+name, "A003", "A004")
				both()
			}
			s.feed = append(s.feed[:lost], &docklinev1.MasterRecord{Code: "A003", Name: "first"}) // it was renamed, and named back before it was asked
			b.now = b.now.Add(time.Hour)
			b.putBack()
			if n := b.behind(); n.Behind != 5 {
				t.Errorf("of five records that are to be told again it is behind by %d", n.Behind)
			}
			both()
			if got := crm.name("A003"); got != "first" {
				t.Errorf("it shows what was told in the time that is lost: %q", got)
			}
			s.tell(name, "A001", "NEW"+name)
			s.tell("", "A004")
			both()
			if crm.name("A001") != name || crm.name("NEW"+name) != name || crm.name("A004") != "" || crm.name("A002") != "first" {
				t.Errorf("%s: it shows %v", name, crm.by)
			}
			if n := b.behind(); n.Behind != 0 || n.Through < b.now.UnixMilli() {
				t.Errorf("told of everything it is behind by %d, through %d", n.Behind, n.Through)
			}
		}
	})
}

// A tenant of which a restored database knows nothing begins above what others may know of it.
func TestARestoreThatHasLostAll(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := newBench(t, d), &system{}
		b.keep()
		b.putBack()
		s.tell("x", "A", "B")
		b.must(b.imports(s).Step)
		if _, version := b.names(); version != b.now.UnixMilli()+1 {
			t.Errorf("the second version after a restore at %d is %d", b.now.UnixMilli(), version)
		}
	})
}
