package remote_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

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
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	connectorv1.RegisterConnectorServiceServer(server, endless{})
	go func() { _ = server.Serve(door) }()
	defer server.Stop()
	conn, err := grpc.NewClient(door.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := remote.NewTargetClient(conn, &connectortest.Memory{})
	_, err = c.Apply(t.Context(), invoice("SO1"))
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
