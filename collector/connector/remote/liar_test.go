package remote_test

import (
	"context"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/remote"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// endless answers every call, and ends no answer.
type endless struct {
	connectorv1.UnimplementedConnectorServiceServer
}

func (endless) Apply(context.Context, *connectorv1.ApplyRequest) (*connectorv1.ApplyResponse, error) {
	return &connectorv1.ApplyResponse{Documents: []*docklinev1.DocumentReference{{Number: "D1"}}}, nil
}

func (endless) Find(context.Context, *connectorv1.FindRequest) (*connectorv1.FindResponse, error) {
	return &connectorv1.FindResponse{}, nil
}

func (endless) List(_ *connectorv1.ListRequest, to grpc.ServerStreamingServer[connectorv1.ListResponse]) error {
	return to.Send(&connectorv1.ListResponse{Documents: []*connectorv1.Listed{{Reference: "SO1"}}}) // and then it falls silent
}

// An answer without its end may be a part only: what was applied is unknown then, what was not found is not absent, and a list is none.
func TestAnAnswerWithoutItsEnd(t *testing.T) {
	c := reach(t, endless{})
	_, err := c.Apply(t.Context(), invoice("SO1"))
	if f := faultOf(t, err); !f.Unknown || !strings.Contains(f.Error(), "has no CallEnd") {
		t.Errorf("applied: %+v", f)
	}
	_, err = c.Find(t.Context(), invoice("SO1"))
	if f := faultOf(t, err); f.Unknown {
		t.Errorf("found: %+v", f)
	}
	_, err = c.List(t.Context(), connector.Listing{Kind: connector.InvoiceTrigger})
	faultOf(t, err)
}

// reach serves a program in this process, and asks it as the collector asks one.
func reach(t *testing.T, program connectorv1.ConnectorServiceServer) remote.TargetClient {
	t.Helper()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxSendMsgSize(math.MaxInt32))
	connectorv1.RegisterConnectorServiceServer(server, program)
	go func() { _ = server.Serve(door) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(door.Addr().String(), append(remote.DialOptions, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return remote.NewTargetClient(conn, &connectortest.Memory{})
}

// huge does what it is asked, and answers with more than anybody can take.
type huge struct {
	connectorv1.UnimplementedConnectorServiceServer
	made         atomic.Int64
	parts, bytes atomic.Int64
	part         *connectorv1.ChangesResponse
}

func (h *huge) Apply(context.Context, *connectorv1.ApplyRequest) (*connectorv1.ApplyResponse, error) {
	h.made.Add(1)
	return &connectorv1.ApplyResponse{Documents: []*docklinev1.DocumentReference{{Number: strings.Repeat("9", 80<<20)}}, End: &connectorv1.CallEnd{}}, nil
}

func (h *huge) Find(context.Context, *connectorv1.FindRequest) (*connectorv1.FindResponse, error) {
	return &connectorv1.FindResponse{Found: []*connectorv1.Found{{Document: &docklinev1.DocumentReference{Number: "D1"}, Complete: true}}, End: &connectorv1.CallEnd{}}, nil
}

func (h *huge) Changes(_ *connectorv1.ChangesRequest, to grpc.ServerStreamingServer[connectorv1.ChangesResponse]) error {
	for {
		if err := to.Send(h.part); err != nil {
			return err
		}
		h.parts.Add(1)
		h.bytes.Add(int64(proto.Size(h.part)))
	}
}

// A program whose answer is larger than a message may be, or has no end, does not take the collector's memory: it is told so. What it has done meanwhile is unknown, and is
// found by the next look, so that nothing is done twice.
//
// Shows: S1, S32
func TestAnAnswerThatIsTooLarge(t *testing.T) {
	h := &huge{}
	c := reach(t, h)
	_, err := c.Apply(t.Context(), invoice("SO1"))
	if f := faultOf(t, err); !f.Unknown || f.Code != "answer_too_large" || !strings.Contains(f.Error(), "gave more than is taken") {
		t.Errorf("applied: %+v", f)
	}
	if found, err := c.Find(t.Context(), invoice("SO1")); err != nil || len(found) != 1 || !found[0].Complete {
		t.Errorf("found %+v, %v", found, err)
	}
	for name, events := range map[string]struct {
		number int
		text   string
	}{"large": {1, strings.Repeat("x", 1<<20)}, "many": {10_000, ""}} {
		h.parts.Store(0)
		h.bytes.Store(0)
		h.part = &connectorv1.ChangesResponse{More: true}
		for range events.number {
			h.part.Events = append(h.part.Events, &docklinev1.Event{Subject: events.text})
		}
		_, err := c.Changes(t.Context(), nil)
		if f := faultOf(t, err); f.Unknown || f.Code != "answer_too_large" || !strings.Contains(f.Error(), "more than 256 MiB in one answer") {
			t.Errorf("%s: %+v", name, f)
		}
		if h.bytes.Load() > 300<<20 || int(h.parts.Load())*max(1, events.number) > 2<<20 {
			t.Errorf("%s: it gave %d bytes in %d parts", name, h.bytes.Load(), h.parts.Load())
		}
	}
	if n := h.made.Load(); n != 1 {
		t.Errorf("%d documents were made", n)
	}
}
