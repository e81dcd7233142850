package eventlog_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/testenv"
)

// A person accepts the other of two contents whenever both are there, and copies of both come before and after, from any place of the journal:
// each order has one fact of its own, whichever of the two kept the id.
func TestAcceptedWheneverItIs(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		one, other := pick("dc-east", "SO1", "k1", 2), pick("dc-east", "SO2", "k1", 9)
		arrivals := []eventlog.Recorded{recorded(one, 2, 5), recorded(other, 2, 8), recorded(other, 1, 1), recorded(one, 1, 9), recorded(one, 3, 1), recorded(other, 3, 2)}
		for n := range testenv.Count("ingest.permutations") {
			random := rand.New(rand.NewPCG(2, uint64(n)))
			w := newWorld(t, d)
			accepted, came := false, map[string]bool{}
			for _, i := range random.Perm(len(arrivals)) {
				w.append(recorded(arrivals[i].Event, arrivals[i].EpochOrdinal, arrivals[i].Seq))
				came[arrivals[i].Event.GetSubject()] = true
				if len(came) == 2 && !accepted && (random.IntN(3) == 0 || len(w.open) == 0) {
					w.accept(one.GetId(), "")
					accepted = true
				}
			}
			if !accepted {
				w.accept(one.GetId(), "")
			}
			w.expect("facts of SO1", 1, `SELECT count(*) FROM fact WHERE fold_key = 'order/SO1'`)
			w.expect("facts of SO2", 1, `SELECT count(*) FROM fact WHERE fold_key = 'order/SO2'`)
			w.expect("ids that count", 2, `SELECT count(DISTINCT event_id) FROM fact`)
			w.expect("records", 2, `SELECT count(*) FROM record_first`)
			w.expect("versions of records beside the first", 0, `SELECT count(*) FROM record_later`)
			if len(w.open) != 0 {
				t.Errorf("cases are open: %+v", w.open)
			}
			if t.Failed() {
				t.Fatalf("seed %d", n)
			}
			w.wipe()
		}
	})
}

// What cannot be accepted is said, with what can be.
func TestAcceptingSaysWhatThereIs(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		good, other, third := pick("dc-east", "SO1", "k1", 2), pick("dc-east", "SO2", "k1", 9), pick("dc-east", "SO3", "k1", 7)
		refused := func(id, body string, words ...string) {
			t.Helper()
			err := w.db.Write(t.Context(), func(tx *db.Tx) error {
				_, err := w.log.AcceptAsNew(t.Context(), tx, tenant, id, body)
				return err
			})
			for _, word := range words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("accepting %q of %s: %v, expected %q in it", body, id, err, word)
				}
			}
		}
		refused("nobody", "", "nobody", "no such event")
		w.append(recorded(good, 1, 1))
		refused(good.GetId(), "", "one content only")
		w.append(recorded(other, 1, 2), recorded(third, 1, 3))
		refused(good.GetId(), "", "2 other contents", eventlog.BodyName(other), eventlog.BodyName(third))
		refused(good.GetId(), "zzz", "zzz", eventlog.BodyName(other))
		refused(good.GetId(), eventlog.BodyName(good), "names 0 other contents")
		if a := w.accept(good.GetId(), eventlog.BodyName(third)); a.Left != 1 || a.Event.GetSubject() != "SO3" || a.Event.GetCausationId() != good.GetId() {
			t.Errorf("accepted: %+v", a)
		}
		if c := w.open["event/"+good.GetId()]; !strings.Contains(c.Text, "2 different contents") {
			t.Errorf("the case is %+v", c)
		}
		if a := w.accept(good.GetId(), ""); a.Left != 0 || a.Event.GetSubject() != "SO2" { // the one that is left
			t.Errorf("accepted: %+v", a)
		}
		w.expect("facts", 3, `SELECT count(*) FROM fact`)
	})
}

func (w *world) accept(id, body string) (a eventlog.Accepted) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *db.Tx) (err error) {
		a, err = w.log.AcceptAsNew(ctx, tx, tenant, id, body)
		return err
	})
	return a
}
