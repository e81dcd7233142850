package wmshttp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// errWaits: the journal has not taken a batch in time.
var errWaits = errors.New("the journal does not take it now")

// emitter gives batches to the host and knows which of them are durable. Who pushes is answered only then.
type emitter struct {
	stream plugins.Stream
	now    func() time.Time
	turn   chan struct{} // held for one Emit, so that numbers can be told before

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*sent
}

// sent is a batch that is not durable yet.
type sent struct {
	at   time.Time
	done chan *docklinev1.CaptureAck // has room for one
}

func newEmitter(stream plugins.Stream, now func() time.Time) *emitter {
	e := &emitter{stream: stream, now: now, turn: make(chan struct{}, 1), waiting: map[uint64]*sent{}}
	stream.OnAck(e.acknowledge)
	return e
}

func (e *emitter) acknowledge(ack *docklinev1.CaptureAck) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.waiting[ack.GetBatch()]; s != nil {
		delete(e.waiting, ack.GetBatch())
		s.done <- ack
	}
}

// emit gives a batch to the host; it waits while the window is full.
func (e *emitter) emit(ctx context.Context, batch *docklinev1.CaptureBatch) (*sent, error) {
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.turn }()
	s := &sent{at: e.now(), done: make(chan *docklinev1.CaptureAck, 1)}
	e.mu.Lock()
	next := e.last + 1
	e.waiting[next] = s
	e.mu.Unlock()
	err := e.stream.Emit(ctx, batch)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		delete(e.waiting, next)
		return nil, err
	}
	e.last = next
	return s, nil
}

// send is emit for who needs no answer.
func (e *emitter) send(ctx context.Context, batch *docklinev1.CaptureBatch) error {
	_, err := e.emit(ctx, batch)
	return err
}

// wait waits until a batch is durable.
func (s *sent) wait(ctx context.Context) (*docklinev1.CaptureAck, error) {
	select {
	case ack := <-s.done:
		return ack, nil
	case <-ctx.Done():
		return nil, errWaits
	}
}

// behind is for how long the oldest batch has been waiting, and how many there are.
func (e *emitter) behind() (time.Duration, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var longest time.Duration
	for _, s := range e.waiting {
		longest = max(longest, e.now().Sub(s.at))
	}
	return longest, len(e.waiting)
}
