package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrTooLarge is what Emit returns for a batch above MaxBatchBytes or MaxBatchEvents: give fewer events at a time.
var ErrTooLarge = errors.New("batch is too large")

// errEnded is what a Stream returns once the host has gone.
var errEnded = errors.New("the host has ended the capture")

type captureStream = grpc.BidiStreamingServer[docklinev1.CaptureRequest, docklinev1.CaptureResponse]

// stream is the plugin's end of one capture.
type stream struct {
	wire captureStream
	ctx  context.Context // of the stream: ends with the host

	emit sync.Mutex // one batch at a time, so that they are sent in the order of their numbers
	out  *outbox
	// status is what was told last. Guarded by out.send.
	status docklinev1.PluginStatus

	mu      sync.Mutex
	window  uint64
	sent    uint64
	acked   uint64
	onAck   func(*docklinev1.CaptureAck)
	changed chan struct{} // closed and replaced when acked grows
}

// capture runs a source over a stream until it returns, then waits for the acks of what is in flight.
func capture(wire captureStream, source Source, start *docklinev1.CaptureStart) error {
	s := &stream{wire: wire, ctx: wire.Context(), out: newOutbox(wire, start.GetBundles()), window: uint64(max(start.GetWindow(), 1)), changed: make(chan struct{})}
	defer s.out.close()
	ctx, drain := context.WithCancel(s.ctx)
	defer drain()
	heard := make(chan error, 1)
	go func() { heard <- s.listen(drain) }()

	err := source.Capture(ctx, Start{Config: start.GetConfig(), Cursor: start.GetCursor(), DataDir: start.GetDataDir(), ID: start.GetId(), Tenant: start.GetTenant(), Site: start.GetSite()}, s)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	if err != nil {
		return err
	}
	flushed := make(chan error, 1)
	go func() { flushed <- s.Flush(s.ctx) }()
	select {
	case err = <-flushed:
	case err = <-heard:
	}
	return err
}

// listen takes what the host says until the host ends the stream.
func (s *stream) listen(drain func()) error {
	defer drain()
	for {
		m, err := s.wire.Recv()
		if errors.Is(err, io.EOF) {
			return errEnded
		}
		if err != nil {
			return err
		}
		switch {
		case m.GetAck() != nil:
			if err := s.acknowledge(m.GetAck()); err != nil {
				return err
			}
		case m.GetAcks() != nil:
			if err := s.acknowledge(m.GetAcks().GetAcks()...); err != nil {
				return err
			}
		case m.GetDrain() != nil:
			drain()
		}
	}
}

func (s *stream) acknowledge(acks ...*docklinev1.CaptureAck) error {
	s.mu.Lock()
	acked, sent, onAck := s.acked, s.sent, s.onAck
	s.mu.Unlock()
	for _, ack := range acks {
		if ack.GetBatch() != acked+1 || ack.GetBatch() > sent {
			return fmt.Errorf("host acknowledged batch %d; %d were sent and %d acknowledged", ack.GetBatch(), sent, acked)
		}
		if acked++; onAck != nil {
			onAck(ack)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = acked
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// Emit implements Stream.
func (s *stream) Emit(ctx context.Context, batch *docklinev1.CaptureBatch) error {
	encoded, err := encode(batch)
	if err != nil {
		return err
	}
	if n := len(batch.GetEvents()); n > MaxBatchEvents {
		return fmt.Errorf("%w: %d events, %d are allowed", ErrTooLarge, n, MaxBatchEvents)
	}
	s.emit.Lock()
	defer s.emit.Unlock()
	if err := s.wait(ctx, func() bool { return s.sent-s.acked < s.window }); err != nil {
		return err
	}
	s.mu.Lock()
	alone := s.sent == s.acked
	s.sent++
	batch.Batch, encoded.Batch = s.sent, s.sent
	s.mu.Unlock()
	return s.out.put(encoded, alone)
}

// OnAck implements Stream.
func (s *stream) OnAck(f func(*docklinev1.CaptureAck)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onAck = f
}

// Flush implements Stream.
func (s *stream) Flush(ctx context.Context) error {
	s.mu.Lock()
	through := s.sent
	s.mu.Unlock()
	return s.wait(ctx, func() bool { return s.acked >= through })
}

// Report implements Stream.
func (s *stream) Report(conditions ...*docklinev1.Condition) error {
	return s.tell(func(status *docklinev1.PluginStatus) { status.Conditions = conditions })
}

// Devices implements Stream.
func (s *stream) Devices(devices ...*docklinev1.DeviceHealth) error {
	return s.tell(func(status *docklinev1.PluginStatus) { status.Devices = devices })
}

// tell sends the status whole, with what has changed in it.
func (s *stream) tell(change func(*docklinev1.PluginStatus)) error {
	s.out.send.Lock()
	defer s.out.send.Unlock()
	change(&s.status)
	return s.wire.Send(&docklinev1.CaptureResponse{Message: &docklinev1.CaptureResponse_Status{Status: &s.status}})
}

// wait returns when done, which is asked under the lock, says so.
func (s *stream) wait(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		ready, changed := done(), s.changed
		s.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return errEnded
		}
	}
}
