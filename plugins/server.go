package plugins

import (
	"context"
	"errors"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Register puts a plugin's services on a gRPC server. Serve does it; a test in process does it by itself.
func Register(server grpc.ServiceRegistrar, p Plugin) {
	docklinev1.RegisterSourceServiceServer(server, &sourceServer{plugin: p})
	docklinev1.RegisterSinkServiceServer(server, &sinkServer{sink: p.Sink})
}

type sourceServer struct {
	docklinev1.UnimplementedSourceServiceServer
	plugin    Plugin
	capturing atomic.Bool
}

func (s *sourceServer) Describe(context.Context, *docklinev1.DescribeRequest) (*docklinev1.DescribeResponse, error) {
	described := s.plugin.described()
	if described == nil {
		return nil, status.Error(codes.Unimplemented, "plugin has no Source and no Info: nobody describes it")
	}
	d := described.Describe()
	d.Source, d.Sink, d.Bundles = s.plugin.Source != nil, s.plugin.Sink != nil, true
	return d, nil
}

func (s *sourceServer) Check(_ context.Context, r *docklinev1.CheckRequest) (*docklinev1.CheckResponse, error) {
	described := s.plugin.described()
	if described == nil {
		return nil, status.Error(codes.Unimplemented, "plugin has no Source and no Info: nobody checks its config")
	}
	return &docklinev1.CheckResponse{Faults: described.Check(r.GetConfig(), r.GetId())}, nil
}

func (s *sourceServer) Try(_ context.Context, r *docklinev1.TryRequest) (*docklinev1.TryResponse, error) {
	trier, ok := s.plugin.described().(Trier)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "this plugin cannot try a sample")
	}
	return trier.Try(r)
}

func (s *sourceServer) CursorAt(ctx context.Context, r *docklinev1.CursorAtRequest) (*docklinev1.CursorAtResponse, error) {
	rewinder, ok := s.plugin.Source.(Rewinder)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "this plugin cannot say where it was at a time")
	}
	if r.GetTime() == nil {
		return nil, status.Error(codes.InvalidArgument, "no time")
	}
	start := Start{Config: r.GetConfig(), Cursor: r.GetCursor(), DataDir: r.GetDataDir(), ID: r.GetId()}
	cursor, what, err := rewinder.CursorAt(ctx, start, r.GetTime().AsTime())
	if errors.Is(err, ErrTooEarly) {
		return nil, status.Error(codes.OutOfRange, err.Error())
	}
	if err != nil {
		return nil, err
	}
	return &docklinev1.CursorAtResponse{Cursor: cursor, Text: what}, nil
}

func (s *sourceServer) Capture(stream grpc.BidiStreamingServer[docklinev1.CaptureRequest, docklinev1.CaptureResponse]) error {
	if s.plugin.Source == nil {
		return status.Error(codes.Unimplemented, "this plugin is not a source")
	}
	if !s.capturing.CompareAndSwap(false, true) {
		return status.Error(codes.FailedPrecondition, "this process captures already")
	}
	defer s.capturing.Store(false)
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return status.Error(codes.InvalidArgument, "the first message of a capture is its start")
	}
	return capture(stream, s.plugin.Source, start)
}

type sinkServer struct {
	docklinev1.UnimplementedSinkServiceServer
	sink Sink
}

var errNoSink = status.Error(codes.Unimplemented, "this plugin is not a sink")

func (s *sinkServer) Open(ctx context.Context, r *docklinev1.OpenRequest) (*docklinev1.OpenResponse, error) {
	if s.sink == nil {
		return nil, errNoSink
	}
	err := s.sink.Open(ctx, Start{Config: r.GetConfig(), DataDir: r.GetDataDir(), ID: r.GetId()})
	if err != nil && !errors.Is(err, ErrIdle) {
		return nil, err
	}
	return &docklinev1.OpenResponse{Idle: err != nil}, nil
}

func (s *sinkServer) Deliver(ctx context.Context, r *docklinev1.DeliverRequest) (*docklinev1.DeliverResponse, error) {
	if s.sink == nil {
		return nil, errNoSink
	}
	if r.GetCommand().GetKey() == "" {
		return nil, status.Error(codes.InvalidArgument, "command without a key")
	}
	result, err := s.sink.Deliver(ctx, r.GetCommand())
	if err == nil && result == nil {
		err = errors.New("sink gave neither a result nor an error")
	}
	if err != nil {
		return nil, err
	}
	return &docklinev1.DeliverResponse{Result: result}, nil
}

func (s *sinkServer) Find(ctx context.Context, r *docklinev1.FindRequest) (*docklinev1.FindResponse, error) {
	if s.sink == nil {
		return nil, errNoSink
	}
	found, version, err := s.sink.Find(ctx, r.GetKey())
	if err != nil {
		return nil, err
	}
	return &docklinev1.FindResponse{Found: found, Version: version}, nil
}
