package eventlog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// One event once: it has one row, one fact for each order that it touches with that order's lines only, one mark for each key
// and one receipt, whatever comes again.
func TestOneEventOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		e := picks("dc-east", "k1", map[string]int{"SO1": 2, "SO2": 3})
		if got := w.append(recorded(e, 1, 1), recorded(e, 1, 2)); got != (eventlog.AppendResult{Logged: 1, Duplicates: 1}) {
			t.Errorf("first Append = %+v", got)
		}
		again := proto.Clone(e).(*docklinev1.Event)
		again.CapturedAt.Seconds += 3600 // not a fact of the source
		again.Origin = "other file"
		if got := w.append(recorded(again, 7, 9)); got != (eventlog.AppendResult{Duplicates: 1}) {
			t.Errorf("second Append = %+v", got)
		}
		w.expect("events", 1, `SELECT count(*) FROM event`)
		w.expect("facts", 2, `SELECT count(*) FROM fact`)
		w.expect("marks", 2, `SELECT count(*) FROM dirty`)
		w.expect("receipts at LOGGED", 1, `SELECT count(*) FROM receipt WHERE level = 1 AND version = 1 AND position = 1`)
		w.place()
		found, err := w.log.OfKey(t.Context(), tenant, event.OrderKey("SO2"))
		if err != nil || len(found) != 1 || len(found[0].Event.GetPick().GetLines()) != 2 || found[0].Seq != 1 || found[0].Offset != 1 {
			t.Fatalf("OfKey = %+v, %v", found, err)
		}
		if found[0].Event.GetCorrelationId() != "" {
			t.Error("an event of two orders has a correlation id")
		}
		var body []byte
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT body FROM fact WHERE fold_key = ?`, event.OrderKey("SO1")).Scan(&body)
		})
		fact := &docklinev1.Event{}
		if err != nil || proto.Unmarshal(body, fact) != nil || len(fact.GetPick().GetLines()) != 1 || fact.GetPick().GetLines()[0].GetOrder() != "SO1" {
			t.Errorf("fact of SO1 is %v, %v", fact, err)
		}
	})
}

func TestAnEventOfOneOrderIsCorrelated(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.append(recorded(pick("dc-east", "SO1", "k1", 1), 1, 1))
		w.place()
		found, err := w.log.Read(t.Context(), 0, 10)
		if err != nil || len(found) != 1 {
			t.Fatalf("Read = %v, %v", found, err)
		}
		if got, want := found[0].Event.GetCorrelationId(), event.CorrelationID(tenant, "SO1"); got != want || found[0].Partition != "order/SO1" {
			t.Errorf("correlation %q in %q, want %q in order/SO1", got, found[0].Partition, want)
		}
	})
}

// A fact of the centre has no site, epoch or receipt, and is deduplicated like any other.
func TestAFactOfTheCentre(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		e := &docklinev1.Event{Id: "abc", Tenant: tenant, Source: "tryton", Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: "SO1",
			Payload: &docklinev1.Event_Order{Order: &docklinev1.Order{Number: "SO1"}}}
		for range 2 {
			w.append(eventlog.Recorded{Event: e})
		}
		w.expect("events", 1, `SELECT count(*) FROM event WHERE site = '' AND epoch_ordinal = 0`)
		w.expect("receipts", 0, `SELECT count(*) FROM receipt`)
	})
}

// contents says which body is in force and which facts there are, for any order of arrival.
func (w *world) contents() string {
	w.t.Helper()
	w.place()
	found, err := w.log.Read(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("%.6s variant %d at %d/%d: %v", f.Event.GetId(), f.Variant, f.EpochOrdinal, f.Seq, f.Event.GetPick().GetLines()[0].GetQuantity().GetValue()))
		facts, err := w.log.OfKey(w.t.Context(), tenant, event.OrderKey(f.Event.GetSubject()))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, fact := range facts {
			lines = append(lines, fmt.Sprintf("  %s fact %.6s at %d/%d", f.Event.GetSubject(), fact.Event.GetId(), fact.EpochOrdinal, fact.Seq))
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// Two bodies under one id are both kept; the facts are those of the lower place in the journal, and a case is opened. In which
// order and how often they arrive does not matter.
func TestTwoBodiesUnderOneID(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		good, bad, third := pick("dc-east", "SO1", "k1", 2), pick("dc-east", "SO2", "k1", 9), pick("dc-east", "SO3", "k1", 7)
		arrivals := []eventlog.Recorded{recorded(good, 1, 5), recorded(bad, 1, 8), recorded(bad, 3, 1), recorded(good, 2, 1), recorded(third, 2, 7),
			recorded(pick("dc-east", "SO1", "k2", 1), 1, 6)}
		want := ""
		for n := range testenv.Count("ingest.permutations") {
			order := rand.New(rand.NewPCG(1, uint64(n))).Perm(len(arrivals))
			if n == 0 {
				order = []int{0, 1, 2, 3, 4, 5}
			}
			w := newWorld(t, d)
			var events []eventlog.Recorded
			for _, i := range order {
				events = append(events, eventlog.Recorded{Event: proto.Clone(arrivals[i].Event).(*docklinev1.Event),
					Epoch: arrivals[i].Epoch, EpochOrdinal: arrivals[i].EpochOrdinal, Seq: arrivals[i].Seq})
			}
			var total eventlog.AppendResult
			for len(events) > 0 {
				step := 1 + order[0]%len(events)
				got := w.append(events[:step]...)
				total = eventlog.AppendResult{Logged: total.Logged + got.Logged, Duplicates: total.Duplicates + got.Duplicates, Conflicts: total.Conflicts + got.Conflicts}
				events = events[step:]
			}
			if total != (eventlog.AppendResult{Logged: 2, Duplicates: 2, Conflicts: 2}) {
				t.Errorf("order %v: %+v", order, total)
			}
			got := w.contents()
			if n == 0 {
				want = got
			}
			if got != want {
				t.Fatalf("order %v gives\n%s\nwant\n%s", order, got, want)
			}
			c := w.open["event/"+good.GetId()]
			if c.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || c.Code != "changed_event" || !slices.Equal(c.EventIDs, []string{good.GetId()}) {
				t.Errorf("the case is %+v", c)
			}
			w.wipe()
		}
		if !strings.Contains(want, "variant 0 at 1/5: 2") || strings.Contains(want, "SO2 fact") || strings.Count(want, "fact") != 2 {
			t.Errorf("in force is\n%s", want)
		}
	})
}

func (w *world) wipe() {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		for _, table := range []string{"event", "event_identity", "record_first", "record_later", "fact", "link", "declared", "dirty", "receipt", "received", "epoch", "inbox", "stream", "plugin_cursor", "gap"} {
			if _, err := tx.Exec(w.t.Context(), `DELETE FROM `+table); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// Two collectors append the same events at the same time: each is logged by one of them.
func TestTwoCollectorsAppendTheSame(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		var mu sync.Mutex
		var total eventlog.AppendResult
		var wg sync.WaitGroup
		for c := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(c), 1))
				for range 5 {
					var events []eventlog.Recorded
					for _, n := range r.Perm(60)[:40] {
						events = append(events, recorded(pick("dc-east", fmt.Sprint("SO", n%7), fmt.Sprint("k", n), 1), uint64(1+c), uint64(n+1)))
					}
					err := d.Write(t.Context(), func(tx *db.Tx) error {
						got, err := w.log.Append(t.Context(), tx, events)
						if err == nil {
							mu.Lock()
							defer mu.Unlock()
							total.Logged += got.Logged
							total.Duplicates += got.Duplicates
							total.Conflicts += got.Conflicts
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		rows := w.count(`SELECT count(*) FROM event`)
		if int64(total.Logged) < rows || total.Conflicts != 0 {
			t.Errorf("%+v for %d rows", total, rows)
		}
		w.expect("identities", rows, `SELECT count(*) FROM event_identity`)
		w.expect("facts", rows, `SELECT count(*) FROM fact`)
		w.expect("events whose place is not that of their identity", 0, `SELECT count(*) FROM event e JOIN event_identity i ON i.log_id = e.log_id
			WHERE i.epoch_ordinal <> e.epoch_ordinal OR i.seq <> e.seq`)
	})
}
