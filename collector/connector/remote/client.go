package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dockline/dockline/collector/connector"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// client makes calls of one run of a program.
type client struct {
	api  connectorv1.ConnectorServiceClient
	name string // of the program, for people
	told *connectorv1.ConfigureResponse

	ids   atomic.Uint64
	mu    sync.Mutex
	calls map[uint64]context.Context // under way
}

func newClient(conn grpc.ClientConnInterface, name string) *client {
	return &client{api: connectorv1.NewConnectorServiceClient(conn), name: name, calls: make(map[uint64]context.Context)}
}

// call makes one call. effect says that it may change something at the system. Its error is a *Fault.
func (c *client) call(ctx context.Context, effect bool, f func(context.Context, *connectorv1.CallStart) (*connectorv1.CallEnd, error)) error {
	if !c.told.GetPaces() {
		if err := connector.Pace(ctx); err != nil {
			return err
		}
	}
	start := &connectorv1.CallStart{Id: c.ids.Add(1), Trace: connector.Tracer(ctx) != nil}
	if deadline, ok := ctx.Deadline(); ok {
		start.Within = durationpb.New(within(time.Until(deadline)))
	}
	c.mu.Lock()
	c.calls[start.Id] = ctx
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.calls, start.Id)
	}()
	asking, cancel := context.WithCancel(ctx)
	end, err := f(asking, start)
	cancel() // what was not taken of an answer is not sent any more
	if err == nil && end == nil {
		err = errNoEnd
	}
	if err != nil {
		return c.failed(ctx, err, effect)
	}
	if show := connector.Tracer(ctx); show != nil {
		for _, ex := range end.GetExchanges() {
			show(fromExchange(ex))
		}
	}
	if n := end.GetRequests(); !c.told.GetPaces() && n > 1 {
		connector.Charge(ctx, int(n-1))
	}
	if end.GetFault() != nil {
		return fromFault(end.GetFault(), effect)
	}
	return nil
}

// errNoEnd: nobody knows whether that was all, nor whether it went well.
var errNoEnd = status.Error(codes.Internal, "its answer has no CallEnd, which goes with every answer, and of one in parts with the last: what came may be a part only")

// Codes of calls that the program has not answered: its process ended, its time was over, or it cannot do what it declares.
const (
	CodeEnded   = "program_ended"
	CodeTimeout = "timeout"
	codeCannot  = "program_failed"
	codeLarge   = "answer_too_large"
)

// failed is what became of a call that the program has not answered: nobody knows what it has done.
func (c *client) failed(ctx context.Context, err error, effect bool) *connector.Fault {
	f := &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Unknown: effect}
	s := status.Convert(err)
	switch {
	case ctx.Err() != nil || s.Code() == codes.DeadlineExceeded || s.Code() == codes.Canceled:
		f.Code, f.Text, f.Err = CodeTimeout, "program "+c.name+" did not answer in time", ctx.Err()
		if f.Err == nil {
			f.Err = context.DeadlineExceeded
		}
	case s.Code() == codes.Unavailable:
		f.Code, f.Text, f.Err = CodeEnded, "program "+c.name+" ended while it was asked", errors.New(s.Message())
		f.Remedy = "It is started again by itself. Look at its last words in the log where it ends over and over."
	case s.Code() == codes.ResourceExhausted || errors.Is(err, errTooLarge):
		f.Code, f.Text, f.Err = codeLarge, "program "+c.name+" gave more than is taken", errors.New(s.Message())
		f.Remedy = "It must answer in pages, or in smaller parts; the size of answers is in collector/connector's README. Ask who made the program."
	case s.Code() == codes.Unimplemented:
		f.Code, f.Text, f.Err, f.Unknown = codeCannot, "program "+c.name+" does not have a call that it declares", errors.New(s.Message()), false
		f.Remedy = "Ask who made the program."
	default:
		f.Code, f.Text, f.Err = codeCannot, "program "+c.name+" failed", errors.New(s.Message())
		f.Remedy = "Ask who made the program."
	}
	return f
}

// Probe asks the system through the program, as do all that follow.
func (c *client) Probe(ctx context.Context) (m connector.Metadata, err error) {
	err = c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		r, err := c.api.Probe(ctx, &connectorv1.ProbeRequest{Call: start})
		m = connector.Metadata{System: r.GetSystem(), Version: r.GetVersion()}
		return r.GetEnd(), err
	})
	return m, err
}

func (c *client) Find(ctx context.Context, p *connector.Posting) (found []connector.Found, err error) {
	err = c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		r, err := c.api.Find(ctx, &connectorv1.FindRequest{Posting: toPosting(p), Call: start})
		found = fromFound(r.GetFound())
		return r.GetEnd(), err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (c *client) Apply(ctx context.Context, p *connector.Posting) (result connector.Result, err error) {
	err = c.call(ctx, true, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		r, err := c.api.Apply(ctx, &connectorv1.ApplyRequest{Posting: toPosting(p), Call: start})
		result = connector.Result{Documents: r.GetDocuments(), Newer: r.GetNewer()}
		return r.GetEnd(), err
	})
	if err != nil {
		return connector.Result{}, err
	}
	return result, nil
}

// Changes has no cursor of its own where an answer has none: the one that was asked with stays.
func (c *client) Changes(ctx context.Context, since connector.Cursor) (out connector.Changes, err error) {
	out.Cursor = since
	err = c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		stream, err := c.api.Changes(ctx, &connectorv1.ChangesRequest{Since: since, Call: start})
		return receive(stream, err, func(part *connectorv1.ChangesResponse) int {
			out.Events, out.More = append(out.Events, part.GetEvents()...), part.GetMore()
			if len(part.GetCursor()) > 0 {
				out.Cursor = part.GetCursor()
			}
			return len(part.GetEvents())
		})
	})
	if err != nil {
		return connector.Changes{}, err
	}
	return out, nil
}

func (c *client) Snapshot(ctx context.Context, scope connector.Scope) (events []*docklinev1.Event, err error) {
	err = c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		stream, err := c.api.Snapshot(ctx, &connectorv1.SnapshotRequest{Site: scope.Site, Call: start})
		return receive(stream, err, func(part *connectorv1.SnapshotResponse) int {
			events = append(events, part.GetEvents()...)
			return len(part.GetEvents())
		})
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

func (c *client) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	var page connector.ListedPage
	err := c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		stream, err := c.api.List(ctx, &connectorv1.ListRequest{Listing: toListing(l), Call: start})
		return receive(stream, err, func(part *connectorv1.ListResponse) int { return join(&page, part.GetDocuments(), part) })
	})
	return page, err
}

func (c *client) ListRecords(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	var page connector.ListedPage
	err := c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		stream, err := c.api.ListRecords(ctx, &connectorv1.ListRecordsRequest{Listing: toListing(l), Call: start})
		return receive(stream, err, func(part *connectorv1.ListRecordsResponse) int { return join(&page, part.GetRecords(), part) })
	})
	return page, err
}

func join(page *connector.ListedPage, documents []*connectorv1.Listed, part interface {
	GetNext() string
	GetMore() bool
}) int {
	for _, d := range documents {
		page.Documents = append(page.Documents, fromListed(d))
	}
	page.Next, page.More = part.GetNext(), part.GetMore()
	return len(documents)
}

func (c *client) Master(ctx context.Context, kind docklinev1.MasterKind, since connector.Cursor) (connector.MasterPage, error) {
	page := connector.MasterPage{Cursor: since}
	err := c.call(ctx, false, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		stream, err := c.api.Master(ctx, &connectorv1.MasterRequest{Kind: kind, Since: since, Call: start})
		return receive(stream, err, func(part *connectorv1.MasterResponse) int {
			page.Records, page.Refused = append(page.Records, part.GetRecords()...), append(page.Refused, fromRefused(part.GetRefused())...)
			page.More = part.GetMore()
			if len(part.GetCursor()) > 0 {
				page.Cursor = part.GetCursor()
			}
			return len(part.GetRecords()) + len(part.GetRefused())
		})
	})
	return page, err
}

func (c *client) Tell(ctx context.Context, kind docklinev1.MasterKind, records []*docklinev1.MasterRecord) (refused []connector.RefusedRecord, err error) {
	err = c.call(ctx, true, func(ctx context.Context, start *connectorv1.CallStart) (*connectorv1.CallEnd, error) {
		r, err := c.api.Tell(ctx, &connectorv1.TellRequest{Kind: kind, Records: records, Call: start})
		refused = fromRefused(r.GetRefused())
		return r.GetEnd(), err
	})
	return refused, err
}

var errTooLarge = errors.New("too large")

// receive takes an answer in parts, and says how it ended; take says how many entries a part has.
func receive[T any, M interface {
	*T
	proto.Message
	GetEnd() *connectorv1.CallEnd
}](stream grpc.ServerStreamingClient[T], err error, take func(M) (entries int)) (end *connectorv1.CallEnd, _ error) {
	if err != nil {
		return nil, err
	}
	for size := 0; ; {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return nil, err
		}
		if size += max(proto.Size(M(part)), entryBytes*(1+take(part))); size > maxAnswer {
			return nil, fmt.Errorf("%w: more than %d MiB in one answer", errTooLarge, maxAnswer>>20)
		}
		if e := M(part).GetEnd(); e != nil {
			end = e
		}
	}
}

// pace lets the program's requests begin as the accounts of its calls allow, until ctx ends.
func (c *client) pace(ctx context.Context) error {
	stream, err := c.api.Pace(ctx)
	if err != nil {
		return err
	}
	var sending sync.Mutex
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		go func() {
			answer := &connectorv1.PaceRequest{Call: r.GetCall()}
			c.mu.Lock()
			call := c.calls[r.GetCall()]
			c.mu.Unlock()
			if call == nil {
				answer.Fault = toFault(notSent(errors.New("the call is over")), false)
			} else {
				answer.Fault = toFault(connector.Pace(call), false)
			}
			sending.Lock()
			defer sending.Unlock()
			_ = stream.Send(answer) // a program that is gone needs none
		}()
	}
}
