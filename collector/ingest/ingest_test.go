package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

type world struct {
	t      testing.TB
	db     *db.DB
	ingest *ingest.Ingest
	config ingest.Config
	now    time.Time

	mu     sync.Mutex
	open   map[string]ingest.Exception // by tenant and origin
	opened int
}

func newWorld(t testing.TB, d *db.DB, change ...func(*ingest.Config)) *world {
	w := &world{t: t, db: d, now: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), open: make(map[string]ingest.Exception)}
	w.config = ingest.Config{DB: d, Log: &eventlog.Log{DB: d}, Report: w.report, Now: func() time.Time { return w.now }}
	for _, f := range change {
		f(&w.config)
	}
	var err error
	if w.ingest, err = ingest.New(t.Context(), w.config); err != nil {
		t.Fatal(err)
	}
	w.addSites("dc-east", "dc-west")
	return w
}

func (w *world) addSites(ids ...string) {
	w.t.Helper()
	err := w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		ins := db.Insert{Table: "site", Columns: []string{"tenant", "id", "created_at"}, Conflict: []string{"tenant", "id"}}
		for _, id := range ids {
			ins.Rows = append(ins.Rows, []any{tenant, id, 1})
		}
		_, err := tx.InsertAbsent(w.t.Context(), ins)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) report(_ context.Context, _ *db.Tx, tenant, origin string, found []ingest.Exception) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, tenant+" "+origin)
	for _, e := range found {
		w.open[tenant+" "+origin] = e
		w.opened++
	}
	return nil
}

func (w *world) send(messages ...wire.Message) []*docklinev1.Answer {
	w.t.Helper()
	replies, err := w.ingest.Handle(w.t.Context(), messages)
	if err != nil {
		w.t.Fatal(err)
	}
	return decode(w.t, replies)
}

func decode(t testing.TB, replies []wire.Message) []*docklinev1.Answer {
	t.Helper()
	var answers []*docklinev1.Answer
	for _, m := range replies {
		a := &docklinev1.Answer{}
		if err := proto.Unmarshal(m.Payload, a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}

func (w *world) expect(what string, want int64, query string, args ...any) {
	w.t.Helper()
	var n int64
	if err := w.db.Read(w.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(w.t.Context(), query, args...).Scan(&n) }); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	if n != want {
		w.t.Errorf("%s: %d, want %d", what, n, want)
	}
}

// envelope carries last-first+1 events that nobody opens here; salt makes its bytes differ.
func envelope(site, epoch string, first, last uint64, salt string) *docklinev1.Envelope {
	pack := []byte(fmt.Sprintf("%s %d %d %s", epoch, first, last, salt))
	return &docklinev1.Envelope{Tenant: tenant, Site: site, Epoch: epoch, EpochOrdinal: 1, FirstSeq: first, LastSeq: last, Count: uint32(last - first + 1),
		Crc: wire.CRC(pack), Live: true, Pack: pack}
}

func message(t testing.TB, site, name string, m proto.Message) wire.Message {
	t.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Message{Topic: wire.UpTopic(tenant, site, name), Payload: payload}
}

func (w *world) envelope(env *docklinev1.Envelope) wire.Message {
	return message(w.t, env.GetSite(), wire.Events, env)
}

// Every envelope is answered, a duplicate too, from what is in the database, with the CRC of the pack that ends at the watermark;
// overlaps are kept whole.
//
// Shows: A19
func TestEveryEnvelopeIsAnswered(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a, b, c, overlap := envelope("dc-east", "e1", 1, 10, ""), envelope("dc-east", "e1", 11, 20, ""), envelope("dc-east", "e1", 31, 40, ""), envelope("dc-east", "e1", 15, 25, "")
		for _, step := range []struct {
			send      *docklinev1.Envelope
			watermark uint64
			crc       uint32
			beyond    int
			inbox     int64
		}{
			{b, 0, 0, 1, 1},
			{a, 20, b.Crc, 0, 2},
			{a, 20, b.Crc, 0, 2},
			{envelope("dc-east", "e1", 12, 20, "other bytes"), 20, b.Crc, 0, 2},
			{c, 20, b.Crc, 1, 3},
			{overlap, 25, overlap.Crc, 1, 4},
			{envelope("dc-east", "e1", 26, 30, ""), 40, c.Crc, 0, 5},
		} {
			answers := w.send(w.envelope(step.send))
			if len(answers) != 1 {
				t.Fatalf("%d answers", len(answers))
			}
			ack := answers[0].GetAck()
			if ack.GetWatermark() != step.watermark || ack.GetCrc() != step.crc || len(ack.GetBeyond()) != step.beyond || ack.GetEpoch() != "e1" || ack.GetIncarnation() == "" {
				t.Errorf("after %d to %d the ack is %v", step.send.FirstSeq, step.send.LastSeq, ack)
			}
			w.expect("inbox rows", step.inbox, `SELECT count(*) FROM inbox`)
		}
		w.expect("merged ranges", 1, `SELECT count(*) FROM received WHERE lo = 1 AND hi = 40`)
	})
}

// Many envelopes of several sites and epochs in one batch: one transaction, one Ack an epoch.
func TestABatchIsOneTransaction(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		var batch []wire.Message
		for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(60) {
			for _, site := range []string{"dc-east", "dc-west"} {
				batch = append(batch, w.envelope(envelope(site, "e1", uint64(n*10+1), uint64(n*10+10), "")))
			}
		}
		answers := w.send(append(batch, w.envelope(envelope("dc-east", "e2", 1, 1, "")))...)
		if len(answers) != 3 || answers[0].GetAck().GetWatermark() != 600 || answers[1].GetAck().GetWatermark() != 1 || answers[2].GetAck().GetWatermark() != 600 {
			t.Errorf("answers %v", answers)
		}
		w.expect("inbox rows", 121, `SELECT count(*) FROM inbox`)
		w.expect("last seq of the first epoch", 600, `SELECT last_seq FROM epoch WHERE site = 'dc-east' AND epoch = 'e1'`)
		if s := w.ingest.Stats(); s.Envelopes != 121 || s.Events != 1201 || s.Messages != 121 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

// A header that lies is refused and nothing is stored; a good envelope afterwards closes the case.
func TestALyingHeaderIsRefused(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		lie := func(change func(*docklinev1.Envelope)) wire.Message {
			env := envelope("dc-east", "e1", 1, 10, "")
			change(env)
			return w.envelope(env)
		}
		for name, c := range map[string]struct {
			m      wire.Message
			reason docklinev1.RefusalReason
		}{
			"crc":     {lie(func(e *docklinev1.Envelope) { e.Crc++ }), docklinev1.RefusalReason_REFUSAL_REASON_CRC_MISMATCH},
			"count":   {lie(func(e *docklinev1.Envelope) { e.Count++ }), docklinev1.RefusalReason_REFUSAL_REASON_COUNT_MISMATCH},
			"range":   {lie(func(e *docklinev1.Envelope) { e.FirstSeq = 0; e.Count++ }), docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
			"ordinal": {lie(func(e *docklinev1.Envelope) { e.EpochOrdinal = 1 << 63 }), docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
			"epoch":   {lie(func(e *docklinev1.Envelope) { e.Epoch = "a\x00b" }), docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
		} {
			answers := w.send(c.m)
			if len(answers) != 1 || answers[0].GetRefusal().GetReason() != c.reason || answers[0].GetRefusal().GetText() == "" {
				t.Errorf("%s: answers %v, want %v", name, answers, c.reason)
			}
		}
		w.expect("inbox rows", 0, `SELECT count(*) FROM inbox`)
		if e := w.open[tenant+" ingest/refused/dc-east"]; e.Code != ingest.CodeRefusedEnvelope || e.Class == 0 || e.Text == "" || w.opened != 1 {
			t.Errorf("cases %+v, opened %d times", w.open, w.opened)
		}
		w.send(w.envelope(envelope("dc-east", "e1", 1, 10, "")))
		if len(w.open) != 0 {
			t.Errorf("open after a good envelope: %v", w.open)
		}
	})
}

// Random bytes, another site's identity, an unknown site: each is refused, is a case with class and text, and stops nothing.
func TestBadInput(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		r := rand.New(rand.NewPCG(3, 4))
		var batch []wire.Message
		for range 50 {
			payload := make([]byte, r.IntN(200))
			for i := range payload {
				payload[i] = byte(r.Uint32())
			}
			batch = append(batch, wire.Message{Topic: wire.UpTopic(tenant, "dc-east", wire.Events), Payload: payload})
		}
		foreign := envelope("dc-west", "e1", 1, 1, "")
		asEast := w.envelope(foreign)
		asEast.Topic = wire.UpTopic(tenant, "dc-east", wire.Events)
		unknown := envelope("dc-north", "e1", 1, 1, "")
		good := envelope("dc-east", "e1", 1, 5, "")
		batch = append(batch, asEast, w.envelope(unknown), w.envelope(good),
			wire.Message{Topic: "dockline/v1/acme/dc-east/up/nonsense", Payload: []byte("x")},
			wire.Message{Topic: "somewhere/else", Payload: []byte("x")},
			message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "\x01"}),
			message(t, "dc-east", wire.Status, &docklinev1.Heartbeat{Tenant: "other", Site: "dc-east", Session: "s", Online: true}))
		answers := w.send(batch...)
		acks := 0
		for _, a := range answers {
			if ack := a.GetAck(); ack != nil {
				acks++
			} else if a.GetRefusal().GetText() == "" || a.GetRefusal().GetReason() == 0 {
				t.Errorf("answer %v", a)
			}
		}
		if acks != 1 || len(answers) != len(batch)-1 {
			t.Errorf("%d acks among %d answers to %d messages", acks, len(answers), len(batch))
		}
		w.expect("inbox rows", 1, `SELECT count(*) FROM inbox`)
		w.expect("presence rows", 0, `SELECT count(*) FROM presence`)
		for origin, code := range map[string]string{"ingest/unreadable/dc-east/events": ingest.CodeUnreadableMessage, "ingest/unreadable/dc-east/other": ingest.CodeUnreadableMessage,
			"ingest/unreadable/dc-east/hello": ingest.CodeUnreadableMessage, "ingest/identity/dc-east": ingest.CodeForeignIdentity, "ingest/unknown/dc-north": ingest.CodeUnknownSite} {
			e := w.open[tenant+" "+origin]
			if e.Code != code || e.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || e.Title == "" || !strings.Contains(e.Text, e.Site) {
				t.Errorf("%s: %+v", origin, e)
			}
		}
		w.addSites("dc-north")
		w.send(w.envelope(unknown))
		if _, still := w.open[tenant+" ingest/unknown/dc-north"]; still {
			t.Error("the case of the unknown site is open after it was added")
		}
	})
}

// Bytes that no decoder has seen must neither panic nor be stored.
func FuzzHandle(f *testing.F) {
	d := openSQLite(f)
	w := newWorld(f, d)
	good, err := proto.Marshal(envelope("dc-west", "e1", 1, 2, ""))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{wire.Events, wire.Hello, wire.Status, "x"} {
		f.Add(name, good)
	}
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		topic := "dockline/v1/acme/dc-east/up/" + name
		if _, err := w.ingest.Handle(context.Background(), []wire.Message{{Topic: topic, Payload: payload}}); err != nil {
			t.Errorf("%q on %q: %v", payload, topic, err)
		}
	})
}

func openSQLite(t testing.TB) *db.DB { return testenv.SQLite(t) }

// A late will of an old session does not flip a newer one; the will of this one does.
func TestPresence(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		say := func(session string, online bool, incarnation string) {
			w.now = w.now.Add(time.Second)
			w.send(message(t, "dc-east", wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: "dc-east", Session: session, Online: online, JournalEvents: 7,
				CommandsThrough: 3, ReceiptsThrough: 4, Incarnation: incarnation, SentAt: timestamppb.New(w.now)}))
		}
		incarnation, err := d.Incarnation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		given := db.Insert{Table: "list_position", Columns: []string{"tenant", "site", "list", "last"}, Rows: [][]any{{tenant, "dc-east", "receipt", 9}, {tenant, "dc-east", "command", 9}}}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			if err := tx.RememberIncarnation(t.Context(), "of another database"); err != nil {
				return err
			}
			return tx.InsertAll(t.Context(), given)
		})
		if err != nil {
			t.Fatal(err)
		}
		say("s1", false, "")
		w.expect("rows after a will of nobody", 0, `SELECT count(*) FROM presence`)
		say("s1", true, incarnation)
		w.expect("positions held", 7, `SELECT commands_through + receipts_through FROM presence`)
		reply := w.send(message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: "s2", CommandsThrough: 5, Incarnation: "of another database"}))
		if r := reply[0].GetHelloReply(); r.GetSession() != "s2" || r.GetIncarnation() != incarnation {
			t.Errorf("reply %v", r)
		}
		w.expect("positions of another database", 0, `SELECT commands_through FROM presence`)
		say("s1", false, "")
		w.expect("online after a late will", 1, `SELECT online FROM presence WHERE session = 's2'`)
		connected := w.now.Add(-time.Second).UnixMicro()
		say("s2", true, incarnation)
		w.expect("connected at the hello", connected, `SELECT connected_at FROM presence`)
		say("s2", false, "")
		w.expect("online after its will", 0, `SELECT online FROM presence`)
		w.expect("the last heartbeat is kept", 1, `SELECT count(*) FROM presence WHERE heartbeat IS NOT NULL`)
	})
}

// When the inbox is full backlog is refused as busy; live envelopes and what is there already are answered as ever.
func TestAFullInboxTakesNoBacklog(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, func(c *ingest.Config) { c.MaxWaitingBytes = 100 })
		backlog := func(first uint64) *docklinev1.Envelope {
			env := envelope("dc-east", "e1", first, first, strings.Repeat("x", 80))
			env.Live = false
			return env
		}
		w.send(w.envelope(backlog(1)))
		w.now = w.now.Add(2 * time.Second)
		answers := w.send(w.envelope(backlog(2)), w.envelope(backlog(1)), w.envelope(envelope("dc-east", "e1", 9, 9, "")))
		if len(answers) != 2 || answers[0].GetRefusal().GetReason() != docklinev1.RefusalReason_REFUSAL_REASON_BUSY || answers[1].GetAck().GetWatermark() != 1 ||
			len(answers[1].GetAck().GetBeyond()) != 1 {
			t.Errorf("answers %v", answers)
		}
		w.expect("inbox rows", 2, `SELECT count(*) FROM inbox`)
	})
}

// Two collectors get the same and overlapping envelopes at once: nothing is lost and nothing received twice without overlap.
func TestTwoCollectorsReceive(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		var wg sync.WaitGroup
		for c := range 2 {
			wg.Go(func() {
				in, err := ingest.New(t.Context(), w.config)
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range rand.New(rand.NewPCG(uint64(c), 9)).Perm(50) {
					var batch []wire.Message
					for _, site := range []string{"dc-east", "dc-west"} {
						batch = append(batch, w.envelope(envelope(site, "e1", uint64(n*2+1), uint64(n*2+2), "")))
					}
					if _, err := in.Handle(t.Context(), batch); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		w.expect("inbox rows", 100, `SELECT count(*) FROM inbox`)
		w.expect("ranges", 2, `SELECT count(*) FROM received WHERE lo = 1 AND hi = 100`)
	})
}

// Run gathers what waits, answers after the commit, and ends with its context.
func TestRunAnswers(t *testing.T) {
	answered := make(chan wire.Message, 1000)
	var stored int
	w := newWorld(t, openSQLite(t), func(c *ingest.Config) {
		c.Publish = func(_ context.Context, m wire.Message) error { answered <- m; return nil }
		c.OnStored = func() { stored++ }
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.ingest.Run(ctx) }()
	for n := range uint64(300) {
		w.ingest.Offer(w.envelope(envelope("dc-east", "e1", n+1, n+1, "")))
	}
	answers := 0
	for watermark := uint64(0); watermark < 300; answers++ {
		select {
		case m := <-answered:
			watermark = decode(t, []wire.Message{m})[0].GetAck().GetWatermark()
		case <-time.After(30 * time.Second):
			t.Fatal("no answer")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if stored == 0 || stored != answers {
		t.Errorf("%d transactions, %d answers", stored, answers)
	}
	w.ingest.Offer(wire.Message{}) // must not block after the end
	w.expect("inbox rows", 300, `SELECT count(*) FROM inbox`)
}

// A message that alone cannot be stored is given up while the database is well; the others of its batch are stored and answered.
func TestAMessageThatCannotBeStoredDoesNotStopOthers(t *testing.T) {
	answered := make(chan wire.Message, 100)
	w := newWorld(t, openSQLite(t), func(c *ingest.Config) {
		c.Publish = func(_ context.Context, m wire.Message) error { answered <- m; return nil }
		report := c.Report
		c.Report = func(ctx context.Context, tx *db.Tx, tenant, origin string, found []ingest.Exception) error {
			if strings.HasPrefix(origin, "ingest/identity") {
				return fmt.Errorf("no case can be opened for %s", origin)
			}
			return report(ctx, tx, tenant, origin, found)
		}
	})
	for n := range uint64(5) {
		w.ingest.Offer(w.envelope(envelope("dc-east", "e1", n+1, n+1, "")))
		if n == 2 {
			bad := w.envelope(envelope("dc-west", "e1", 1, 1, ""))
			bad.Topic = wire.UpTopic(tenant, "dc-east", wire.Events)
			w.ingest.Offer(bad)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.ingest.Run(ctx) }()
	for watermark := uint64(0); watermark < 5; {
		select {
		case m := <-answered:
			watermark = decode(t, []wire.Message{m})[0].GetAck().GetWatermark()
		case <-time.After(30 * time.Second):
			t.Fatal("no answer")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	w.expect("inbox rows", 5, `SELECT count(*) FROM inbox`)
}
