package wmssql

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

// outgoing gathers what is told into batches, without what was told before.
type outgoing struct {
	cursor *cursor
	memory *memory
	stream plugins.Stream
	start  plugins.Start
	now    func() time.Time
	// sending is called before each batch; nil: nothing is.
	sending func()

	events  []*docklinev1.Event
	bytes   int
	pending []remembered
	// known is what the memory holds of the page that is being told, by stream and key; of anything else it is asked.
	known map[[2]string][]remembered
	// count is how many events were given to the host, declared how many of them take something back.
	count, declared int
	// deaf: the host does not say whose events these are, so that nothing can be taken back.
	deaf bool
}

// take tells what rows say, unless it was told: then nothing has changed. What was told of the key and holds no longer is declared an error, but
// for a record with revisions, whose highest counts.
func (o *outgoing) take(ctx context.Context, st *state, t told) error {
	if t.event == nil && !t.deleted {
		return nil
	}
	held, err := o.held(ctx, st.Name, t.key)
	if err != nil {
		return fmt.Errorf("remembering what was told: %w", err)
	}
	if t.deleted {
		for _, r := range held {
			o.takeBack(st, r, "did_not_occur")
		}
		return nil
	}
	id := o.idOf(t.event)
	at := slices.IndexFunc(held, func(r remembered) bool { return r.id == id })
	switch {
	case at >= 0 && held[at].declared%2 == 0:
		return nil
	case at >= 0:
		o.restore(st, held[at])
	default:
		o.add(t.event, remembered{stream: st.Name, key: t.key, id: id, kind: int32(t.event.GetKind()), occurred: t.event.GetOccurredAt().AsTime().UnixMicro()})
		st.progress.Movement = max(st.progress.Movement, t.event.GetMovement())
	}
	for _, r := range held {
		if r.id != id && (t.event.GetSourceRevision() == "" || objectOf(r.kind) != event.RecordObject(t.event)) {
			o.takeBack(st, r, "incorrect_data", id)
		}
	}
	return nil
}

func objectOf(kind int32) string {
	return event.RecordObject(&docklinev1.Event{Kind: docklinev1.EventKind(kind)})
}

// takeAll takes what the rows of a page say, one after the other, for which the memory is asked once; after is called behind each.
func (o *outgoing) takeAll(ctx context.Context, st *state, page []told, after func(n int) error) error {
	keys := make([]string, len(page))
	for i, t := range page {
		keys[i] = t.key
	}
	found, err := o.memory.ofAll(ctx, st.Name, keys)
	if err != nil {
		return fmt.Errorf("remembering what was told: %w", err)
	}
	o.known = make(map[[2]string][]remembered, len(page))
	defer func() { o.known = nil }()
	for _, key := range keys {
		o.known[[2]string{st.Name, key}] = found[key]
	}
	for n, t := range page {
		if err := o.take(ctx, st, t); err != nil {
			return err
		}
		if err := after(n); err != nil {
			return err
		}
	}
	return nil
}

// held is what was told of a key, with what waits to be told.
func (o *outgoing) held(ctx context.Context, stream, key string) (out []remembered, err error) {
	known, ok := o.known[[2]string{stream, key}]
	if ok {
		out = slices.Clone(known)
	} else if out, err = o.memory.of(ctx, stream, key); err != nil {
		return nil, err
	}
	for _, p := range o.pending {
		if p.stream == stream && p.key == key {
			out = with(out, p)
		}
	}
	return out, nil
}

// with puts an entry in the place of the one about the same event, or behind all.
func with(entries []remembered, r remembered) []remembered {
	if at := slices.IndexFunc(entries, func(e remembered) bool { return e.id == r.id }); at >= 0 {
		entries[at] = r
		return entries
	}
	return append(entries, r)
}

func (o *outgoing) idOf(e *docklinev1.Event) string {
	return event.ID(event.Cause{Tenant: o.start.Tenant, Site: o.start.Site, Source: o.start.ID, SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), ContentHash: e.GetContentHash(),
		Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

func (o *outgoing) add(e *docklinev1.Event, r remembered) {
	o.events, o.pending = append(o.events, e), append(o.pending, r)
	o.bytes += proto.Size(e)
	o.count++
}

// takeBack declares an event that was told an error. A dead letter is none: it waits for its record to be put right.
func (o *outgoing) takeBack(st *state, r remembered, reason string, right ...string) {
	if r.declared%2 == 0 && docklinev1.EventKind(r.kind) != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
		o.declare(st, r, r.id, reason, right)
	}
}

// restore takes a declaration back: the row is there again as it was.
func (o *outgoing) restore(st *state, r remembered) {
	o.declare(st, r, o.idOf(declaration(r, r.declared, "", "", nil)), "did_not_occur", nil)
}

func (o *outgoing) declare(st *state, r remembered, id, reason string, right []string) {
	if o.start.Tenant == "" {
		o.deaf = true
		return
	}
	r.declared++
	e := declaration(r, r.declared, id, reason, right)
	e.Origin = st.Name + " " + r.key
	o.add(e, r)
	o.declared++
}

// declaration is the nth about an event: by its key it is the same whenever it is told.
func declaration(r remembered, n int64, id, reason string, right []string) *docklinev1.Event {
	return &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_ERROR_DECLARED, SourceKey: "declared/" + r.id + "/" + strconv.FormatInt(n, 10), SourceRevision: "1", Subject: r.key,
		OccurredAt: timestamppb.New(time.UnixMicro(r.occurred)),
		Payload:    &docklinev1.Event_ErrorDeclaration{ErrorDeclaration: &docklinev1.ErrorDeclaration{EventId: id, Reason: reason, CorrectiveEventIds: right}},
	}
}

// flushFull gives a batch to the host where it is full.
func (o *outgoing) flushFull(ctx context.Context) error {
	if len(o.events) < batchEvents && o.bytes < batchBytes {
		return nil
	}
	return o.flush(ctx, nil)
}

// flush gives what waits to the host. First it is remembered, under the number of the batch that is to tell it.
func (o *outgoing) flush(ctx context.Context, through []*docklinev1.CompleteThrough) error {
	if len(o.events) == 0 && len(through) == 0 {
		return nil
	}
	return o.give(ctx, through)
}

// keep gives what waits to the host, and the cursor also where there is nothing.
func (o *outgoing) keep(ctx context.Context) error { return o.give(ctx, nil) }

func (o *outgoing) give(ctx context.Context, through []*docklinev1.CompleteThrough) error {
	o.cursor.Batch++
	if err := o.memory.keep(ctx, o.cursor.Batch, o.now(), o.pending); err != nil {
		return fmt.Errorf("remembering what is told: %w", err)
	}
	batch := &docklinev1.CaptureBatch{Events: o.events, Cursor: o.cursor.encode(), CompleteThrough: through}
	if o.sending != nil {
		o.sending()
	}
	if err := o.stream.Emit(ctx, batch); err != nil {
		return err
	}
	for _, p := range o.pending {
		at := [2]string{p.stream, p.key}
		if known, ok := o.known[at]; ok {
			o.known[at] = with(known, p)
		}
	}
	o.events, o.pending, o.bytes = nil, nil, 0
	return nil
}
