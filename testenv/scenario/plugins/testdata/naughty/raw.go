package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// rawService speaks the contract without the library that keeps a plugin from breaking it.
type rawService struct {
	docklinev1.UnimplementedSourceServiceServer
}

func (rawService) Describe(context.Context, *docklinev1.DescribeRequest) (*docklinev1.DescribeResponse, error) {
	d := describe()
	d.Source = true
	return d, nil
}

func (rawService) Check(context.Context, *docklinev1.CheckRequest) (*docklinev1.CheckResponse, error) {
	return &docklinev1.CheckResponse{}, nil
}

func (rawService) Capture(stream grpc.BidiStreamingServer[docklinev1.CaptureRequest, docklinev1.CaptureResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	var c config
	plugins.Decode(first.GetStart().GetConfig(), &c)
	batch := &docklinev1.CaptureBatch{Batch: 1, Events: []*docklinev1.Event{pick(1)}, Cursor: []byte("1")}
	switch c.Habit {
	case "bytes":
		err = stream.SendMsg(frame("\xff\xff\xff this is no protobuf"))
	case "number":
		batch.Batch = 7
	case "cursor":
		batch.Cursor = []byte(strings.Repeat("c", 1<<20))
	case "future":
		batch.CompleteThrough = []*docklinev1.CompleteThrough{{Stream: "rows", Time: timestamppb.New(pick(1).OccurredAt.AsTime().AddDate(100, 0, 0))}}
	case "giant":
		event := pick(1)
		event.GetPick().Lines[0].Description = strings.Repeat("g", 5<<20)
		batch.Events = []*docklinev1.Event{event}
	case "many":
		for range 20_000 {
			batch.Events = append(batch.Events, &docklinev1.Event{})
		}
	case "deaf":
		return deaf(stream)
	default:
		return fmt.Errorf("habit %q is not known", c.Habit)
	}
	if err == nil {
		err = stream.Send(&docklinev1.CaptureResponse{Message: &docklinev1.CaptureResponse_Batch{Batch: batch}})
	}
	for err == nil {
		_, err = stream.Recv()
	}
	return err
}

// deaf sends without ever reading an answer; large cursors, which come back with the answers, fill the pipe soon.
func deaf(stream grpc.BidiStreamingServer[docklinev1.CaptureRequest, docklinev1.CaptureResponse]) error {
	for n := 1; ; n++ {
		batch := &docklinev1.CaptureBatch{Batch: uint64(n), Events: []*docklinev1.Event{pick(n)}, Cursor: []byte(strings.Repeat("d", 8000))}
		if err := stream.Send(&docklinev1.CaptureResponse{Message: &docklinev1.CaptureResponse_Batch{Batch: batch}}); err != nil {
			return err
		}
	}
}

// frame is bytes that go out as they are.
type frame string

// rawCodec is the usual codec, but for frames.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) {
	if f, ok := v.(frame); ok {
		return []byte(f), nil
	}
	return proto.Marshal(v.(proto.Message))
}

func (rawCodec) Unmarshal(data []byte, v any) error { return proto.Unmarshal(data, v.(proto.Message)) }

func (rawCodec) Name() string { return "proto" }

// rawPlugin puts the service on go-plugin's server.
type rawPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (rawPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	docklinev1.RegisterSourceServiceServer(server, rawService{})
	return nil
}

func (rawPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errNoStart
}

func serveRaw() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugins.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{plugins.ProtocolVersion: {plugins.Name: rawPlugin{}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.ForceServerCodec(rawCodec{}), grpc.MaxSendMsgSize(64<<20))...)
		},
	})
}
