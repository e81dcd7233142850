package told

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	// A batch ends with this many events or bytes.
	batchEvents = 200
	batchBytes  = 1 << 20
)

// Teller gathers what is told into batches, without what was told before.
type Teller struct {
	Memory *Memory
	// Emit gives a batch to the host.
	Emit  func(context.Context, *docklinev1.CaptureBatch) error
	Start plugins.Start
	Now   func() time.Time
	// Batch is the number of the last batch; Cursor writes it, with the rest that the host keeps.
	Batch  uint64
	Cursor func(batch uint64) []byte

	events  []*docklinev1.Event
	bytes   int
	pending []Entry
	// count is how many events were gathered so far.
	count int
	deaf  bool
}

// Count is how many events were told so far.
func (t *Teller) Count() int { return t.count }

// Deaf: the host does not say whose events these are, so that something could not be taken back.
func (t *Teller) Deaf() bool { return t.deaf }

// Take tells an event of a stream, unless it was told: then nothing has changed. What was told of the same key and holds no longer is declared an error,
// but for a record with revisions, whose highest counts.
func (t *Teller) Take(ctx context.Context, stream string, e *docklinev1.Event) error {
	held, err := t.held(ctx, stream, e.GetSourceKey())
	if err != nil {
		return fmt.Errorf("remembering what was told: %w", err)
	}
	id := t.idOf(e)
	at := slices.IndexFunc(held, func(r Entry) bool { return r.ID == id })
	switch {
	case at >= 0 && held[at].Declared%2 == 0:
		return nil
	case at >= 0:
		t.declare(held[at], t.idOf(declaration(held[at], held[at].Declared, "", "", nil)), "did_not_occur", nil) // the record is there again as it was
	default:
		t.add(e, Entry{Stream: stream, Key: e.GetSourceKey(), ID: id, Kind: int32(e.GetKind()), Occurred: e.GetOccurredAt().AsTime().UnixMicro()})
	}
	for _, r := range held {
		if r.ID != id && (e.GetSourceRevision() == "" || objectOf(r.Kind) != event.RecordObject(e)) {
			t.takeBack(r, "incorrect_data", id)
		}
	}
	return t.full(ctx)
}

// Gone takes back what was told of a key.
func (t *Teller) Gone(ctx context.Context, stream, key string) error {
	held, err := t.held(ctx, stream, key)
	if err != nil {
		return fmt.Errorf("remembering what was told: %w", err)
	}
	for _, r := range held {
		t.takeBack(r, "did_not_occur")
	}
	return t.full(ctx)
}

func objectOf(kind int32) string {
	return event.RecordObject(&docklinev1.Event{Kind: docklinev1.EventKind(kind)})
}

// held is what was told of a key, with what waits to be told.
func (t *Teller) held(ctx context.Context, stream, key string) ([]Entry, error) {
	out, err := t.Memory.of(ctx, stream, key)
	for _, p := range t.pending {
		if p.Stream != stream || p.Key != key {
			continue
		}
		if at := slices.IndexFunc(out, func(r Entry) bool { return r.ID == p.ID }); at >= 0 {
			out[at] = p
		} else {
			out = append(out, p)
		}
	}
	return out, err
}

func (t *Teller) idOf(e *docklinev1.Event) string {
	return event.ID(event.Cause{Tenant: t.Start.Tenant, Site: t.Start.Site, Source: t.Start.ID, SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), ContentHash: e.GetContentHash(),
		Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

func (t *Teller) add(e *docklinev1.Event, r Entry) {
	t.events, t.pending = append(t.events, e), append(t.pending, r)
	t.bytes += proto.Size(e)
	t.count++
}

// takeBack declares an event that was told an error. A dead letter is none: it waits for its record to be put right.
func (t *Teller) takeBack(r Entry, reason string, right ...string) {
	if r.Declared%2 == 0 && docklinev1.EventKind(r.Kind) != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
		t.declare(r, r.ID, reason, right)
	}
}

func (t *Teller) declare(r Entry, id, reason string, right []string) {
	if t.Start.Tenant == "" {
		t.deaf = true
		return
	}
	r.Declared++
	e := declaration(r, r.Declared, id, reason, right)
	e.Origin = r.Stream + " " + r.Key
	t.add(e, r)
}

// declaration is the nth about an event: by its key it is the same whenever it is told.
func declaration(r Entry, n int64, id, reason string, right []string) *docklinev1.Event {
	return &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, SourceKey: "declared/" + r.ID + "/" + strconv.FormatInt(n, 10), SourceRevision: "1", Subject: r.Key,
		OccurredAt: timestamppb.New(time.UnixMicro(r.Occurred)),
		Payload:    &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: &docklinev1.ErrorDeclaration{EventId: id, Reason: reason, CorrectiveEventIds: right}},
	}
}

// full gives a batch to the host where it is full.
func (t *Teller) full(ctx context.Context) error {
	if len(t.events) < batchEvents && t.bytes < batchBytes {
		return nil
	}
	return t.Flush(ctx, nil)
}

// Flush gives what waits to the host, or, where something is complete, an empty batch. First it is remembered, under the number of the batch that is to
// tell it.
func (t *Teller) Flush(ctx context.Context, through []*docklinev1.CompleteThrough) error {
	if len(t.events) == 0 && len(through) == 0 {
		return nil
	}
	return t.tell(ctx, through)
}

// Keep gives what waits to the host, and the cursor also where there is nothing.
func (t *Teller) Keep(ctx context.Context) error { return t.tell(ctx, nil) }

func (t *Teller) tell(ctx context.Context, through []*docklinev1.CompleteThrough) error {
	t.Batch++
	if err := t.Memory.keep(ctx, t.Batch, t.Now(), t.pending); err != nil {
		return fmt.Errorf("remembering what is told: %w", err)
	}
	batch := &docklinev1.CaptureBatch{Events: t.events, Cursor: t.Cursor(t.Batch), CompleteThrough: through}
	if err := t.Emit(ctx, batch); err != nil {
		return err
	}
	t.events, t.pending, t.bytes = nil, nil, 0
	return nil
}
