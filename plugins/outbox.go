package plugins

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// outbox sends batches in their order. One that has the line to itself goes at once; what comes while others are unanswered is sent by
// a goroutine, which takes all that waits into one message where the host takes bundles: a message costs more than a small batch.
type outbox struct {
	wire    captureStream
	bundles bool
	send    sync.Mutex // held for one message

	mu      sync.Mutex
	waiting []*docklinev1.EncodedBatch
	closed  bool

	more        chan struct{} // has room for one sign
	stop, ended chan struct{}
}

func newOutbox(wire captureStream, bundles bool) *outbox {
	o := &outbox{wire: wire, bundles: bundles, more: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	go o.run()
	return o
}

// close sends what waits and returns when that is done. Nothing is taken after it.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	close(o.stop)
	<-o.ended
}

// put gives a batch to the host, or to who will do so. A stream that breaks ends the context of it, which is what Emit looks at.
func (o *outbox) put(b *docklinev1.EncodedBatch, alone bool) error {
	if alone && o.send.TryLock() {
		defer o.send.Unlock()
		if o.idle() {
			return o.wire.SendMsg(bundleOf(b))
		}
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return errEnded
	}
	o.waiting = append(o.waiting, b)
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return nil
}

// idle says that nothing waits, and that something may still be sent.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting) == 0 && !o.closed
}

func (o *outbox) run() {
	defer close(o.ended)
	for stopped := false; !stopped; {
		select {
		case <-o.more:
			runtime.Gosched() // who emits one most often has the next at hand
		case <-o.stop:
			stopped = true
		}
		for o.flush() {
		}
	}
}

// flush sends one message, and says whether there may be more to send.
func (o *outbox) flush() bool {
	o.send.Lock()
	defer o.send.Unlock()
	next := o.take()
	return len(next) > 0 && o.wire.SendMsg(bundleOf(next...)) == nil
}

// take removes what one message is to hold from the front.
func (o *outbox) take() []*docklinev1.EncodedBatch {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for _, b := range o.waiting {
		if size += proto.Size(b); n > 0 && (size > MaxBatchBytes || !o.bundles) {
			break
		}
		n++
	}
	next := o.waiting[:n:n]
	if o.waiting = o.waiting[n:]; len(o.waiting) == 0 {
		o.waiting = nil
	}
	return next
}

// bundleOf is a CaptureResponse on the wire.
func bundleOf(batches ...*docklinev1.EncodedBatch) *docklinev1.EncodedResponse {
	if len(batches) == 1 {
		return &docklinev1.EncodedResponse{Message: &docklinev1.EncodedResponse_Batch{Batch: batches[0]}}
	}
	return &docklinev1.EncodedResponse{Message: &docklinev1.EncodedResponse_Bundle{Bundle: &docklinev1.EncodedBundle{Batches: batches}}}
}

// encode writes each event of a batch once, as it will stand in the journal. It shares no memory with the batch.
func encode(batch *docklinev1.CaptureBatch) (*docklinev1.EncodedBatch, error) {
	events, err := encodeEvents(batch.GetEvents())
	if err != nil {
		sendable(batch)
		events, err = encodeEvents(batch.GetEvents())
	}
	if err != nil {
		return nil, err
	}
	encoded := &docklinev1.EncodedBatch{Events: events, Cursor: bytes.Clone(batch.GetCursor())}
	for _, t := range batch.GetCompleteThrough() {
		encoded.CompleteThrough = append(encoded.CompleteThrough, proto.CloneOf(t))
	}
	if size := proto.Size(encoded); size > MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes with %d events, %d bytes are allowed", ErrTooLarge, size, len(events), MaxBatchBytes)
	}
	return encoded, nil
}

func encodeEvents(events []*docklinev1.Event) ([][]byte, error) {
	size := 0
	for _, e := range events {
		size += proto.Size(e)
	}
	all, encoded := make([]byte, 0, size), make([][]byte, len(events))
	for i, e := range events {
		begin, err := len(all), error(nil)
		if all, err = (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(all, e); err != nil {
			return nil, err
		}
		encoded[i] = all[begin:len(all):len(all)]
	}
	return encoded, nil
}
