package remote

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/configfile"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// server gives a connector to the centre.
type server struct {
	connectorv1.UnimplementedConnectorServiceServer
	program Program
	pacer   *pacer

	mu        sync.Mutex
	connector connector.Connector
}

func newServer(p Program) *server { return &server{program: p, pacer: newPacer()} }

func (s *server) Describe(context.Context, *connectorv1.DescribeRequest) (*connectorv1.DescribeResponse, error) {
	return &connectorv1.DescribeResponse{Name: s.program.Name, Version: s.program.Version, ConfigSchema: s.program.Schema}, nil
}

func (s *server) Configure(ctx context.Context, r *connectorv1.ConfigureRequest) (*connectorv1.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connector != nil {
		return nil, status.Error(codes.FailedPrecondition, "this process is configured already")
	}
	made, err := s.program.Open(ctx, Config{Name: r.GetName(), Tenant: r.GetTenant(), Text: r.GetConfig(), Secrets: r.GetSecrets()})
	if err != nil {
		return &connectorv1.ConfigureResponse{Faults: configFaults(err)}, nil
	}
	s.connector = made
	return declared(made), nil
}

func configFaults(err error) (out []*docklinev1.ConfigFault) {
	found, ok := errors.AsType[configfile.Faults](err)
	if !ok {
		return []*docklinev1.ConfigFault{{Text: err.Error()}}
	}
	for _, f := range found {
		out = append(out, &docklinev1.ConfigFault{Path: f.Key, Line: uint32(f.Line), Text: f.Text})
	}
	return out
}

// declared is what a connector takes, lists and tells of.
func declared(c connector.Connector) *connectorv1.ConfigureResponse {
	out := &connectorv1.ConfigureResponse{SettleTime: durationpb.New(c.SettleTime()), Paces: true}
	kinds := c.Kinds()
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		out.Kinds = append(out.Kinds, &connectorv1.TakenKind{Kind: string(kind), Style: styles[kinds[kind]]})
	}
	for _, kind := range connector.Lists(c) {
		out.Lists = append(out.Lists, string(kind))
	}
	for _, kind := range connector.Records(c) {
		out.Records = append(out.Records, string(kind))
	}
	if m, ok := c.(connector.MasterSource); ok {
		out.MasterKinds = m.MasterKinds()
	}
	if m, ok := c.(connector.MasterTarget); ok {
		out.ToldKinds = m.ToldKinds()
	}
	return out
}

// answering is a call that the connector answers.
type answering struct {
	connector connector.Connector
	requests  atomic.Int64
	effect    bool

	mu        sync.Mutex
	exchanges []*connectorv1.Exchange
}

// begin gives a call its context; the caller ends it with what it returns.
func (s *server) begin(ctx context.Context, start *connectorv1.CallStart, effect bool) (context.Context, *answering, func(), error) {
	s.mu.Lock()
	made := s.connector
	s.mu.Unlock()
	if made == nil {
		return nil, nil, nil, status.Error(codes.FailedPrecondition, "this process is not configured yet")
	}
	a := &answering{connector: made, effect: effect}
	end := func() {}
	if start.GetWithin() != nil {
		ctx, end = context.WithTimeout(ctx, start.GetWithin().AsDuration())
	}
	if start.GetTrace() {
		ctx = connector.WithTrace(ctx, func(ex connector.Exchange) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.exchanges = append(a.exchanges, toExchange(ex))
		})
	}
	id := start.GetId()
	ctx = connector.WithPace(connector.CountRequests(ctx, &a.requests), func(ctx context.Context) error { return s.pacer.ask(ctx, id) })
	return ctx, a, end, nil
}

func (a *answering) over(err error) *connectorv1.CallEnd {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &connectorv1.CallEnd{Fault: toFault(err, a.effect), Requests: uint32(a.requests.Load()), Exchanges: a.exchanges}
}

func (s *server) Probe(ctx context.Context, r *connectorv1.ProbeRequest) (*connectorv1.ProbeResponse, error) {
	ctx, a, end, err := s.begin(ctx, r.GetCall(), false)
	if err != nil {
		return nil, err
	}
	defer end()
	m, err := a.connector.Probe(ctx)
	return &connectorv1.ProbeResponse{System: m.System, Version: m.Version, End: a.over(err)}, nil
}

func (s *server) Find(ctx context.Context, r *connectorv1.FindRequest) (*connectorv1.FindResponse, error) {
	ctx, a, end, err := s.begin(ctx, r.GetCall(), false)
	if err != nil {
		return nil, err
	}
	defer end()
	found, err := a.connector.Find(ctx, fromPosting(r.GetPosting()))
	return &connectorv1.FindResponse{Found: toFound(found), End: a.over(err)}, nil
}

func (s *server) Apply(ctx context.Context, r *connectorv1.ApplyRequest) (*connectorv1.ApplyResponse, error) {
	ctx, a, end, err := s.begin(ctx, r.GetCall(), true)
	if err != nil {
		return nil, err
	}
	defer end()
	result, err := a.connector.Apply(ctx, fromPosting(r.GetPosting()))
	return &connectorv1.ApplyResponse{Documents: result.Documents, Newer: result.Newer, End: a.over(err)}, nil
}

func (s *server) Changes(r *connectorv1.ChangesRequest, to grpc.ServerStreamingServer[connectorv1.ChangesResponse]) error {
	ctx, a, end, err := s.begin(to.Context(), r.GetCall(), false)
	if err != nil {
		return err
	}
	defer end()
	c, err := a.connector.Changes(ctx, cursor(r.GetSince()))
	for part := range parts(c.Events) {
		if err := to.Send(&connectorv1.ChangesResponse{Events: part}); err != nil {
			return err
		}
	}
	return to.Send(&connectorv1.ChangesResponse{Cursor: c.Cursor, More: c.More, End: a.over(err)})
}

// cursor is nil where there is none.
func cursor(b []byte) connector.Cursor {
	if len(b) == 0 {
		return nil
	}
	return b
}

func (s *server) Snapshot(r *connectorv1.SnapshotRequest, to grpc.ServerStreamingServer[connectorv1.SnapshotResponse]) error {
	ctx, a, end, err := s.begin(to.Context(), r.GetCall(), false)
	if err != nil {
		return err
	}
	defer end()
	events, err := a.connector.Snapshot(ctx, connector.Scope{Site: r.GetSite()})
	for part := range parts(events) {
		if err := to.Send(&connectorv1.SnapshotResponse{Events: part}); err != nil {
			return err
		}
	}
	return to.Send(&connectorv1.SnapshotResponse{End: a.over(err)})
}

func (s *server) List(r *connectorv1.ListRequest, to grpc.ServerStreamingServer[connectorv1.ListResponse]) error {
	ctx, a, end, err := s.begin(to.Context(), r.GetCall(), false)
	if err != nil {
		return err
	}
	defer end()
	lister, ok := a.connector.(connector.Lister)
	if !ok {
		return status.Error(codes.Unimplemented, "this connector lists no documents")
	}
	page, err := lister.List(ctx, fromListing(r.GetListing()))
	for part := range parts(listed(page)) {
		if err := to.Send(&connectorv1.ListResponse{Documents: part}); err != nil {
			return err
		}
	}
	return to.Send(&connectorv1.ListResponse{Next: page.Next, More: page.More, End: a.over(err)})
}

func (s *server) ListRecords(r *connectorv1.ListRecordsRequest, to grpc.ServerStreamingServer[connectorv1.ListRecordsResponse]) error {
	ctx, a, end, err := s.begin(to.Context(), r.GetCall(), false)
	if err != nil {
		return err
	}
	defer end()
	lister, ok := a.connector.(connector.RecordLister)
	if !ok {
		return status.Error(codes.Unimplemented, "this connector lists no records")
	}
	page, err := lister.ListRecords(ctx, fromListing(r.GetListing()))
	for part := range parts(listed(page)) {
		if err := to.Send(&connectorv1.ListRecordsResponse{Records: part}); err != nil {
			return err
		}
	}
	return to.Send(&connectorv1.ListRecordsResponse{Next: page.Next, More: page.More, End: a.over(err)})
}

func listed(page connector.ListedPage) []*connectorv1.Listed {
	out := make([]*connectorv1.Listed, len(page.Documents))
	for i, d := range page.Documents {
		out[i] = toListed(d)
	}
	return out
}

func (s *server) Master(r *connectorv1.MasterRequest, to grpc.ServerStreamingServer[connectorv1.MasterResponse]) error {
	ctx, a, end, err := s.begin(to.Context(), r.GetCall(), false)
	if err != nil {
		return err
	}
	defer end()
	source, ok := a.connector.(connector.MasterSource)
	if !ok {
		return status.Error(codes.Unimplemented, "this connector tells of no master data")
	}
	page, err := source.Master(ctx, r.GetKind(), cursor(r.GetSince()))
	for part := range parts(page.Records) {
		if err := to.Send(&connectorv1.MasterResponse{Records: part}); err != nil {
			return err
		}
	}
	for part := range parts(toRefused(page.Refused)) {
		if err := to.Send(&connectorv1.MasterResponse{Refused: part}); err != nil {
			return err
		}
	}
	return to.Send(&connectorv1.MasterResponse{Cursor: page.Cursor, More: page.More, End: a.over(err)})
}

func (s *server) Tell(ctx context.Context, r *connectorv1.TellRequest) (*connectorv1.TellResponse, error) {
	ctx, a, end, err := s.begin(ctx, r.GetCall(), true)
	if err != nil {
		return nil, err
	}
	defer end()
	target, ok := a.connector.(connector.MasterTarget)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "this connector takes no master data")
	}
	refused, err := target.Tell(ctx, r.GetKind(), r.GetRecords())
	return &connectorv1.TellResponse{Refused: toRefused(refused), End: a.over(err)}, nil
}

func (s *server) Pace(stream grpc.BidiStreamingServer[connectorv1.PaceRequest, connectorv1.PaceResponse]) error {
	return s.pacer.serve(stream)
}

// parts are pieces of a list that are not too large for a message.
func parts[T proto.Message](list []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		first, size := 0, 0
		for i, m := range list {
			n := cmp.Or(proto.Size(m), 1)
			if i > first && size+n > partBytes {
				if !yield(list[first:i]) {
					return
				}
				first, size = i, 0
			}
			size += n
		}
		if first < len(list) {
			yield(list[first:])
		}
	}
}
