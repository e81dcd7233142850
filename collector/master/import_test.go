package master_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const (
	tenant = "acme"
	items  = docklinev1.MasterKind_MASTER_KIND_ITEM
)

// system is one that tells of items by a feed, ten at a time, and takes them.
type system struct {
	feed      []*docklinev1.MasterRecord
	bad       map[string]string // refused with a reason
	era       int               // a cursor of another one is forgotten
	down      error
	asked     int
	products  map[string]uint64
	wrongKind bool
}

func (s *system) MasterKinds() []docklinev1.MasterKind { return []docklinev1.MasterKind{items} }
func (s *system) ToldKinds() []docklinev1.MasterKind   { return []docklinev1.MasterKind{items} }

func (s *system) Master(_ context.Context, _ docklinev1.MasterKind, since connector.Cursor) (page connector.MasterPage, err error) {
	if s.asked++; s.down != nil {
		return page, s.down
	}
	from := 0
	if len(since) > 0 {
		era, at, _ := strings.Cut(string(since), "/")
		if era != strconv.Itoa(s.era) {
			return page, &connector.Fault{Code: "cursor_forgotten", Text: "gone", Err: connector.ErrForgotten}
		}
		if from, err = strconv.Atoi(at); err != nil {
			return page, err
		}
	}
	to := min(from+10, len(s.feed))
	for _, r := range s.feed[from:to] {
		if why := s.bad[r.Code]; why != "" {
			page.Refused = append(page.Refused, connector.RefusedRecord{Code: r.Code, Reason: why, Raw: []byte(`{"code":"` + r.Code + `"}`)})
			continue
		}
		page.Records = append(page.Records, &docklinev1.MasterRecord{Code: r.Code, Name: r.Name, Removed: r.Removed})
	}
	page.Cursor, page.More = connector.Cursor(fmt.Sprintf("%d/%d", s.era, to)), to < len(s.feed)
	return page, nil
}

func (s *system) Tell(_ context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) (refused []connector.RefusedRecord, err error) {
	if s.asked++; s.down != nil {
		return nil, s.down
	}
	s.wrongKind = s.wrongKind || kind != items
	for _, r := range records {
		if why := s.bad[r.Code]; why != "" {
			refused = append(refused, connector.RefusedRecord{Code: r.Code, Reason: why})
			continue
		}
		if s.products == nil {
			s.products = map[string]uint64{}
		}
		if s.products[r.Code] = r.Version; r.Removed {
			delete(s.products, r.Code)
		}
	}
	return refused, nil
}

// tell appends to the feed.
func (s *system) tell(name string, codes ...string) {
	for _, code := range codes {
		s.feed = append(s.feed, &docklinev1.MasterRecord{Code: code, Name: name, Removed: name == ""})
	}
}

// bench is an import under test, with what people were told.
type bench struct {
	*testing.T
	db    *db.DB
	now   time.Time
	cases map[string][]connector.Case
}

func newBench(t *testing.T, d *db.DB) *bench {
	return &bench{T: t, db: d, now: time.Unix(1_800_000_000, 0), cases: map[string][]connector.Case{}}
}

func (b *bench) told(_ context.Context, _ *db.Tx, _, origin string, cases []connector.Case) error {
	b.cases[origin] = cases
	return nil
}

// open names the codes of the cases that are open of a system.
func (b *bench) open(name string) (codes []string) {
	for _, c := range b.cases["master/"+name] {
		codes = append(codes, c.Code)
	}
	return codes
}

// party is a system by name, with the bench's clock.
func (b *bench) party(name string) master.Party {
	return master.Party{DB: b.db, Tenant: tenant, Name: name, Kinds: []docklinev1.MasterKind{items}, Holder: "test", Cases: b.told, Now: func() time.Time { return b.now }}
}

func (b *bench) imports(s *system) *master.Import {
	return &master.Import{Party: b.party("erp"), Source: s}
}

func (b *bench) tells(s connector.MasterTarget) *master.Tell {
	return &master.Tell{Party: b.party("crm"), Target: s, ListLength: 7}
}

// through steps until there is no more.
func (b *bench) through(step func(context.Context) (bool, error)) error {
	for range 1000 {
		if more, err := step(b.Context()); err != nil || !more {
			return err
		}
	}
	b.Fatal("it never ends")
	return nil
}

// must is through where nothing may go wrong.
func (b *bench) must(step func(context.Context) (bool, error)) {
	b.Helper()
	if err := b.through(step); err != nil {
		b.Fatal(err)
	}
}

// names are the items that are known, "CODE=name" by code, and the highest version.
func (b *bench) names() (names []string, version int64) {
	b.Helper()
	err := b.db.Read(b.Context(), func(tx *db.Tx) (err error) {
		if names, err = tx.Texts(b.Context(), `SELECT code || '=' || name FROM master_record WHERE removed = 0 ORDER BY code`); err != nil {
			return err
		}
		return tx.QueryRow(b.Context(), `SELECT coalesce(max(version), 0) FROM master_top`).Scan(&version)
	})
	if err != nil {
		b.Fatal(err)
	}
	return names, version
}

func codes(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%03d", prefix, i))
	}
	return all
}

// A feed is read page by page and goes on where it was, in another process too; what has not changed gets no new version.
// Shows: S19, A9
func TestAFeedIsReadOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := newBench(t, d), &system{}
		s.tell("x", codes("A", 35)...)
		if more, err := b.imports(s).Step(t.Context()); err != nil || !more {
			t.Fatal(more, err)
		}
		b.must(b.imports(s).Step) // another process goes on
		names, version := b.names()
		if len(names) != 35 || version != 35 || s.asked != 4 {
			t.Fatalf("%d records in version %d after %d requests", len(names), version, s.asked)
		}
		s.tell("x", "A001", "A002")
		s.tell("y", "A003")
		s.tell("", "A004", "NONE")
		in := b.imports(s)
		b.must(in.Step)
		if names, version = b.names(); len(names) != 34 || version != 37 || !slices.Contains(names, "A003=y") || slices.Contains(names, "A004=x") {
			t.Errorf("version %d, %q", version, names)
		}
		s.tell("again", "A004")
		b.must(in.Step)
		if names, version = b.names(); version != 38 || !slices.Contains(names, "A004=again") {
			t.Errorf("version %d, %q", version, names)
		}
	})
}

// A system that has forgotten the cursor is read from the beginning: what it no longer tells of is removed, and no other record is touched. The
// same where a person asks for it. Where most would go, nothing does until a person says so.
func TestWhatIsNoLongerToldIsRemoved(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := newBench(t, d), &system{}
		s.tell("x", codes("A", 120)...)
		in := b.imports(s)
		b.must(in.Step)
		s.feed = append(s.feed[:3:3], s.feed[8:]...)
		s.era++
		b.must(in.Step)
		names, version := b.names()
		if len(names) != 115 || version != 125 || slices.Contains(names, "A003=x") {
			t.Fatalf("after the feed began anew: %d records, version %d", len(names), version)
		}
		ask := func(accept bool) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return master.Ask(t.Context(), tx, tenant, "erp", items, accept) }); err != nil {
				t.Fatal(err)
			}
		}
		s.feed = s.feed[:20]
		ask(false)
		if err := b.through(in.Step); err == nil || !strings.Contains(err.Error(), "95 of the 115") {
			t.Fatalf("a system that tells of far less: %v", err)
		}
		if names, _ = b.names(); len(names) != 115 || !slices.Equal(b.open("erp"), []string{"master_shrunk"}) {
			t.Fatalf("%d records, cases %v", len(names), b.cases)
		}
		ask(true)
		b.must(in.Step)
		if names, _ = b.names(); len(names) != 20 || len(b.open("erp")) != 0 {
			t.Errorf("after a person said so: %d records, cases %v", len(names), b.cases)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return master.Ask(t.Context(), tx, tenant, "nobody", items, false) }); !errors.Is(err, master.ErrAbsent) {
			t.Errorf("of a system that is not read: %v", err)
		}
	})
}

// Records that do not fit are kept by name and told, and nothing behind them waits; what was known of them stays. A system that does not
// answer is told too, after a while; both end by themselves.
func TestRecordsThatDoNotFit(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := newBench(t, d), &system{bad: map[string]string{"A007": "no such field"}}
		s.tell("x", codes("A", 25)...)
		s.tell("x", strings.Repeat("long", 100))
		in := b.imports(s)
		b.must(in.Step)
		if names, _ := b.names(); len(names) != 24 || !slices.Equal(b.open("erp"), []string{"master_refused"}) {
			t.Fatalf("%d records, cases %v", len(names), b.cases)
		}
		if text := b.cases["master/erp"][0].Text; !strings.Contains(text, "A007 (no such field)") || !strings.Contains(text, "256 bytes") {
			t.Errorf("the case does not name them: %s", text)
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			found, err := master.Refusals(t.Context(), tx, tenant, 10)
			if err == nil && (len(found) != 2 || found[0].Code != "A007" || found[0].Raw != `{"code":"A007"}`) {
				t.Errorf("refused are %+v", found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.bad = nil
		s.tell("mended", "A007")
		s.down = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "busy", Text: "it is being serviced"}
		for range 2 {
			if _, err := in.Step(t.Context()); err == nil {
				t.Fatal("a system that does not answer is no error")
			}
			b.now = b.now.Add(31 * time.Second)
		}
		if _, err := in.Step(t.Context()); err == nil || !slices.Equal(b.open("erp"), []string{"master_refused", "master_stalled"}) {
			t.Fatalf("%v, cases %v", err, b.cases)
		}
		s.down = nil
		b.must(in.Step)
		if names, _ := b.names(); !slices.Contains(names, "A007=mended") || !slices.Equal(b.open("erp"), []string{"master_refused"}) || strings.Contains(b.cases["master/erp"][0].Text, "A007") {
			t.Errorf("cases %v", b.cases)
		}
	})
}

// Another system is told everything once and then what changes, goes on where it was in another process, and what it refuses is told by name
// and taken when it changes.
func TestAnotherSystemIsTold(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s, other := newBench(t, d), &system{}, &system{bad: map[string]string{"A003": "no price"}}
		s.tell("x", codes("A", 30)...)
		in := b.imports(s)
		b.must(in.Step)
		if _, err := b.tells(other).Step(t.Context()); err != nil || len(other.products) != 6 {
			t.Fatalf("the first list brought %v, %v", other.products, err)
		}
		out := b.tells(other)
		b.must(out.Step)
		if len(other.products) != 29 || other.asked != 5 || !slices.Equal(b.open("crm"), []string{"master_refused"}) || !strings.Contains(b.cases["master/crm"][0].Text, "A003 (no price)") {
			t.Fatalf("%d products after %d requests, cases %v", len(other.products), other.asked, b.cases)
		}
		before := other.asked
		b.must(out.Step)
		if other.asked != before {
			t.Error("it was told although nothing has changed")
		}
		other.bad = nil
		s.tell("priced", "A003")
		s.tell("", "A004")
		b.must(in.Step)
		b.must(out.Step)
		if _, there := other.products["A004"]; len(other.products) != 29 || there || len(b.open("crm")) != 0 || other.wrongKind {
			t.Errorf("%d products, cases %v", len(other.products), b.cases)
		}
	})
}
