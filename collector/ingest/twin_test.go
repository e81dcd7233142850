package ingest_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

func epochRange(epoch, predecessor string, ordinal, last uint64) *docklinev1.EpochRange {
	e := &docklinev1.EpochRange{Epoch: epoch, Predecessor: predecessor, Ordinal: ordinal, LastSeq: last}
	if last > 0 {
		e.Ranges = []*docklinev1.SeqRange{{First: 1, Last: last}}
	}
	return e
}

func (w *world) hello(session string, epochs ...*docklinev1.EpochRange) *docklinev1.HelloReply {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	answers := w.send(message(w.t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: session, Epochs: epochs}))
	if len(answers) != 1 || answers[0].GetHelloReply() == nil {
		w.t.Fatalf("answers %v", answers)
	}
	return answers[0].GetHelloReply()
}

func (w *world) beat(session, epoch string) {
	w.send(message(w.t, "dc-east", wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: session, Online: true, Epoch: epoch, SentAt: timestamppb.New(w.now)}))
}

func (w *world) code(origin string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open[tenant+" "+origin].Code
}

// Two journals of one site that begin at the same place are seen with the first word of the second one; that both are alive with the
// next word of the first. Nothing of the one that is not asked at the moment counts as lost, and the case closes when one has been silent
// for an hour.
//
// Shows: E18
func TestACopiedJournalIsFlagged(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		base := epochRange("base", "", 1, 10)
		w.hello("a1", base)
		w.send(w.envelope(envelope("dc-east", "base", 1, 10, "")))
		a, b := epochRange("a", "base", 2, 5), epochRange("b", "base", 2, 7)
		w.hello("a2", base, a)
		w.hello("a3", base, a)
		if code := w.code("ingest/twin/dc-east"); code != "" {
			t.Fatalf("a case %s of one journal", code)
		}
		w.hello("b1", base, b)
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeForkedJournal {
			t.Errorf("after the first word of the copy the case is %q", code)
		}
		w.hello("a4", base, a)
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeTwoHosts {
			t.Errorf("after both have spoken the case is %q", code)
		}
		w.hello("b2", base, b)
		w.hello("b3", base, b, epochRange("bb", "b", 3, 0))
		w.hello("a5", a, epochRange("aa", "a", 3, 0))
		w.hello("b4", b, epochRange("bb", "b", 3, 1))
		w.send(w.envelope(envelope("dc-east", "a", 1, 5, "")), w.envelope(envelope("dc-east", "b", 1, 7, "")))
		w.expect("ranges, each epoch by itself", 3, `SELECT count(*) FROM received WHERE lo = 1`)
		w.now = w.now.Add(59 * time.Minute)
		w.beat("b4", "bb")
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeTwoHosts {
			t.Errorf("within the hour the case is %q", code)
		}
		w.now = w.now.Add(2 * time.Minute)
		w.beat("b4", "bb")
		if code := w.code("ingest/twin/dc-east"); code != "" {
			t.Errorf("after an hour of one journal the case is %q", code)
		}
	})
}

// A disk is lost, a late word of the old journal makes it look as if both were alive, and the new one says Hello no more: when the old one has
// been silent for an hour, what only it had is declared lost. What the new one holds is not.
func TestWhatWentWithTheOtherJournalIsDeclared(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		old, fresh := epochRange("old", "", 1, 8), epochRange("new", "", 1, 3)
		w.hello("a1", epochRange("old", "", 1, 5))
		w.send(w.envelope(envelope("dc-east", "old", 1, 5, "")))
		w.hello("b1", fresh)
		w.hello("a1", old)
		w.hello("b1", fresh)
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeTwoHosts {
			t.Fatalf("after a late word of the lost journal the case is %q", code)
		}
		w.expect("losses while both may be alive", 0, `SELECT count(*) FROM gap`)
		w.now = w.now.Add(61 * time.Minute)
		w.beat("b1", "new")
		w.expect("what only the lost journal had", 1, `SELECT count(*) FROM gap WHERE epoch = 'old' AND lo = 6 AND hi = 8`)
		w.expect("all losses", 1, `SELECT count(*) FROM gap`)
	})
}

// Two copies of a disk come to life in turn. When one has been silent for an hour, what the epoch before both had beyond the place where the other
// goes on is declared with the rest.
func TestWhatLiesBehindTheCopyIsDeclared(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		base, ended := epochRange("base", "", 1, 15), epochRange("base", "", 1, 5)
		first, second := epochRange("a", "base", 2, 4), epochRange("b", "base", 2, 2)
		second.PredecessorLastSeq = 5
		w.hello("a1", base, first)
		w.hello("b1", ended, second)
		w.hello("a2", base, first)
		w.hello("b2", ended, second)
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeTwoHosts {
			t.Fatalf("after both have spoken the case is %q", code)
		}
		w.now = w.now.Add(61 * time.Minute)
		w.beat("b2", "b")
		w.expect("what only the other copy had of its own", 1, `SELECT count(*) FROM gap WHERE epoch = 'a' AND lo = 1 AND hi = 4`)
		w.expect("what it had of the one before", 1, `SELECT count(*) FROM gap WHERE epoch = 'base' AND lo = 6 AND hi = 15`)
		w.send(w.envelope(envelope("dc-east", "base", 1, 5, "")), w.envelope(envelope("dc-east", "b", 1, 2, "")))
		w.expect("all losses", 2, `SELECT count(*) FROM gap`)
	})
}

// A copy of a journal at work goes on within its newest epoch: the centre has more of it than the copy knows.
func TestACopyOfAJournalAtWorkIsFlagged(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello("a1", epochRange("a", "", 1, 10))
		w.send(w.envelope(envelope("dc-east", "a", 1, 10, "")))
		copied, next := epochRange("a", "", 1, 6), epochRange("b", "a", 2, 0)
		w.hello("b1", copied, next)
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeForkedJournal {
			t.Errorf("after the first word of the copy the case is %q", code)
		}
		copied.MovedTo, copied.MovedThrough = "b", 6
		next.LastSeq = 6
		w.hello("b2", copied, next)
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeForkedJournal {
			t.Errorf("after its second word the case is %q", code)
		}
		w.hello("a2", epochRange("a", "", 1, 12))
		if code := w.code("ingest/twin/dc-east"); code != ingest.CodeTwoHosts {
			t.Errorf("after both have spoken the case is %q", code)
		}
	})
}

// What looks like it and is none: an agent that starts again and again, a journal that rotates, that is forked after its disk was rolled
// back, a new disk.
func TestOneJournalIsNotFlagged(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		first, second := epochRange("e1", "", 1, 10), epochRange("e2", "e1", 2, 3)
		w.hello("s1", first)
		w.hello("s2", first, second)
		w.hello("s3", second, epochRange("e3", "e2", 3, 0))
		w.hello("s4", epochRange("e5", "e4", 5, 0)) // e4 was never seen
		moved := epochRange("e5", "e4", 5, 3)
		moved.MovedTo, moved.MovedThrough = "e6", 3
		w.hello("s5", moved, epochRange("e6", "e5", 6, 3))
		w.hello("s6", epochRange("disk2", "", 1, 0))
		w.hello("s7", epochRange("disk2", "", 1, 2))
		if len(w.open) != 0 {
			t.Errorf("cases %v", w.open)
		}
	})
}
