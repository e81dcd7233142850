package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// What a site sends is in the log once, its inbox rows are gone, its totals are counted.
func TestFillTakesEachEventOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a, b, c := pick("dc-east", "SO1", "a", 1), pick("dc-east", "SO1", "b", 1), pick("dc-east", "SO2", "c", 1)
		w.send(events(t, envelope(t, "dc-east", 1, 1, a, b), envelope(t, "dc-east", 1, 3, c))...)
		// The journal went back in time: the same events under a new epoch.
		w.send(events(t, envelope(t, "dc-east", 2, 1, b, c, a))...)
		if got := w.fill(); got != (eventlog.AppendResult{Logged: 3, Duplicates: 3}) {
			t.Errorf("fill = %+v", got)
		}
		w.expect("inbox rows", 0, `SELECT count(*) FROM inbox`)
		w.expect("facts", 3, `SELECT count(*) FROM fact`)
		w.expect("places in the first epoch", 3, `SELECT count(*) FROM event WHERE epoch_ordinal = 1`)
		totals, err := w.log.Totals(t.Context(), tenant)
		if err != nil || totals != (eventlog.Totals{Logged: 3, Duplicates: 3}) {
			t.Errorf("Totals = %+v, %v", totals, err)
		}
		if s := w.filler.Stats(); s.Logged != 3 || s.Duplicates != 3 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

// An event that cannot be decoded, is of another site or breaks a rule becomes a dead letter in its place; the others of its
// pack are taken.
func TestABadEventDoesNotTakeOthersWithIt(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		good, foreign, wrong := pick("dc-east", "SO1", "a", 1), pick("dc-west", "SO1", "b", 1), pick("dc-east", "SO1", "c", 1)
		wrong.GetPick().Lines[0].Quantity.Value = "a dozen"
		var raws [][]byte
		for _, e := range []*docklinev1.Event{good, foreign, wrong} {
			raw, err := proto.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, raw)
		}
		raws = append(raws, []byte{0xff, 0x01, 0x02})
		for epoch := range uint64(2) {
			w.send(events(t, sealed(t, "dc-east", 1, 1+4*epoch, raws...))...)
		}
		// The one that cannot be decoded has no id: elsewhere in the journal it is another one.
		if got := w.fill(); got != (eventlog.AppendResult{Logged: 4 + 2, Duplicates: 2}) {
			t.Errorf("fill = %+v", got)
		}
		w.place()
		found, err := w.log.Read(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		codes := map[string]int{}
		for _, f := range found {
			if letter := f.Event.GetDeadLetter(); letter != nil {
				codes[letter.GetCode()]++
				if letter.GetText() == "" || letter.GetClass() == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED || f.Event.GetSite() != "dc-east" || len(letter.GetRefusedEvent()) == 0 {
					t.Errorf("dead letter %v", f.Event)
				}
			}
		}
		if codes["wrong_site"] != 2 || codes["event_unreadable"] != 2 || len(codes) != 3 {
			t.Errorf("dead letters: %v", codes)
		}
		if found, err := w.log.Get(t.Context(), tenant, wrong.GetId()); err != nil || found[0].Event.GetDeadLetter() == nil {
			t.Errorf("the refused event's id leads to %v, %v", found, err)
		}
		w.expect("receipts", 6, `SELECT count(*) FROM receipt WHERE site = 'dc-east'`)
	})
}

// A pack that cannot be read, with a good checksum: acknowledged, kept whole, a gap and a case, until repaired code reads it.
func TestAnUnreadablePackIsKept(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		bad := withCursor(envelope(t, "dc-east", 1, 1, pick("dc-east", "SO1", "a", 1)), "c1", began, true)
		readable := proto.Clone(bad).(*docklinev1.Envelope)
		bad.Pack = []byte("this is no zstd frame")
		bad.Crc = wire.CRC(bad.Pack)
		next := withCursor(envelope(t, "dc-east", 1, 2, pick("dc-east", "SO1", "b", 1)), "c2", began.Add(time.Minute), true)
		answers := w.send(events(t, bad, next)...)
		if len(answers) != 1 || answers[0].GetAck().GetWatermark() != 2 {
			t.Errorf("answers %v", answers)
		}
		if got := w.fill(); got.Logged != 1 {
			t.Errorf("fill = %+v", got)
		}
		origin := "envelope/dc-east/" + epochName(1) + "/1"
		if c := w.open[origin]; c.Code != "unreadable_envelope" || c.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || !strings.Contains(c.Text, "dc-east") {
			t.Errorf("the case is %+v", c)
		}
		w.expect("dead envelopes", 1, `SELECT count(*) FROM inbox WHERE state = 1`)
		w.expect("streams that passed the gap", 0, `SELECT count(*) FROM stream`)
		// Repaired code is another content of the row here.
		w.write(func(ctx context.Context, tx *db.Tx) error {
			raw, err := proto.Marshal(readable)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE inbox SET envelope = ?`, raw)
			return err
		})
		if err := w.filler.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.fill(); got.Logged != 1 {
			t.Errorf("fill after the repair = %+v", got)
		}
		if len(w.open) != 0 {
			t.Errorf("open cases after the repair: %v", w.open)
		}
		w.expect("streams at the second cursor", 1, `SELECT count(*) FROM stream WHERE through_at = ?`, began.Add(time.Minute).UnixMicro())
	})
}

// Urgent envelopes go first, then live ones, then backlog; sites take turns, so that a small site does not wait for a large
// one's backlog.
func TestTheOrderOfFilling(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.filler.MaxEvents = 1
		seq := map[string]uint64{}
		send := func(site, key string, live, urgent bool) {
			seq[site]++
			env := envelope(t, site, 1, seq[site], pick(site, "SO1", key, 1))
			env.Live, env.Urgent = live, urgent
			w.send(events(t, env)...)
		}
		for i := range 4 {
			send("dc-east", fmt.Sprint("east backlog ", i), false, false)
		}
		send("dc-west", "west backlog 0", false, false)
		send("dc-west", "west backlog 1", false, false)
		send("dc-east", "east live", true, false)
		send("dc-west", "west urgent", true, true)
		var got []string
		for {
			before := w.count(`SELECT coalesce(max(log_id), 0) FROM event`)
			if filled, err := w.filler.Step(t.Context()); err != nil || filled.Envelopes != 1 {
				break
			}
			w.place()
			var body []byte
			if err := d.Read(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT body FROM event WHERE log_id > ?`, before).Scan(&body)
			}); err != nil {
				t.Fatal(err)
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.GetSourceKey())
		}
		want := "west urgent, east live, east backlog 0, east backlog 1, east backlog 2, east backlog 3, west backlog 0, west backlog 1"
		if strings.Join(got, ", ") != want {
			t.Errorf("one by one: %s", strings.Join(got, ", "))
		}
	})
}

// While a site's backlog pours in, what is live goes into the log at once and the backlog waits; then it is filled too.
func TestLiveGoesOnWhileBacklogPoursIn(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		backlog := envelope(t, "dc-east", 1, 1, pick("dc-east", "SO1", "east backlog", 1))
		backlog.Live = false
		w.send(events(t, backlog, envelope(t, "dc-west", 1, 1, pick("dc-west", "SO1", "west live", 1)))...)
		step := func() {
			t.Helper()
			if filled, err := w.filler.Step(t.Context()); err != nil || filled.Envelopes != 1 || filled.Logged != 1 {
				t.Fatalf("filled %+v, %v", filled, err)
			}
		}
		d.Burst()
		step()
		w.expect("live events in the log", 1, `SELECT count(*) FROM event WHERE site = 'dc-west'`)
		step()
		w.expect("events in the log", 2, `SELECT count(*) FROM event`)
	})
}

// In one step that takes several envelopes the sites take turns.
func TestSitesTakeTurns(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.filler.MaxEvents = 4
		for i := range 10 {
			env := envelope(t, "dc-east", 1, uint64(i+1), pick("dc-east", "SO1", fmt.Sprint("e", i), 1))
			env.Live = false
			w.send(events(t, env)...)
		}
		env := envelope(t, "dc-west", 1, 1, pick("dc-west", "SO2", "w", 1))
		env.Live = false
		w.send(events(t, env)...)
		if filled, err := w.filler.Step(t.Context()); err != nil || filled.Envelopes != 4 {
			t.Fatalf("Step = %+v, %v", filled, err)
		}
		w.expect("events of dc-west after the first step", 1, `SELECT count(*) FROM event WHERE site = 'dc-west'`)
	})
}

// Two fillers, two ingests and two sequencers, as two collectors have them, on one database: all events once, offsets without
// a hole and in one order.
func TestTwoCollectorsOnOneDatabase(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := []*world{newWorld(t, d), newWorld(t, d)}
		w[1].sequence.Holder = "second"
		const envelopes, each = 40, 5
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var loops sync.WaitGroup
		for _, one := range w {
			loops.Go(func() { _ = one.filler.Run(ctx) })
			loops.Go(func() { _ = one.sequence.Run(ctx) })
		}
		var senders sync.WaitGroup
		for n, one := range w {
			senders.Go(func() {
				for i := range envelopes {
					for _, site := range []string{"dc-east", "dc-west"} {
						// Both collectors get most of the envelopes, in different orders.
						at := uint64(i)
						if n == 1 {
							at = uint64(envelopes - 1 - i)
						}
						var list []*docklinev1.Event
						for k := range uint64(each) {
							list = append(list, pick(site, fmt.Sprint("SO", at%9), fmt.Sprint("k", at*each+k), 1))
						}
						env := withCursor(envelope(t, site, 1, at*each+1, list...), fmt.Sprint(at), began.Add(time.Duration(at)*time.Second), true)
						if _, err := one.ingest.Handle(ctx, events(t, env)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		senders.Wait()
		const total = 2 * envelopes * each
		eventually(t, "every event has an offset", func() bool {
			return w[0].count(`SELECT count(*) FROM event WHERE log_offset IS NOT NULL`) == total
		})
		eventually(t, "every receipt has a position", func() bool {
			return w[0].count(`SELECT count(*) FROM receipt WHERE position IS NOT NULL`) == total
		})
		cancel()
		loops.Wait()
		w[0].expect("highest offset", total, `SELECT max(log_offset) FROM event`)
		w[0].expect("highest position of a site", total/2, `SELECT max(position) FROM receipt`)
		w[0].expect("ranges received", 2, `SELECT count(*) FROM received WHERE lo = 1 AND hi = ?`, envelopes*each)
		w[0].expect("streams at the end", 2, `SELECT count(*) FROM stream WHERE through_at = ?`, began.Add((envelopes-1)*time.Second).UnixMicro())
		w[0].expect("inbox rows", 0, `SELECT count(*) FROM inbox`)
	})
}

// An envelope that the database does not take is set aside, and does not stop the others.
func TestAnEnvelopeThatCannotBeStoredIsSetAside(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		poison := pick("dc-east", "SO1", "poison", 1)
		w.log.Keys = func(e *docklinev1.Event) []eventlog.Touch {
			if e.GetSourceKey() == "poison" {
				return []eventlog.Touch{{Key: strings.Repeat("x", 10), Event: &docklinev1.Event{Subject: "\xff not UTF-8"}}}
			}
			return keys(e)
		}
		w.send(events(t, envelope(t, "dc-east", 1, 1, pick("dc-east", "SO1", "a", 1)), envelope(t, "dc-east", 1, 2, poison),
			envelope(t, "dc-west", 1, 1, pick("dc-west", "SO1", "b", 1)))...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- w.filler.Run(ctx) }()
		eventually(t, "the two good envelopes are filled", func() bool {
			return w.count(`SELECT count(*) FROM event`) == 2 && w.count(`SELECT count(*) FROM inbox WHERE state = 1`) == 1
		})
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		if len(w.open) != 1 {
			t.Errorf("cases: %v", w.open)
		}
	})
}

func TestReadAndGet(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for i := range 5 {
			w.append(recorded(pick("dc-east", "SO1", fmt.Sprint("k", i), 1), 1, uint64(i+1)))
		}
		if found, err := w.log.Read(t.Context(), 0, 10); err != nil || len(found) != 0 {
			t.Errorf("before the sequencer Read = %d rows, %v", len(found), err)
		}
		if n := w.place(); n != 5 {
			t.Errorf("placed %d", n)
		}
		found, err := w.log.Read(t.Context(), 2, 2)
		if err != nil || len(found) != 2 || found[0].Offset != 3 || found[1].Offset != 4 || found[0].RecordedAt.IsZero() {
			t.Errorf("Read(2, 2) = %+v, %v", found, err)
		}
		latest, err := w.log.Latest(t.Context(), tenant, 1)
		if err != nil || len(latest) != 1 || latest[0].Offset != 5 {
			t.Errorf("Latest = %+v, %v", latest, err)
		}
		if _, err := w.log.Get(t.Context(), tenant, "nothing"); !errors.Is(err, eventlog.ErrNoEvent) {
			t.Errorf("Get of nothing = %v", err)
		}
		if found, err := w.log.Get(t.Context(), "other", latest[0].Event.GetId()); err == nil {
			t.Errorf("another tenant sees %v", found)
		}
	})
}

// A row that changed gets a new position, also when it had the highest one: what a site holds never hides it.
func TestAChangedReceiptGetsANewPosition(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for i := range 3 {
			w.append(recorded(pick("dc-east", "SO1", fmt.Sprint("k", i), 1), 1, uint64(i+1)))
		}
		w.place()
		w.write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE receipt SET version = 2, position = NULL WHERE position = 3`)
			return err
		})
		w.place()
		w.expect("receipts at position 4", 1, `SELECT count(*) FROM receipt WHERE position = 4 AND version = 2`)
		w.expect("receipts", 3, `SELECT count(*) FROM receipt WHERE position IS NOT NULL`)
	})
}

// Where live envelopes alone fill every step, backlog has a step of its own now and then.
func TestBacklogHasAShareBesideEndlessLiveEvents(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.filler.MaxEvents = 4
		old := envelope(t, "dc-east", 1, 1, pick("dc-east", "SO1", "old", 1))
		old.Live = false
		w.send(events(t, old)...)
		for i := range 40 {
			w.send(events(t, envelope(t, "dc-east", 1, uint64(i+2), pick("dc-east", "SO2", fmt.Sprint("w", i), 1)))...)
		}
		for range 4 {
			w.expect("backlog in the log", 0, `SELECT count(*) FROM event WHERE seq = 1`)
			if filled, err := w.filler.Step(t.Context()); err != nil || filled.Envelopes == 0 {
				t.Fatalf("Step = %+v, %v", filled, err)
			}
		}
		w.expect("backlog in the log after the fourth step", 1, `SELECT count(*) FROM event WHERE seq = 1`)
		w.expect("live events in the log", 12, `SELECT count(*) FROM event WHERE seq > 1`)
	})
}
