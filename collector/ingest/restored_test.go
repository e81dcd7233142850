package ingest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// A database that was put back without a word is known by a site that is ahead of it, by its acknowledged watermark or by the positions
// of its lists: it gets a new incarnation, once, and the answer to that very Hello names it. What is not ahead changes nothing.
func TestADatabasePutBackIsKnownByTheSites(t *testing.T) {
	for name, ahead := range map[string]func(h *docklinev1.Hello){
		"acknowledged": func(h *docklinev1.Hello) {
			h.Epochs[0].Acknowledged, h.Epochs[0].AcknowledgedBy = 20, h.Incarnation
		},
		"acknowledged, and what is there of it lies beyond a hole": func(h *docklinev1.Hello) {
			h.Epochs[0].Acknowledged, h.Epochs[0].AcknowledgedBy = 30, h.Incarnation
		},
		"receipts": func(h *docklinev1.Hello) { h.ReceiptsThrough = 4 },
		"commands": func(h *docklinev1.Hello) { h.CommandsThrough = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				w := newWorld(t, d)
				w.now = time.Now()
				given := db.Insert{Table: "list_position", Columns: []string{"tenant", "site", "list", "last"}, Rows: [][]any{{tenant, "dc-east", "receipt", 3}}}
				if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.InsertAll(t.Context(), given) }); err != nil {
					t.Fatal(err)
				}
				w.send(w.envelope(envelope("dc-east", "e1", 1, 10, "")))
				w.send(w.envelope(envelope("dc-east", "e1", 21, 30, "")))
				first, err := d.Incarnation(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.RememberIncarnation(t.Context(), "another") }); err != nil {
					t.Fatal(err)
				}
				hello := func(incarnation string, change func(*docklinev1.Hello)) string {
					h := &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "s1", Incarnation: incarnation, ReceiptsThrough: 3, Epochs: []*docklinev1.EpochRange{epochRange("e1", "", 1, 30)}}
					h.Epochs[0].Acknowledged, h.Epochs[0].AcknowledgedBy = 10, incarnation
					if change != nil {
						change(h)
					}
					return w.send(message(t, "dc-east", wire.Hello, h))[0].GetHelloReply().GetIncarnation()
				}
				if got := hello(first, nil); got != first {
					t.Fatalf("a site that agrees is answered by %s, not %s", got, first)
				}
				if got := hello("another", ahead); got != first {
					t.Fatalf("a site that speaks of another database is answered by %s, not %s", got, first)
				}
				second := hello(first, ahead)
				if now, err := d.Incarnation(t.Context()); second == first || err != nil || now != second {
					t.Errorf("a site ahead is answered by %s, it was %s, the database is %s now (%v)", second, first, now, err)
				}
				if e := w.open[tenant+" ingest/ahead/dc-east"]; e.Code != ingest.CodeDatabaseRestored || !strings.Contains(e.Text, "dc-east") {
					t.Errorf("cases %v", w.open)
				}
				if got := hello(second, ahead); got != second {
					t.Errorf("a site that insists gets another incarnation at once: %s", got)
				}
				w.beat2("dc-east", second, 3)
				if len(w.open) != 0 {
					t.Errorf("cases when it agrees: %v", w.open)
				}
			})
		})
	}
}

// A site speaks of a name of which the database knows nothing: it is older than that name, as where it was put back twice, and gets a new
// one. That is said once of a name, however many sites have heard of it, and of a name that it has had it is not said.
func TestANameThatTheDatabaseHasForgotten(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.now = time.Now()
		first, err := d.Incarnation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		named := func() string {
			name, err := d.Incarnation(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return name
		}
		w.beat2("dc-east", "forgotten", 0)
		second := named()
		if second == first {
			t.Fatal("a site speaks of a name that the database has never had, and it takes no new one")
		}
		if e := w.open[tenant+" ingest/ahead/dc-east"]; e.Code != ingest.CodeDatabaseRestored {
			t.Errorf("cases %v", w.open)
		}
		w.now = w.now.Add(time.Hour)
		w.beat2("dc-west", "forgotten", 0)
		w.beat2("dc-west", first, 0)
		if got := named(); got != second {
			t.Errorf("what is known to be lost, and what the database has had, gives it another name once more: %s", got)
		}
	})
}

func (w *world) beat2(site, incarnation string, receipts uint64) []*docklinev1.Answer {
	return w.send(message(w.t, site, wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: site, Session: "s1", Online: true, Epoch: "e1", LastSeq: 10,
		Incarnation: incarnation, ReceiptsThrough: receipts}))
}

// A database is put back under collectors and sites that stay connected to their broker: the next heartbeat of a site that is ahead
// shows it, heartbeats that speak of the old incarnation are answered by an Ack of the new one, and so are envelopes, by every collector.
func TestADatabasePutBackUnderARunningCollector(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.now = time.Now()
		other, err := ingest.New(t.Context(), w.config)
		if err != nil {
			t.Fatal(err)
		}
		first, err := d.Incarnation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.send(w.envelope(envelope("dc-east", "e1", 1, 10, "")), w.envelope(envelope("dc-west", "e1", 1, 4, "")))
		if answers := w.beat2("dc-east", first, 0); len(answers) != 0 {
			t.Errorf("a heartbeat is answered by %v", answers)
		}
		answers := w.beat2("dc-east", first, 7)
		second, err := d.Incarnation(t.Context())
		if err != nil || second == first {
			t.Fatalf("incarnation %s after a heartbeat that is ahead, it was %s (%v)", second, first, err)
		}
		answers = append(answers, w.beat2("dc-west", first, 0)...)
		for i, watermark := range []uint64{10, 4} {
			if len(answers) != 2 || answers[i].GetAck().GetIncarnation() != second || answers[i].GetAck().GetWatermark() != watermark {
				t.Fatalf("the heartbeats are answered by %v", answers)
			}
		}
		replies, err := other.Handle(t.Context(), []wire.Message{w.envelope(envelope("dc-west", "e1", 5, 6, ""))})
		if err != nil {
			t.Fatal(err)
		}
		if ack := decode(t, replies)[0].GetAck(); ack.GetIncarnation() != second || ack.GetWatermark() != 6 {
			t.Errorf("the other collector answers %v", ack)
		}
	})
}

// A site whose backlog fills the inbox does not keep out that of another one.
func TestAFullInboxLeavesOthersTheirShare(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, func(c *ingest.Config) { c.MaxWaitingBytes = 1000 })
		backlog := func(site string, first uint64, bytes int) wire.Message {
			env := envelope(site, "e1", first, first, strings.Repeat("x", bytes))
			env.Live = false
			return w.envelope(env)
		}
		w.send(backlog("dc-east", 1, 1200))
		w.now = w.now.Add(2 * time.Second)
		busy := func(answers []*docklinev1.Answer) bool {
			return answers[0].GetRefusal().GetReason() == docklinev1.RefusalReason_REFUSAL_REASON_BUSY
		}
		if !busy(w.send(backlog("dc-east", 2, 10))) {
			t.Error("the site that fills the inbox is not refused")
		}
		if busy(w.send(backlog("dc-west", 1, 600))) {
			t.Error("the other site is refused")
		}
		if !busy(w.send(backlog("dc-west", 2, 10))) {
			t.Error("the other site has its share and is not refused")
		}
	})
}

// An envelope that leaps beyond all that was heard of its epoch is refused, and opens no gap as long as that.
func TestAnEnvelopeThatLeapsIsRefused(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.send(w.envelope(envelope("dc-east", "e1", 1, 10, "")))
		answers := w.send(w.envelope(envelope("dc-east", "e1", 1<<40, 1<<40, "")), w.envelope(envelope("dc-east", "e1", 11, 12, "")))
		if len(answers) != 2 || answers[0].GetRefusal().GetReason() != docklinev1.RefusalReason_REFUSAL_REASON_RANGE || answers[1].GetAck().GetWatermark() != 12 {
			t.Errorf("answers %v", answers)
		}
		if e := w.open[tenant+" ingest/refused/dc-east"]; e.Code != ingest.CodeRefusedEnvelope {
			t.Errorf("cases %v", w.open)
		}
		w.expect("inbox rows", 2, `SELECT count(*) FROM inbox`)
		w.expect("last seq", 12, `SELECT last_seq FROM epoch`)
	})
}
