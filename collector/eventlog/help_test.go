package eventlog_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/ingest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

const tenant = "acme"

var began = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// world is a database with the log, an ingest and a filler on it.
type world struct {
	t        testing.TB
	db       *db.DB
	log      *eventlog.Log
	ingest   *ingest.Ingest
	filler   *eventlog.Filler
	sequence *eventlog.Sequencer

	mu   sync.Mutex
	open map[string]eventlog.Exception // by origin
}

// newWorld has the sites dc-east and dc-west.
func newWorld(t testing.TB, d *db.DB) *world {
	w := &world{t: t, db: d, open: make(map[string]eventlog.Exception)}
	w.log = &eventlog.Log{DB: d, Keys: keys, Report: w.report}
	var err error
	w.ingest, err = ingest.New(t.Context(), ingest.Config{DB: d, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	w.filler = &eventlog.Filler{Log: w.log}
	w.sequence = &eventlog.Sequencer{DB: d, Holder: "test"}
	w.write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.InsertAbsent(ctx, db.Insert{Table: "site", Columns: []string{"tenant", "id", "created_at"}, Conflict: []string{"tenant", "id"},
			Rows: [][]any{{tenant, "dc-east", 1}, {tenant, "dc-west", 1}}})
		return err
	})
	return w
}

// keys is an order's key for each order that the lines of a pick name, and the shipment's.
func keys(e *docklinev1.Event) []eventlog.Touch {
	var touches []eventlog.Touch
	byOrder := make(map[string][]*docklinev1.Line)
	for _, line := range append(slices.Clone(e.GetPick().GetLines()), e.GetShipment().GetLines()...) {
		byOrder[line.GetOrder()] = append(byOrder[line.GetOrder()], line)
	}
	for _, order := range slices.Sorted(maps.Keys(byOrder)) {
		part := e
		if len(byOrder) > 1 {
			part = proto.Clone(e).(*docklinev1.Event)
			part.GetPick().Lines = byOrder[order]
		}
		touches = append(touches, eventlog.Touch{Key: event.OrderKey(order), Event: part})
	}
	return touches
}

func (w *world) report(_ context.Context, _ *db.Tx, tenant, origin string, found []eventlog.Exception) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, origin)
	for _, e := range found {
		w.open[origin] = e
	}
	return nil
}

func (w *world) write(f func(ctx context.Context, tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), func(tx *db.Tx) error { return f(w.t.Context(), tx) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) append(recorded ...eventlog.Recorded) eventlog.AppendResult {
	w.t.Helper()
	var result eventlog.AppendResult
	w.write(func(ctx context.Context, tx *db.Tx) (err error) {
		result, err = w.log.Append(ctx, tx, recorded)
		return err
	})
	return result
}

func (w *world) count(query string, args ...any) int64 {
	w.t.Helper()
	var n int64
	if err := w.db.Read(w.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(w.t.Context(), query, args...).Scan(&n) }); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *world) expect(what string, want int64, query string, args ...any) {
	w.t.Helper()
	if n := w.count(query, args...); n != want {
		w.t.Errorf("%s: %d, want %d", what, n, want)
	}
}

// send hands messages to ingest and returns its answers.
func (w *world) send(messages ...wire.Message) []*docklinev1.Answer {
	w.t.Helper()
	replies, err := w.ingest.Handle(w.t.Context(), messages)
	if err != nil {
		w.t.Fatal(err)
	}
	var answers []*docklinev1.Answer
	for _, m := range replies {
		a := &docklinev1.Answer{}
		if err := proto.Unmarshal(m.Payload, a); err != nil {
			w.t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}

// fill runs the filler until the inbox has nothing for it.
func (w *world) fill() eventlog.AppendResult {
	w.t.Helper()
	var total eventlog.AppendResult
	for {
		filled, err := w.filler.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if filled.Envelopes == 0 {
			return total
		}
		total.Logged += filled.Logged
		total.Duplicates += filled.Duplicates
		total.Conflicts += filled.Conflicts
	}
}

func (w *world) place() int {
	w.t.Helper()
	n, err := w.sequence.Step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// pick is a pick of one line; key makes its id.
func pick(site, order, key string, quantity int) *docklinev1.Event {
	return picks(site, key, map[string]int{order: quantity})
}

func picks(site, key string, byOrder map[string]int) *docklinev1.Event {
	e := &docklinev1.Event{Tenant: tenant, Site: site, Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, SourceKey: key, SourceRevision: "1",
		OccurredAt: timestamppb.New(began), CapturedAt: timestamppb.New(began)}
	p := &docklinev1.Pick{Task: key}
	for _, order := range slices.Sorted(maps.Keys(byOrder)) {
		e.Subject = order
		p.Lines = append(p.Lines, &docklinev1.Line{Order: order, OrderLine: "1", Item: "A-1", Bin: "01-01",
			Quantity: &docklinev1.Quantity{Value: fmt.Sprint(byOrder[order])}, Ordered: &docklinev1.Quantity{Value: fmt.Sprint(byOrder[order])}})
	}
	e.Payload = &docklinev1.Event_Pick{Pick: p}
	e.Id = event.ID(event.Cause{Tenant: tenant, Site: site, Source: "wms", SourceKey: key, Revision: "1", Kind: event.KindName(e.Kind)})
	return e
}

func recorded(e *docklinev1.Event, ordinal, seq uint64) eventlog.Recorded {
	return eventlog.Recorded{Event: proto.Clone(e).(*docklinev1.Event), Epoch: epochName(ordinal), EpochOrdinal: ordinal, Seq: seq}
}

func epochName(ordinal uint64) string {
	return hex.EncodeToString([]byte(fmt.Sprintf("%016d", ordinal)))
}

// envelope seals events, the first of them at seq.
func envelope(t testing.TB, site string, ordinal, seq uint64, events ...*docklinev1.Event) *docklinev1.Envelope {
	t.Helper()
	var raws [][]byte
	for _, e := range events {
		raw, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	return sealed(t, site, ordinal, seq, raws...)
}

func sealed(t testing.TB, site string, ordinal, seq uint64, raws ...[]byte) *docklinev1.Envelope {
	t.Helper()
	pack, crc, err := wire.SealPack(raws)
	if err != nil {
		t.Fatal(err)
	}
	return &docklinev1.Envelope{Tenant: tenant, Site: site, Epoch: epochName(ordinal), EpochOrdinal: ordinal, FirstSeq: seq, LastSeq: seq + uint64(len(raws)) - 1,
		Count: uint32(len(raws)), Crc: crc, Live: true, Pack: pack}
}

func withCursor(env *docklinev1.Envelope, cursor string, through time.Time, movesStock bool) *docklinev1.Envelope {
	env.Cursors = []*docklinev1.PluginCursor{{Plugin: "wms", Cursor: []byte(cursor), CompleteThrough: []*docklinev1.CompleteThrough{
		{Stream: "picks", Time: timestamppb.New(through), MovesStock: movesStock}}}}
	return env
}

func message(t testing.TB, site, name string, m proto.Message) wire.Message {
	t.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Message{Topic: wire.UpTopic(tenant, site, name), Payload: payload}
}

func events(t testing.TB, envelopes ...*docklinev1.Envelope) []wire.Message {
	var out []wire.Message
	for _, env := range envelopes {
		out = append(out, message(t, env.GetSite(), wire.Events, env))
	}
	return out
}

// eventually waits until holds does.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to pass that %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
