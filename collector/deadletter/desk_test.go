package deadletter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/deadletter"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// office is a database with an event log, a worker, and the desk.
type office struct {
	*testing.T
	d      *db.DB
	log    *eventlog.Log
	worker *reconcile.Worker
	desk   *deadletter.Desk
	clock  time.Time
	seq    uint64
}

func newOffice(t *testing.T, d *db.DB) *office {
	t.Helper()
	p, err := policy.Load(fstest.MapFS{"milestones.yaml": &fstest.MapFile{Data: []byte("default: {}\n")},
		"targets.yaml": &fstest.MapFile{Data: []byte("targets:\n  - {name: erp, role: system_of_record}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{T: t, d: d, clock: Morning.Add(time.Hour)}
	now := func() time.Time { return o.clock }
	o.log = &eventlog.Log{DB: d, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}}
	o.desk = collector.NewDesk(o.log, now)
	o.worker = &reconcile.Worker{DB: d, Policy: p, Now: now, Append: o.desk.Append}
	o.tell(Accepted("SO1", "1", L("", "1", "A", "5")))
	return o
}

func (o *office) tell(events ...*docklinev1.Event) {
	o.Helper()
	o.write(func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			r := eventlog.Recorded{Event: proto.CloneOf(e)}
			if e.GetSite() != "" {
				o.seq++
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, o.seq
			}
			recorded = append(recorded, r)
		}
		_, err := o.log.Append(o.Context(), tx, recorded)
		return err
	})
	o.settle()
}

func (o *office) write(f func(tx *db.Tx) error) {
	o.Helper()
	if err := o.d.Write(o.Context(), f); err != nil {
		o.Fatal(err)
	}
}

func (o *office) settle() {
	o.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = o.worker.Step(o.Context()); err != nil {
			o.Fatal(err)
		}
	}
}

// refused is the dead letter of a pick that could not be taken, as a plugin sends it.
func refused(key string, pick *docklinev1.Event) *docklinev1.Event {
	e := Refused(10, "refused/"+key, "quantity_negative", "picks.csv, line 3: -2 is negative")
	sent := proto.CloneOf(pick)
	sent.Id, sent.Tenant, sent.Site, sent.Source, sent.CapturedAt = "", "", "", "", nil
	e.GetDeadLetter().RefusedEvent, _ = proto.Marshal(sent)
	return e
}

func badPick(key, quantity string) *docklinev1.Event {
	return Pick(10, key, In(L("SO1", "1", "A", quantity), "B-01", ""))
}

func (o *office) picked() int64 {
	o.Helper()
	s := &docklinev1.OrderState{}
	o.write(func(tx *db.Tx) error {
		var body []byte
		if err := tx.QueryRow(o.Context(), `SELECT body FROM state WHERE tenant = ? AND fold_key = 'order/SO1'`, Tenant).Scan(&body); err != nil {
			return err
		}
		return proto.Unmarshal(body, s)
	})
	return s.GetLines()[0].GetPicked() / 1_000_000
}

// open are the codes of the open exceptions, but for those of postings.
func (o *office) open() string {
	o.Helper()
	var codes []string
	o.write(func(tx *db.Tx) error {
		codes = nil
		found, err := exception.List(o.Context(), tx, Tenant, exception.Filter{State: exception.Open})
		for _, e := range found {
			codes = append(codes, e.Code)
		}
		return err
	})
	return strings.Join(codes, " ")
}

func (o *office) letters(f deadletter.Filter) (found []deadletter.Letter) {
	o.Helper()
	o.write(func(tx *db.Tx) (err error) { found, err = deadletter.List(o.Context(), tx, Tenant, f); return err })
	return found
}

func (o *office) edit(id, field, value string) (difference string, err error) {
	err = o.d.Write(o.Context(), func(tx *db.Tx) (err error) {
		difference, err = o.desk.Edit(o.Context(), tx, Tenant, id, ana, func(e *docklinev1.Event) (*docklinev1.Event, error) {
			return e, deadletter.Set(e, field, value)
		})
		return err
	})
	return difference, err
}

func (o *office) requeue(id string) (e *docklinev1.Event, err error) {
	err = o.d.Write(o.Context(), func(tx *db.Tx) (err error) { e, err = o.desk.Requeue(o.Context(), tx, Tenant, id, ana); return err })
	o.settle()
	return e, err
}

func (o *office) agrees() {
	o.Helper()
	keys, err := reconcile.Keys(o.Context(), o.d, reconcile.Key{}, 1000)
	if err != nil {
		o.Fatal(err)
	}
	found, err := o.worker.Compare(o.Context(), keys, nil)
	if err != nil {
		o.Fatal(err)
	}
	for _, f := range found {
		if len(f.Differences) > 0 {
			o.Errorf("%s differs: %v", f.Key.Key, f.Differences)
		}
	}
}

var ana = deadletter.Who{By: "ana", Reason: "counted again: it was two"}

// A pick with a negative quantity is corrected by a person and entered; what its source tells of it afterwards counts in its place, once, and
// nobody is asked about two contents.
//
// Shows: S37
func TestACorrectionIsEnteredAndYieldsToItsSource(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		letter := refused("k1", badPick("k1", "-2"))
		o.tell(letter)
		if got := o.open(); got != "quantity_negative" || o.picked() != 0 {
			t.Fatalf("open: %s, picked %d", got, o.picked())
		}
		if _, err := o.requeue(letter.Id); err == nil || !strings.Contains(err.Error(), "cannot be taken yet") || !strings.Contains(err.Error(), "-2") {
			t.Fatalf("what is wrong was entered: %v", err)
		}
		for _, bad := range [][3]string{
			{"pick.lines[0].quantity.value", "two", "cannot be taken"},
			{"pick.lines[3].quantity.value", "2", "has 1 elements"},
			{"pick.lines", "2", "say which"},
			{"picks", "2", "has no field"},
			{"occurred_at", "yesterday", "is no time"},
			{"subject", "pick k1", "cannot be taken"}, // still -2
		} {
			if _, err := o.edit(letter.Id, bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), bad[2]) {
				t.Errorf("set %s to %s: %v, want %q", bad[0], bad[1], err, bad[2])
			}
		}
		difference, err := o.edit(letter.Id[:12], "pick.lines[0].quantity.value", "2")
		if err != nil || difference != "pick.lines[0].quantity.value: -2 -> 2" {
			t.Fatalf("difference %q, %v", difference, err)
		}
		entered, err := o.requeue(letter.Id)
		if err != nil {
			t.Fatal(err)
		}
		if o.picked() != 2 || o.open() != "" {
			t.Errorf("picked %d, open %q", o.picked(), o.open())
		}
		if _, err := o.requeue(letter.Id); !errors.Is(err, deadletter.ErrSettled) {
			t.Errorf("entered twice: %v", err)
		}
		if l := o.letters(deadletter.Filter{State: deadletter.Requeued}); len(l) != 1 || l[0].CorrectedBy != entered.Id || l[0].By != "ana" || l[0].Edits != 1 {
			t.Errorf("kept as %+v", l)
		}
		o.tell(letter) // the file with the bad line is read again
		o.tell(badPick("k1", "2"))
		if o.picked() != 2 || o.open() != "" {
			t.Errorf("after the corrected row: picked %d, open %q", o.picked(), o.open())
		}
		o.agrees()

		// Another source says something else of its record than the person wrote: the source knows.
		second := refused("k2", badPick("k2", "-1"))
		o.tell(second)
		if _, err := o.edit(second.Id, "pick.lines[0].quantity.value", "1"); err != nil {
			t.Fatal(err)
		}
		o.tell(badPick("k2", "3")) // told before it was entered
		if _, err := o.requeue(second.Id); err != nil {
			t.Fatal(err)
		}
		if o.picked() != 5 || o.open() != "" {
			t.Errorf("picked %d, open %q", o.picked(), o.open())
		}
		o.agrees()
		if n := o.count(`SELECT COUNT(*) FROM audit WHERE person = 'ana' AND action IN ('deadletter.edit', 'deadletter.requeue')`); n != 4 {
			t.Errorf("%d acts in the audit, want 4", n)
		}
	})
}

func (o *office) count(query string) (n int) {
	o.Helper()
	o.write(func(tx *db.Tx) error { return tx.QueryRow(o.Context(), query).Scan(&n) })
	return n
}

// A record that a person discards has no effect, is kept, and stays discarded when it is told again; another bad record under its key does not.
//
// Shows: S37
func TestADiscardedRecordIsKept(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		letter := refused("k1", badPick("k1", "-2"))
		o.tell(letter, refused("k7", badPick("k7", "-7")))
		var counts []deadletter.Count
		o.write(func(tx *db.Tx) (err error) { counts, err = deadletter.Counts(o.Context(), tx, ""); return err })
		if len(counts) != 1 || counts[0].Open != 2 || counts[0].Code != "quantity_negative" || !counts[0].Oldest.Equal(At(10).AsTime()) {
			t.Errorf("counted %+v", counts)
		}
		discard := func(who deadletter.Who) error {
			err := o.d.Write(o.Context(), func(tx *db.Tx) error { return o.desk.Discard(o.Context(), tx, Tenant, letter.Id, who) })
			o.settle()
			return err
		}
		if err := discard(deadletter.Who{By: "ana"}); err == nil {
			t.Error("discarded without a reason")
		}
		if err := discard(deadletter.Who{By: "ana", Reason: "a test scan"}); err != nil {
			t.Fatal(err)
		}
		if o.open() != "quantity_negative" || len(o.letters(deadletter.Filter{State: deadletter.Open})) != 1 || o.count(`SELECT COUNT(*) FROM event WHERE kind = 62`) != 2 {
			t.Errorf("open %q, letters %+v", o.open(), o.letters(deadletter.Filter{}))
		}
		again := proto.CloneOf(letter)
		again.Id, again.ContentHash = "again", []byte("another file")
		o.tell(again)
		if got := o.letters(deadletter.Filter{State: deadletter.Discarded, Site: Site, Code: "quantity_negative"}); len(got) != 1 || got[0].EventID != "again" {
			t.Errorf("told again: %+v", got)
		}
		other := refused("k1", badPick("k1", "-9"))
		other.Id, other.OccurredAt = "other", At(20)
		o.tell(other)
		if got := o.letters(deadletter.Filter{State: deadletter.Open}); len(got) != 2 || o.open() != "quantity_negative quantity_negative" {
			t.Errorf("another bad record under the key: %+v, open %q", got, o.open())
		}
		o.agrees()
	})
}

// What could not be read at all is written by a person from a template, and two who press at once enter it once.
//
// Shows: S37
func TestARecordThatCouldNotBeReadIsWrittenAnew(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		letter := Refused(10, "raw/1", "columns_missing", "picks.csv, line 3: the line has 2 cells, the header 4")
		letter.GetDeadLetter().RefusedEvent, letter.GetDeadLetter().Raw = nil, []byte("SO1;A")
		o.tell(letter)
		if _, err := o.requeue(letter.Id); err == nil || !strings.Contains(err.Error(), "write one with deadletter edit") {
			t.Errorf("requeued: %v", err)
		}
		write := func(ctx context.Context, tx *db.Tx) error {
			_, err := o.desk.Edit(ctx, tx, Tenant, letter.Id, ana, func(e *docklinev1.Event) (*docklinev1.Event, error) {
				if e.GetSourceKey() != "raw/1" || e.GetOccurredAt() == nil {
					t.Errorf("the template is %v", e)
				}
				return badPick("row-1", "4"), nil
			})
			return err
		}
		o.write(func(tx *db.Tx) error { return write(o.Context(), tx) })
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				errs <- o.d.Write(o.Context(), func(tx *db.Tx) error { _, err := o.desk.Requeue(o.Context(), tx, Tenant, letter.Id, ana); return err })
			}()
		}
		first, second := <-errs, <-errs
		o.settle()
		if o.picked() != 4 || o.count(`SELECT COUNT(*) FROM event WHERE kind = 10`) != 1 {
			t.Errorf("picked %d; the two said %v and %v", o.picked(), first, second)
		}
		o.agrees()
	})
}

// A record of a kind that a newer program knows is corrected like any other: the kind shows as its number.
func TestAKindThatIsNotKnownIsCorrected(t *testing.T) {
	o := newOffice(t, testenv.SQLite(t))
	unknown := badPick("row-1", "2")
	unknown.Kind = 9999
	letter := refused("row-1", unknown)
	o.tell(letter)
	difference, err := o.edit(letter.Id, "kind", "pick.confirmed")
	if err != nil || difference != "kind: 9999 -> EVENT_KIND_PICK_CONFIRMED" {
		t.Fatalf("%q, %v", difference, err)
	}
	if _, err := o.requeue(letter.Id); err != nil || o.picked() != 2 {
		t.Errorf("picked %d, %v", o.picked(), err)
	}
}

// What one person has just settled another one does not settle otherwise, also before that is folded.
func TestARecordIsSettledOnce(t *testing.T) {
	for _, discardedFirst := range []bool{false, true} {
		testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
			o := newOffice(t, d)
			letter := refused("row-1", badPick("row-1", "2"))
			o.tell(letter)
			requeue := func(tx *db.Tx) error { _, err := o.desk.Requeue(o.Context(), tx, Tenant, letter.Id, ana); return err }
			discard := func(tx *db.Tx) error { return o.desk.Discard(o.Context(), tx, Tenant, letter.Id, ana) }
			first, second, want := requeue, discard, deadletter.Requeued
			if discardedFirst {
				first, second, want = discard, requeue, deadletter.Discarded
			}
			o.write(first)
			if err := d.Write(o.Context(), second); !errors.Is(err, deadletter.ErrSettled) {
				t.Errorf("settled as %s, and then otherwise: %v", want, err)
			}
			o.settle()
			if l := o.letters(deadletter.Filter{}); len(l) != 1 || l[0].State != want || (o.picked() == 2) == discardedFirst {
				t.Errorf("it is %v, picked %d", l, o.picked())
			}
		})
	}
}
