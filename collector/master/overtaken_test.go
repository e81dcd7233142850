package master_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/master"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// halted is a system on whose nth answer the collector that asked is halted, after it came.
type halted struct {
	*system
	at   int
	then func()
}

func (h *halted) halt() {
	if h.at--; h.at == 0 {
		h.then()
	}
}

func (h *halted) Master(ctx context.Context, kind docklinev1.MasterKind, since connector.Cursor) (connector.MasterPage, error) {
	defer h.halt()
	return h.system.Master(ctx, kind, since)
}

func (h *halted) Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) ([]connector.RefusedRecord, error) {
	defer h.halt()
	return h.system.Tell(ctx, kind, records)
}

// overtaking is a bench of two collectors on one clock, which the database has too.
func overtaking(t *testing.T, d *db.DB) *bench {
	b := newBench(t, d)
	d.Now = func() time.Time { return b.now }
	return b
}

func (b *bench) anew() {
	b.Helper()
	if err := b.db.Write(b.Context(), func(tx *db.Tx) error { return master.Ask(b.Context(), tx, tenant, "erp", items, false) }); err != nil {
		b.Fatal(err)
	}
}

// A collector that is halted for longer than its lease while it reads everything anew, at whatever page, changes nothing when it goes on:
// neither where another one has read all meanwhile, nor where that has begun once more, or has come as far as it.
// Shows: S19, A9
func TestAnOvertakenReadingChangesNothing(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b := overtaking(t, d)
		s := &system{}
		s.tell("x", codes("A", 25)...)
		first := b.imports(s)
		b.must(first.Step)
		for _, meanwhile := range []string{"all", "as far", "all and once more"} {
			for at := 1; at <= 4; at++ {
				b.now = b.now.Add(time.Hour)
				b.anew()
				other := b.imports(s)
				other.Holder = "other"
				var before []string
				var version int64
				slow := &halted{system: s, at: at, then: func() {
					b.now = b.now.Add(40 * time.Second)
					if meanwhile == "as far" {
						if _, err := other.Step(t.Context()); err != nil {
							t.Fatal(err)
						}
					} else {
						b.must(other.Step)
					}
					if meanwhile == "all and once more" {
						b.anew()
						if _, err := other.Step(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					before, version = b.names()
				}}
				in := b.imports(s)
				in.Source = slow
				for range at {
					b.now = b.now.Add(3 * time.Second) // it renews its lease each time
					if _, err := in.Step(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if after, is := b.names(); slow.at > 0 || !slices.Equal(before, after) || is != version || len(after) != 25 {
					t.Errorf("halted at answer %d, the other read %s: %d records in version %d, and then %d in %d", at, meanwhile, len(before), version, len(after), is)
				}
				b.now = b.now.Add(time.Minute)
				b.must(other.Step)
				if after, is := b.names(); len(after) != 25 || is != version {
					t.Errorf("halted at answer %d, the other read %s: in the end %d records in version %d", at, meanwhile, len(after), is)
				}
				if err := d.Release(t.Context(), "master/erp", "other"); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// A collector that dies anywhere while everything is read anew leaves nothing that the next one takes for the end of what is known.
func TestAReadingThatBreaksOffAnywhere(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := overtaking(t, d), &system{}
		s.tell("x", codes("A", 25)...)
		b.must(b.imports(s).Step)
		writes := func(from int) (done bool) {
			died := errors.New("it died")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d.Fault = func(point string, write bool) error {
				if point != "begin" || !write {
					return nil
				}
				if from--; from >= 0 {
					return nil
				}
				cancel()
				return died
			}
			defer func() { d.Fault = nil }()
			in := b.imports(s)
			for range 20 {
				if more, err := in.Step(ctx); err != nil || ctx.Err() != nil || !more {
					return err == nil && ctx.Err() == nil
				}
			}
			return true
		}
		for n := 0; ; n++ {
			b.now = b.now.Add(time.Hour)
			gone, stays := fmt.Sprintf("GONE%d", n), len(s.feed)
			s.tell("x", gone)
			b.must(b.imports(s).Step)
			s.feed, s.era = s.feed[:stays], s.era+1
			done := writes(n)
			b.must(b.imports(s).Step)
			names, _ := b.names()
			if len(names) != 25 {
				t.Fatalf("broken off before write %d: %d records", n, len(names))
			}
			if done {
				if n < 6 {
					t.Fatalf("only %d writes", n)
				}
				return
			}
		}
	})
}

// What an overtaken collector has told a system counts for nothing: not how far that is, nor what it refused.
func TestAnOvertakenTeller(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		b, s := overtaking(t, d), &system{}
		s.tell("x", codes("A", 20)...)
		b.must(b.imports(s).Step)
		crm := &system{bad: map[string]string{"A003": "no price"}}
		other := b.tells(crm)
		other.Holder = "other"
		through := func() (n, refused int64) {
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT (SELECT through FROM master_target), (SELECT count(*) FROM master_refused)`).Scan(&n, &refused)
			})
			if err != nil {
				t.Fatal(err)
			}
			return n, refused
		}
		slow := &halted{system: crm, at: 1, then: func() {
			b.now = b.now.Add(40 * time.Second)
			crm.bad = nil
			b.must(other.Step)
			s.tell("priced", "A003")
			b.must(b.imports(s).Step)
			b.must(other.Step)
		}}
		if _, err := b.tells(slow).Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, refused := through(); slow.at > 0 || n != 21 || refused != 0 {
			t.Errorf("it is told through version %d, and refuses %d; want 21 and 0", n, refused)
		}
	})
}
