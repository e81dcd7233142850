package remote

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dockline/dockline/collector/connector"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// pacer asks the centre before each request: the account of the call is there.
type pacer struct {
	opened chan struct{} // closed when the centre listens

	mu      sync.Mutex
	stream  grpc.BidiStreamingServer[connectorv1.PaceRequest, connectorv1.PaceResponse]
	waiting map[uint64][]chan *connectorv1.Fault
}

func newPacer() *pacer {
	return &pacer{opened: make(chan struct{}), waiting: make(map[uint64][]chan *connectorv1.Fault)}
}

// serve hands what the centre answers to those who wait, until it goes.
func (p *pacer) serve(stream grpc.BidiStreamingServer[connectorv1.PaceRequest, connectorv1.PaceResponse]) error {
	p.mu.Lock()
	if p.stream != nil {
		p.mu.Unlock()
		return status.Error(codes.FailedPrecondition, "the pace is given already")
	}
	p.stream = stream
	close(p.opened)
	p.mu.Unlock()
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		p.mu.Lock()
		if queue := p.waiting[r.GetCall()]; len(queue) > 0 {
			queue[0] <- r.GetFault()
			p.drop(r.GetCall(), queue[0])
		}
		p.mu.Unlock()
	}
}

// ask waits until the centre lets one more request of the call begin.
func (p *pacer) ask(ctx context.Context, call uint64) error {
	select {
	case <-p.opened:
	case <-ctx.Done():
		return notSent(ctx.Err())
	}
	may := make(chan *connectorv1.Fault, 1)
	p.mu.Lock()
	p.waiting[call] = append(p.waiting[call], may)
	err := p.stream.Send(&connectorv1.PaceResponse{Call: call})
	if err != nil {
		p.drop(call, may)
	}
	p.mu.Unlock()
	if err != nil {
		return notSent(err)
	}
	select {
	case fault := <-may:
		if fault == nil {
			return nil
		}
		return fromFault(fault, false)
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(call, may)
		return notSent(ctx.Err())
	}
}

// drop takes one who waits out of the row; the caller holds the lock.
func (p *pacer) drop(call uint64, may chan *connectorv1.Fault) {
	p.waiting[call] = slices.DeleteFunc(p.waiting[call], func(c chan *connectorv1.Fault) bool { return c == may })
	if len(p.waiting[call]) == 0 {
		delete(p.waiting, call)
	}
}

func notSent(err error) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "target_resting", Text: "the request was not sent: the call's time is over before it was its turn",
		Remedy: "It is tried again by itself.", Unasked: true, Err: err}
}
