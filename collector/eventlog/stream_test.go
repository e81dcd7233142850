package eventlog_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

func at(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }

// told is an envelope of one event at seq whose cursor says that everything is told until at(seq).
func (w *world) told(ordinal, seq uint64, key string) *docklinev1.Envelope {
	return withCursor(envelope(w.t, "dc-east", ordinal, seq, pick("dc-east", "SO1", key, 1)), key, at(int(seq)), true)
}

// through is how many minutes the site's only stream has told, -1 where there is none.
func (w *world) through() int {
	w.t.Helper()
	us := w.count(`SELECT coalesce(max(through_at), -1) FROM stream`)
	if us < 0 {
		return -1
	}
	return int(time.UnixMicro(us).Sub(began) / time.Minute)
}

func (w *world) isThrough(want int, when string) {
	w.t.Helper()
	if got := w.through(); got != want {
		w.t.Errorf("%s the stream is told until minute %d, want %d", when, got, want)
	}
}

func (w *world) waitFor(key, site string) {
	w.write(func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM dirty`); err != nil {
			return err
		}
		_, err := tx.InsertAbsent(ctx, db.Insert{Table: "stream_wait", Columns: []string{"tenant", "fold_key", "site"}, Rows: [][]any{{tenant, key, site}},
			Conflict: []string{"tenant", "fold_key", "site"}})
		return err
	})
}

// A stream goes on only where everything before is in the log: a live envelope ahead of the backlog does not move it.
func TestAStreamWaitsForTheBacklogBefore(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.send(events(t, w.told(1, 1, "a"))...)
		w.isThrough(-1, "before the fill")
		w.fill()
		w.isThrough(1, "after the first")
		w.waitFor("count/dc-east/C1", "dc-east")
		w.send(events(t, w.told(1, 3, "c"))...)
		w.fill()
		w.isThrough(1, "while the second is missing")
		w.expect("marks of the waiting count", 0, `SELECT count(*) FROM dirty WHERE fold_key = 'count/dc-east/C1'`)
		w.send(events(t, w.told(1, 2, "b"))...)
		w.isThrough(1, "while the second is in the inbox")
		w.fill()
		w.isThrough(3, "when all is there")
		w.expect("marks of the waiting count", 1, `SELECT count(*) FROM dirty WHERE fold_key = 'count/dc-east/C1'`)
		w.expect("cursors kept", 1, `SELECT count(*) FROM plugin_cursor`)
	})
}

func hello(session string, epochs ...*docklinev1.EpochRange) *docklinev1.Hello {
	return &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: session, Epochs: epochs}
}

func holds(ordinal, last uint64, ranges ...uint64) *docklinev1.EpochRange {
	e := &docklinev1.EpochRange{Epoch: epochName(ordinal), Ordinal: ordinal, LastSeq: last}
	for i := 0; i < len(ranges); i += 2 {
		e.Ranges = append(e.Ranges, &docklinev1.SeqRange{First: ranges[i], Last: ranges[i+1]})
	}
	return e
}

func (w *world) hello(h *docklinev1.Hello) *docklinev1.HelloReply {
	w.t.Helper()
	answers := w.send(message(w.t, h.GetSite(), wire.Hello, h))
	if len(answers) != 1 || answers[0].GetHelloReply() == nil {
		w.t.Fatalf("answers to hello: %v", answers)
	}
	return answers[0].GetHelloReply()
}

// An older epoch that the site still has to send keeps the streams of the newer one back.
func TestAStreamWaitsForTheEpochBefore(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello(hello("s1", holds(1, 2, 1, 2), holds(2, 1, 1, 1)))
		w.send(events(t, withCursor(w.told(2, 1, "new"), "new", at(7), true))...)
		w.fill()
		w.isThrough(-1, "while the old epoch is missing")
		w.send(events(t, w.told(1, 1, "a"), w.told(1, 2, "b"))...)
		w.fill()
		w.isThrough(7, "when the old epoch is there")
		w.expect("epochs that are complete", 1, `SELECT count(*) FROM epoch WHERE complete = 1 AND ordinal = 1`)
		w.expect("cursors kept", 1, `SELECT count(*) FROM plugin_cursor WHERE epoch_ordinal = 2`)
	})
}

// What the journal has lost for good is a gap with a case; the watermark passes it, the streams do not until a person accepts it.
func TestALostRangeIsAGapUntilAccepted(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.send(events(t, w.told(1, 1, "a"), w.told(1, 4, "d"))...)
		w.hello(hello("s1", holds(1, 4, 1, 1, 4, 4)))
		w.hello(hello("s2", holds(1, 4, 1, 1, 4, 4))) // says it again
		w.fill()
		w.isThrough(1, "with the gap open")
		origin := "gap/dc-east/" + epochName(1) + "/2"
		if c := w.open[origin]; c.Code != "stream_gap" || c.Title != "2 events of dc-east are lost" || len(w.open) != 1 {
			t.Errorf("cases: %+v", w.open)
		}
		answers := w.send(events(t, w.told(1, 4, "d"))...)
		if got := answers[0].GetAck().GetWatermark(); got != 4 {
			t.Errorf("watermark %d, want 4: nobody can wait for 2 and 3", got)
		}
		if err := w.log.AcceptGap(t.Context(), tenant, "dc-east", epochName(1), 2); err != nil {
			t.Fatal(err)
		}
		w.isThrough(4, "with the loss accepted")
		if len(w.open) != 0 {
			t.Errorf("cases after the acceptance: %v", w.open)
		}
	})
}

// A site that tells of more losses than a journal can have is one case beside the first hundred, which closes with the last of them.
func TestVeryManyLossesAreOneCase(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const n = 300
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i := range uint64(n) {
				if err := w.log.Gap(t.Context(), tx, tenant, "dc-east", &docklinev1.StreamGap{Epoch: epochName(1), FirstSeq: 10*i + 1, LastSeq: 10*i + 2, Reason: "its journal has a hole there"}, ""); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if all := w.open["gap/dc-east"]; len(w.open) != 101 || all.Code != "stream_gaps" {
			t.Errorf("%d cases, that of all is %+v", len(w.open), all)
		}
		for i := range uint64(n) {
			if w.open["gap/dc-east"].Code == "" {
				t.Fatalf("the case of all is closed when %d losses are accepted", i)
			}
			if err := w.log.AcceptGap(t.Context(), tenant, "dc-east", epochName(1), 10*i+1); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.open) != 0 {
			t.Errorf("cases after all were accepted: %v", w.open)
		}
	})
}

// What was taken for lost and arrives after all closes its gap and its case.
func TestALostRangeThatArrivesClosesTheGap(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.send(events(t, w.told(1, 1, "a"), w.told(1, 3, "c"))...)
		w.hello(hello("s1", holds(1, 3, 1, 1, 3, 3)))
		w.fill()
		w.isThrough(1, "with the gap open")
		w.send(events(t, w.told(1, 2, "b"))...)
		if got := w.fill(); got.Logged != 1 {
			t.Errorf("fill = %+v: what arrives late must not be dropped as received", got)
		}
		w.isThrough(3, "with the gap closed")
		if len(w.open) != 0 {
			t.Errorf("cases: %v", w.open)
		}
	})
}

// A site that says itself that it lost a range: the range is a gap.
func TestAGapThatTheSiteDeclares(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		e := pick("dc-east", "", "gap", 1)
		e.Kind, e.Payload = docklinev1.EventKind_EVENT_KIND_STREAM_GAP, &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: epochName(1), FirstSeq: 2, LastSeq: 5, Reason: "checksum"}}
		e.Id = event.ID(event.Cause{Tenant: tenant, Site: "dc-east", SourceKey: "gap"})
		w.send(events(t, w.told(1, 1, "a"), envelope(t, "dc-east", 1, 6, e))...)
		w.fill()
		w.expect("gaps", 1, `SELECT count(*) FROM gap WHERE lo = 2 AND hi = 5 AND cause = 'lost' AND closed_at = 0`)
	})
}

// After a lost disk the site gets the cursors back as of the last place without a hole, not the newest; what a heartbeat had
// reported above what arrived is a gap.
func TestALostDiskGoesOnFromTheWatermark(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello(hello("s1", holds(1, 5, 1, 5)))
		w.send(events(t, w.told(1, 1, "a"), w.told(1, 2, "b"), w.told(1, 4, "d"))...)
		w.send(message(t, "dc-east", wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: "s1", Online: true, Epoch: epochName(1), LastSeq: 6}))
		for _, when := range []string{"before the fill", "after the fill"} {
			reply := w.hello(hello("s2", &docklinev1.EpochRange{Epoch: "fresh", Ordinal: 1}))
			if len(reply.GetCursors()) != 1 || string(reply.GetCursors()[0].GetCursor()) != "b" {
				t.Errorf("%s the cursors are %v, want that at b", when, reply.GetCursors())
			}
			w.fill()
		}
		w.expect("gaps", 2, `SELECT count(*) FROM gap WHERE lo = 3 AND hi = 3 OR lo = 5 AND hi = 6`)
		if reply := w.hello(hello("s3", holds(1, 5, 1, 5))); len(reply.GetReceived()) != 1 || len(reply.GetReceived()[0].GetRanges()) != 2 {
			t.Errorf("received is %v", reply.GetReceived())
		}
	})
}

// A heartbeat tells how far a source is that has had nothing to report: the stream moves without an event.
func TestAHeartbeatMovesAStream(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello(hello("s1", holds(1, 1, 1, 1)))
		w.waitFor("count/dc-east/C1", "dc-east")
		beat := &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: "s1", Online: true, Epoch: epochName(1), LastSeq: 1,
			Cursors: []*docklinev1.PluginCursor{{Plugin: "wms", CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.New(at(9)), MovesStock: true}}}}}
		w.send(message(t, "dc-east", wire.Status, beat))
		w.isThrough(-1, "while the event before is missing")
		w.send(events(t, w.told(1, 1, "a"))...)
		w.fill()
		w.isThrough(9, "when it is there")
		w.expect("marks of the waiting count", 1, `SELECT count(*) FROM dirty WHERE fold_key = 'count/dc-east/C1'`)
		beat.Cursors[0].CompleteThrough[0].Time = timestamppb.New(at(11))
		w.send(message(t, "dc-east", wire.Status, beat))
		w.isThrough(11, "after the next heartbeat")
	})
}

// A site whose disk was rolled back sends what it held under a new epoch: nothing of the old one is lost, and the streams wait
// until the new one has brought it.
func TestAnEpochThatMoved(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.hello(hello("s1", holds(1, 4, 1, 4)))
		w.send(events(t, w.told(1, 1, "a"), w.told(1, 4, "d"))...)
		moved := holds(1, 4, 2, 4)
		moved.MovedTo, moved.MovedThrough = epochName(2), 3
		w.hello(hello("s2", moved, holds(2, 4, 1, 4)))
		w.fill()
		w.isThrough(1, "before the new epoch")
		w.send(events(t, withCursor(w.told(2, 1, "b"), "b", at(2), true), withCursor(w.told(2, 4, "e"), "e", at(5), true))...)
		w.fill()
		w.isThrough(1, "while the new epoch has a hole")
		w.send(events(t, withCursor(w.told(2, 2, "c"), "c", at(3), true), withCursor(w.told(2, 3, "d"), "d", at(4), true))...)
		w.fill()
		w.isThrough(5, "when all is there")
		w.expect("gaps", 0, `SELECT count(*) FROM gap`)
		w.expect("epochs that are complete", 1, `SELECT count(*) FROM epoch WHERE complete = 1`)
		if len(w.open) != 0 {
			t.Errorf("cases: %v", w.open)
		}
	})
}

// A lost journal whose sources can all read again: the gap closes when the new one, without a hole, says that everything is told up to
// after the loss was seen, not before. With a scanner among the sources it stays until a person accepts it.
func TestALostJournalThatIsReadAgain(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for _, scanner := range []bool{false, true} {
			w := newWorld(t, d)
			epoch, fresh := epochName(1), epochName(2)
			if scanner {
				epoch, fresh = epochName(3), epochName(4)
			}
			say := func(epoch string, last uint64, through time.Time) {
				beat := &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: "s1", Online: true, Epoch: epoch, LastSeq: last,
					Plugins: []*docklinev1.PluginHealth{{Id: "wms"}},
					Cursors: []*docklinev1.PluginCursor{{Plugin: "wms", Cursor: []byte("c"), CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.New(through)}}}}}
				if scanner {
					beat.Plugins = append(beat.Plugins, &docklinev1.PluginHealth{Id: "scanner"})
				}
				w.send(message(t, "dc-east", wire.Status, beat))
			}
			open := func() int64 { return w.count(`SELECT count(*) FROM gap WHERE closed_at = 0`) }
			held := &docklinev1.EpochRange{Epoch: epoch, Ordinal: 1}
			w.hello(hello("s1", held))
			say(epoch, 5, time.Now().Add(-time.Minute))
			held = &docklinev1.EpochRange{Epoch: fresh, Ordinal: 1}
			w.hello(hello("s2", held))
			if n := open(); n != 1 {
				t.Fatalf("%d gaps after the loss", n)
			}
			say(fresh, 0, time.Now().Add(-time.Second))
			if n := open(); n != 1 {
				t.Errorf("%d gaps while the source reads again", n)
			}
			say(fresh, 1, time.Now().Add(time.Second))
			if n := open(); n != 1 {
				t.Errorf("%d gaps while its last event is missing here", n)
			}
			ordinal := uint64(2)
			if scanner {
				ordinal = 4
			}
			w.send(events(t, envelope(t, "dc-east", ordinal, 1, pick("dc-east", "SO1", fresh, 1)))...)
			w.fill()
			want := int64(0)
			if scanner {
				want = 1
			}
			if n := open(); n != want || len(w.open) != int(want) {
				t.Errorf("scanner %v: %d gaps when all was told again, cases %v", scanner, n, w.open)
			}
		}
	})
}
