package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// days is a site's journal and a centre's stages in one process, with a clock that the test sets, so that a day ends when it should.
type days struct {
	t       *testing.T
	db      *db.DB
	log     *eventlog.Log
	ingest  *ingest.Ingest
	filler  *eventlog.Filler
	closer  *fleet.Closer
	dir     string
	options journal.Options
	journal *journal.Journal
	now     time.Time
	session int
	beats   uint64
	open    map[string]fleet.Exception
}

var first = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func newDays(t *testing.T, d *db.DB, o journal.Options) *days {
	w := &days{t: t, dir: filepath.Join(testenv.Folder(t), "journal"), now: first, open: map[string]fleet.Exception{}}
	clock := func() time.Time { return w.now }
	o.Tenant, o.Site, o.Now = tenant, dcWest, clock
	w.options = o
	w.attach(d)
	w.openJournal()
	return w
}

// attach puts the centre on a database.
func (w *days) attach(d *db.DB) {
	w.t.Helper()
	clock := func() time.Time { return w.now }
	w.db, w.log = d, &eventlog.Log{DB: d, Now: clock}
	w.filler = &eventlog.Filler{Log: w.log}
	var err error
	if w.ingest, err = ingest.New(w.t.Context(), ingest.Config{DB: d, Log: w.log, Now: clock}); err != nil {
		w.t.Fatal(err)
	}
	w.closer = collector.NewCloser(d, w.log)
	w.closer.Now = clock
	w.closer.Report = func(_ context.Context, _ *db.Tx, _, origin string, found []fleet.Exception) error {
		delete(w.open, origin)
		for _, e := range found {
			w.open[origin] = e
		}
		return nil
	}
	if _, err := w.fleet().AddSite(w.t.Context(), fleet.Registration{Tenant: tenant, ID: dcWest}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *days) fleet() *fleet.Fleet {
	return &fleet.Fleet{DB: w.db, Now: func() time.Time { return w.now }}
}

func (w *days) openJournal() {
	w.t.Helper()
	var err error
	if w.journal, err = journal.Open(w.dir, w.options); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.journal.Close() })
}

// capture has the journal accept picks from..from+n-1, recorded now.
func (w *days) capture(from, n int) {
	w.t.Helper()
	entry := journal.Entry{Plugin: "wms", Cursor: fmt.Append(nil, from+n)}
	for i := from; i < from+n; i++ {
		key, order := fmt.Sprintf("pick-%d", i), fmt.Sprintf("SO-%d", i/10)
		entry.Events = append(entry.Events, &docklinev1.Event{Id: key, Tenant: tenant, Site: dcWest, Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: order, SourceKey: key,
			OccurredAt: timestamppb.New(first), CapturedAt: timestamppb.New(w.now.Add(time.Duration(i) * time.Microsecond)),
			Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: key, Lines: []*docklinev1.Line{{Order: order, OrderLine: "10", Item: "SKU-1", Quantity: &docklinev1.Quantity{Value: "1", Unit: "each"}}}}}})
	}
	if err := w.journal.Append(w.t.Context(), entry); err != nil {
		w.t.Fatal(err)
	}
}

func (w *days) handle(name string, m proto.Message) []*docklinev1.Answer {
	w.t.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	replies, err := w.ingest.Handle(w.t.Context(), []wire.Message{{Topic: wire.UpTopic(tenant, dcWest, name), Payload: payload}})
	if err != nil {
		w.t.Fatal(err)
	}
	var answers []*docklinev1.Answer
	for _, r := range replies {
		a := &docklinev1.Answer{}
		if err := proto.Unmarshal(r.Payload, a); err != nil {
			w.t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}

// hello begins a connection, as the agent does, and forks the journal where the centre knows more of it than the disk.
func (w *days) hello() {
	w.t.Helper()
	w.session, w.beats = w.session+1, 0
	h := &docklinev1.Hello{Tenant: tenant, Site: dcWest, Session: fmt.Sprint("s", w.session), Epochs: w.journal.Epochs(), SentAt: timestamppb.New(w.now)}
	for _, a := range w.handle(wire.Hello, h) {
		if a.GetHelloReply() == nil {
			continue
		}
		outcome, err := w.journal.Resume(h, a.GetHelloReply())
		if err != nil {
			w.t.Fatal(err)
		}
		if outcome == journal.ForkNeeded {
			if err := w.journal.Fork("test"); err != nil {
				w.t.Fatal(err)
			}
			w.hello()
		}
	}
}

// beat is a heartbeat of now.
func (w *days) beat() {
	w.t.Helper()
	w.beats++
	s := w.journal.Stats()
	w.handle(wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: dcWest, Session: fmt.Sprint("s", w.session), Online: true, Number: w.beats, SentAt: timestamppb.New(w.now),
		Epoch: s.Epoch, LastSeq: s.LastSeq, Days: s.Days, Cursors: s.Cursors})
}

// deliver sends all that the journal holds, and has the log take it.
func (w *days) deliver() {
	w.t.Helper()
	w.send(true)
	w.fill()
}

func (w *days) send(trim bool) {
	w.t.Helper()
	for at := (journal.Position{}); ; {
		envelopes, err := w.journal.Next(at, 16)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(envelopes) == 0 {
			return
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.GetEpoch(), Seq: e.GetLastSeq()}
			sent := proto.CloneOf(e)
			sent.Tenant, sent.Site, sent.Live = tenant, dcWest, true
			for _, a := range w.handle(wire.Events, sent) {
				if a.GetAck() == nil || !trim {
					continue
				}
				if outcome, err := w.journal.Trim(a.GetAck()); err != nil || outcome == journal.ForkNeeded {
					w.t.Fatal(outcome, err)
				}
			}
		}
	}
}

func (w *days) fill() {
	w.t.Helper()
	for {
		filled, err := w.filler.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if filled.Envelopes == 0 {
			return
		}
	}
}

// tomorrow goes to the morning of the next day.
func (w *days) tomorrow() { w.now = w.now.AddDate(0, 0, 1) }

func (w *days) exec(query string, args ...any) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(w.t.Context(), query, args...); return err }); err != nil {
		w.t.Fatal(err)
	}
}

// want makes the daily close and holds one day's account against what it should be; a difference has its exception, and nothing else has.
func (w *days) want(when, date string, state fleet.DayState, captured, logged, again, lost int64) *fleet.Day {
	w.t.Helper()
	if _, err := w.closer.Close(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	found, err := w.fleet().Days(w.t.Context(), tenant, dcWest, date)
	if err != nil || len(found) != 1 {
		w.t.Fatalf("%s: %d days, %v", when, len(found), err)
	}
	d := found[0]
	if d.State != state || d.Captured != captured || d.Logged != logged || d.Again != again || d.Lost != lost {
		w.t.Errorf("%s: %s captured %d logged %d again %d lost %d, want %s %d %d %d %d: %s", when, d.State, d.Captured, d.Logged, d.Again, d.Lost, state, captured, logged, again, lost, d.Reason)
	}
	if _, open := w.open["fleet/close/"+dcWest+"/"+date]; open != (state == fleet.DayDifference) {
		w.t.Errorf("%s: an exception is open: %v", when, open)
	}
	return d
}

// copyFolder copies the journal's files, as a snapshot of the disk.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
