package master_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// A site gets the master data that concerns it once, then what changes; a lost list comes again, and after another database everything.
// Shows: S19, A9
func TestASiteGetsWhatChangesOfMasterData(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, "dc-east")
		var all []*docklinev1.MasterRecord
		for n := range 25 {
			all = append(all, item(fmt.Sprintf("SKU-%02d", n), fmt.Sprint("item ", n)))
		}
		if n := w.put("erp", false, all...); n != 25 {
			t.Fatalf("%d changed", n)
		}
		if n := w.put("erp", true, all...); n != 0 {
			t.Fatalf("%d of what was known changed", n)
		}
		w.step(1)
		n, err := w.feed.Step(t.Context()) // the next one when it holds this one
		if err != nil || n != 0 {
			t.Fatalf("%d lists before the site has said that it holds the last: %v", n, err)
		}
		if _, whole := w.sites["dc-east"].Master(items, "SKU-24"); whole {
			t.Error("what is still to come counts as unknown")
		}
		w.step(1)
		w.step(1)
		w.step(0)
		if _, whole := w.sites["dc-east"].Master(items, "SKU-24"); !whole {
			t.Error("the site does not know that it has everything")
		}
		all[4].Name = "renamed"
		all = append(append(all[:3:3], all[4:]...), item("SKU-99", "new"))
		if n := w.put("erp", true, all...); n != 3 {
			t.Fatalf("%d changed, want one removal, one name and one new", n)
		}
		w.lose = true
		w.step(1)
		w.lose = false
		w.step(0)
		w.now = w.now.Add(11 * time.Second)
		w.step(1)
		w.step(0)
		w.knows("dc-east", map[string]string{"SKU-03": "", "SKU-04": "renamed", "SKU-99": "new", "SKU-24": "item 24"})
		if last := w.sites["dc-east"].lists; len(last[len(last)-1].Records) != 3 {
			t.Errorf("three changes came as %v", last[len(last)-1])
		}
		// It speaks of another database: all comes again.
		s := w.sites["dc-east"]
		if err := s.SetIncarnation("another"); err != nil {
			t.Fatal(err)
		}
		if err := s.SetIncarnation(s.incarnation); err != nil {
			t.Fatal(err)
		}
		s.session = "s2"
		w.drain()
		w.knows("dc-east", map[string]string{"SKU-03": "", "SKU-04": "renamed", "SKU-99": "new", "SKU-24": "item 24"})
	})
}

// What a record no longer concerns a site is a removal there, and nothing of other sites' records goes to it.
func TestASiteGetsOnlyWhatConcernsIt(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, "dc-east", "dc-west")
		w.put("erp", false, item("A", "all"), item("B", "both", "dc-east", "dc-west"), item("C", "east", "dc-east"), item("D", "west", "dc-west"))
		w.drain()
		w.knows("dc-east", map[string]string{"A": "all", "B": "both", "C": "east", "D": ""})
		w.knows("dc-west", map[string]string{"A": "all", "B": "both", "C": "", "D": "west"})
		w.put("erp", false, item("A", "east only", "dc-east"), item("B", "west only", "dc-west"), item("D", "west 2", "dc-west"))
		w.drain()
		w.knows("dc-east", map[string]string{"A": "east only", "B": "", "C": "east", "D": ""})
		w.knows("dc-west", map[string]string{"A": "", "B": "west only", "C": "", "D": "west 2"})
		gone := item("C", "")
		gone.Removed = true
		w.put("erp", false, gone)
		before := len(w.sites["dc-west"].lists)
		w.drain()
		w.knows("dc-east", map[string]string{"C": ""})
		if n := len(w.sites["dc-west"].lists); n != before {
			t.Errorf("dc-west was sent %d lists for a record that it never had", n-before)
		}
	})
}

// Of many records a site that few of them concern gets those, without a message for the others.
func TestFewOfManyRecords(t *testing.T) {
	d := testenv.SQLite(t)
	w := newWorld(t, d, "dc-east")
	var all []*docklinev1.MasterRecord
	for n := range 5000 {
		site := "dc-west"
		if n%1000 == 7 {
			site = "dc-east"
		}
		all = append(all, item(fmt.Sprintf("SKU-%04d", n), "x", site))
	}
	w.put("erp", false, all...)
	w.drain()
	w.knows("dc-east", map[string]string{"SKU-0007": "x", "SKU-4007": "x", "SKU-0008": ""})
	if n := len(w.sites["dc-east"].lists); n > 2 {
		t.Errorf("%d lists for five records", n)
	}
	if m := w.sites["dc-east"].MasterState(); m.Through != 5000 || m.Behind != 0 || m.Partial {
		t.Errorf("the site is %+v", m)
	}
}

// A site that was away for longer than removals are kept gets everything anew, and only once, also where the collector changes meanwhile.
func TestASiteThatWasAwayForTooLong(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, "dc-east")
		var all []*docklinev1.MasterRecord
		for n := range 30 {
			all = append(all, item(fmt.Sprintf("SKU-%02d", n), "x"))
		}
		w.put("erp", false, all...)
		w.drain()
		for _, r := range all[20:] {
			r.Removed = true
		}
		w.put("erp", false, all[20:]...)
		w.now = w.now.Add(31 * 24 * time.Hour)
		if n, err := master.Forget(t.Context(), d, w.now.Add(-30*24*time.Hour)); err != nil || n != 10 {
			t.Fatalf("%d removals forgotten, %v", n, err)
		}
		if n := w.put("erp", false, item("SKU-50", "new")); n != 1 {
			t.Fatalf("%d changed", n)
		}
		s := w.sites["dc-east"]
		s.session = "s2"
		w.step(1)
		if list := s.lists[len(s.lists)-1]; !list.Whole || list.Previous != 0 {
			t.Fatalf("the first list is %v", list)
		}
		if _, whole := s.Master(items, "SKU-29"); whole {
			t.Error("while it is told anew a code that is not there counts as unknown")
		}
		w.step(1)
		// Another collector goes on.
		w.feed = &master.Feed{DB: d, Holder: "test", Publish: w.publish, Now: w.feed.Now, FirstLength: 10, ListLength: 10, Share: 1, OfflineAfter: w.feed.OfflineAfter}
		w.drain()
		w.knows("dc-east", map[string]string{"SKU-00": "x", "SKU-19": "x", "SKU-20": "", "SKU-29": "", "SKU-50": "new"})
		whole := 0
		for _, list := range s.lists {
			if list.Whole {
				whole++
			}
		}
		if whole != 1 {
			t.Errorf("it began anew %d times", whole)
		}
	})
}

// After a restore a site gets everything once more under the versions that all have then, from a collector that goes on as from a new one;
// how much is still to come stays a number of records.
func TestASiteAfterARestore(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, "dc-east")
		var all []*docklinev1.MasterRecord
		for n := range 25 {
			all = append(all, item(fmt.Sprintf("SKU-%02d", n), "x"))
		}
		w.put("erp", false, all...)
		w.drain()
		s := w.sites["dc-east"]
		for _, name := range []string{"first", "second"} {
			w.now = w.now.Add(time.Hour)
			w.write(func(tx *db.Tx) (err error) {
				if s.incarnation, err = tx.NewIncarnation(t.Context(), w.now); err != nil {
					return err
				}
				return master.Restored(t.Context(), tx)
			})
			if err := s.SetIncarnation(s.incarnation); err != nil {
				t.Fatal(err)
			}
			s.lists = nil
			w.now = w.now.Add(time.Hour) // what was on its way is lost
			w.drain()
			w.put("erp", false, item("SKU-03", name))
			w.drain()
			w.knows("dc-east", map[string]string{"SKU-00": "x", "SKU-03": name, "SKU-24": "x"})
			told := 0
			for _, list := range s.lists {
				if told += len(list.Records); list.Behind > 25 {
					t.Errorf("%s restore: behind by %d", name, list.Behind)
				}
			}
			if least := uint64(w.now.Add(-time.Hour).UnixMilli()) - 60_000; told != 26 || s.MasterThrough() < least {
				t.Errorf("%s restore: it was told %d records, through version %d", name, told, s.MasterThrough())
			}
		}
	})
}

// While commands or receipts are on their way to a site, its master data waits for them; not for ever. And a list takes no more than its share
// of the line.
func TestMasterDataGivesWay(t *testing.T) {
	d := testenv.SQLite(t)
	w := newWorld(t, d, "dc-east")
	w.feed.Share, w.feed.ListLength = 0.25, 40
	w.feed.FirstLength = 20
	for n := range 100 {
		w.put("erp", false, item(fmt.Sprintf("SKU-%02d", n), "x"))
	}
	w.write(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO receipt (tenant, site, event_id, version, level, body, position) VALUES (?, 'dc-east', 'e1', 1, 1, ?, 1)`, tenant, []byte{})
		return err
	})
	w.step(0)
	w.now = w.now.Add(900 * time.Millisecond)
	w.step(0)
	w.now = w.now.Add(200 * time.Millisecond)
	w.step(1) // after a second it goes all the same
	w.write(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM receipt`)
		return err
	})
	w.now = w.now.Add(240 * time.Millisecond) // nothing is known of the line yet
	w.step(1)
	w.now = w.now.Add(1240 * time.Millisecond) // twice as much took a second more: it is on the line for two, and six are for others
	w.step(0)
	w.now = w.now.Add(4 * time.Second)
	w.step(0)
	w.now = w.now.Add(4 * time.Second)
	w.step(1)
}
