package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// kept is what a host's journal would hold: events by id and the cursor, both changed by commit only.
type kept struct {
	cursor []byte
	ids    map[string]int
	events []*docklinev1.Event
}

func (k *kept) commit(batch *docklinev1.CaptureBatch) {
	if k.ids == nil {
		k.ids = map[string]int{}
	}
	for _, e := range batch.GetEvents() {
		k.ids[eventID(e)]++
		k.events = append(k.events, e)
	}
	if len(batch.GetCursor()) > 0 {
		k.cursor = batch.GetCursor()
	}
}

// eventID is the id that a host would give; an event without a key has one of its own each time.
func eventID(e *docklinev1.Event) string {
	if e.GetSourceKey() == "" {
		return fmt.Sprintf("keyless %p", e)
	}
	return event.ID(event.Cause{Tenant: tenant, Site: site, Source: id, SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(),
		ContentHash: e.GetContentHash(), Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

// capturing is the host's end of one capture. batches is closed after err is set.
type capturing struct {
	bench   *bench
	stream  grpc.BidiStreamingClient[docklinev1.CaptureRequest, docklinev1.CaptureResponse]
	batches chan *docklinev1.CaptureBatch
	err     error
	last    uint64
}

// open starts a capture from a cursor.
func (b *bench) open(l *life, cursor []byte, window uint32) *capturing {
	b.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	b.Cleanup(cancel)
	stream, err := l.Source.Capture(ctx)
	if err != nil {
		b.Fatal(err)
	}
	c := &capturing{bench: b, stream: stream, batches: make(chan *docklinev1.CaptureBatch, 1024)}
	c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Start{Start: &docklinev1.CaptureStart{
		Config: b.Config, Cursor: cursor, Window: window, DataDir: b.dataDir, Id: id, Bundles: true,
		Tenant: tenant, Site: site}}})
	go func() {
		defer close(c.batches)
		for {
			m, err := stream.Recv()
			if err != nil {
				c.err = err
				return
			}
			if m.GetBatch() != nil {
				c.batches <- m.GetBatch()
			}
			for _, batch := range m.GetBundle().GetBatches() {
				c.batches <- batch
			}
		}
	}()
	return c
}

func (c *capturing) send(m *docklinev1.CaptureRequest) {
	c.bench.Helper()
	if err := c.stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
		c.bench.Fatalf("send: %v", err)
	}
}

// next waits for a batch.
func (c *capturing) next() *docklinev1.CaptureBatch {
	c.bench.Helper()
	batch := c.within(c.bench.Patience)
	if batch == nil {
		c.bench.Fatalf("no batch within %s", c.bench.Patience)
	}
	return batch
}

func (c *capturing) numbered(batch *docklinev1.CaptureBatch) {
	c.bench.Helper()
	if c.last++; batch.GetBatch() != c.last {
		c.bench.Fatalf("batch %d came where %d was due", batch.GetBatch(), c.last)
	}
}

// within waits for a batch that need not come, and is nil if it does not.
func (c *capturing) within(while time.Duration) *docklinev1.CaptureBatch {
	c.bench.Helper()
	select {
	case batch, ok := <-c.batches:
		if !ok {
			c.bench.Fatalf("the capture ended by itself: %v", c.err)
		}
		c.numbered(batch)
		return batch
	case <-time.After(while):
		return nil
	}
}

// ack answers a batch, with all or none of its events refused.
func (c *capturing) ack(batch *docklinev1.CaptureBatch, refuse bool) {
	c.bench.Helper()
	ack := &docklinev1.CaptureAck{Batch: batch.GetBatch(), Cursor: batch.GetCursor()}
	for i := range batch.GetEvents() {
		if refuse {
			ack.Refused = append(ack.Refused, &docklinev1.RefusedEvent{Index: uint32(i), Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Text: "refused by the suite"})
		}
	}
	c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Ack{Ack: ack}})
}

// all commits and answers until the world's events are there, each once.
func (c *capturing) all(k *kept) {
	c.bench.Helper()
	for len(k.events) < c.bench.Events {
		batch := c.next()
		k.commit(batch)
		c.ack(batch, false)
	}
}

// end drains the capture, answers what is still on its way, and waits for an end in order.
func (c *capturing) end(k *kept) {
	c.bench.Helper()
	c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Drain{Drain: &docklinev1.CaptureDrain{}}})
	deadline := time.After(c.bench.Patience)
	for {
		select {
		case batch, ok := <-c.batches:
			if !ok {
				if !errors.Is(c.err, io.EOF) {
					c.bench.Errorf("the capture ended with %v after a drain", c.err)
				}
				return
			}
			c.numbered(batch)
			k.commit(batch)
			c.ack(batch, false)
		case <-deadline:
			c.bench.Fatalf("the capture did not end within %s of a drain", c.bench.Patience)
		}
	}
}

// once holds what was kept against the world: every event, and none twice.
func (b *bench) once(k *kept) {
	b.Helper()
	for id, n := range k.ids {
		if n > 1 {
			b.Errorf("event %s was kept %d times", id, n)
		}
	}
	if len(k.ids) != b.Events {
		b.Errorf("%d different events, the world has %d", len(k.ids), b.Events)
	}
}
