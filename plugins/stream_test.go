package plugins

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// scripted is a source whose Capture is a function.
type scripted func(ctx context.Context, out Stream) error

func (scripted) Describe() *docklinev1.DescribeResponse {
	return &docklinev1.DescribeResponse{Name: "scripted"}
}
func (scripted) Check([]byte, string) []*docklinev1.ConfigFault { return nil }
func (s scripted) Capture(ctx context.Context, _ Start, out Stream) error {
	return s(ctx, out)
}

// captured starts a capture with a window and gives the host's end of it.
func captured(t *testing.T, window uint32, source scripted) grpc.BidiStreamingClient[docklinev1.CaptureRequest, docklinev1.CaptureResponse] {
	t.Helper()
	return capturedBy(t, &docklinev1.CaptureStart{Window: window}, source)
}

func capturedBy(t *testing.T, start *docklinev1.CaptureStart, source scripted) grpc.BidiStreamingClient[docklinev1.CaptureRequest, docklinev1.CaptureResponse] {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	Register(server, Plugin{Source: source})
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := NewClient(conn).Source.Capture(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Start{Start: start}}); err != nil {
		t.Fatal(err)
	}
	return stream
}

func ack(n uint64) *docklinev1.CaptureRequest {
	return &docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Ack{Ack: &docklinev1.CaptureAck{Batch: n}}}
}

func TestEmitWaitsForTheWindowAndFlushForTheAcks(t *testing.T) {
	var acked []uint64
	stream := captured(t, 2, func(ctx context.Context, out Stream) error {
		out.OnAck(func(a *docklinev1.CaptureAck) { acked = append(acked, a.GetBatch()) })
		for range 2 {
			if err := out.Emit(ctx, &docklinev1.CaptureBatch{}); err != nil {
				return err
			}
		}
		full, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := out.Emit(full, &docklinev1.CaptureBatch{}); !errors.Is(err, context.DeadlineExceeded) {
			return errors.New("a third batch went through a window of two")
		}
		if err := out.Report(&docklinev1.Condition{Code: "waiting"}); err != nil {
			return err
		}
		if err := out.Emit(ctx, &docklinev1.CaptureBatch{}); err != nil {
			return err
		}
		if err := out.Flush(ctx); err != nil {
			return err
		}
		if len(acked) != 3 {
			return errors.New("flushed before all acks had come")
		}
		return errors.New("as it should be")
	})
	for {
		m, err := stream.Recv()
		if err != nil {
			if !strings.Contains(err.Error(), "as it should be") {
				t.Error(err)
			}
			return
		}
		switch {
		case m.GetStatus().GetConditions() != nil:
			stream.Send(ack(1))
			stream.Send(ack(2))
		case m.GetBatch().GetBatch() == 3:
			stream.Send(ack(3))
		}
	}
}

func TestAnAckOutOfTurnEndsTheCapture(t *testing.T) {
	stream := captured(t, 2, func(ctx context.Context, out Stream) error {
		out.Emit(ctx, &docklinev1.CaptureBatch{})
		<-ctx.Done()
		return nil
	})
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	stream.Send(ack(2))
	if _, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "acknowledged batch 2") {
		t.Errorf("got %v", err)
	}
}

func TestABatchThatIsTooLargeIsRefusedWhereItIsMade(t *testing.T) {
	stream := captured(t, 1, func(ctx context.Context, out Stream) error {
		return out.Emit(ctx, &docklinev1.CaptureBatch{Cursor: make([]byte, MaxBatchBytes+1)})
	})
	if _, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
}

func TestTextThatIsNotUTF8BecomesADeadLetter(t *testing.T) {
	stream := captured(t, 1, func(ctx context.Context, out Stream) error {
		good := &docklinev1.Event{SourceKey: "1", Subject: "SO1"}
		bad := &docklinev1.Event{SourceKey: "2", Subject: "SO2", Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{
			Lines: []*docklinev1.Line{{Description: "Schl\xfcssel", Serials: []string{"\xff"}}}}}}
		return out.Emit(ctx, &docklinev1.CaptureBatch{Events: []*docklinev1.Event{good, bad}})
	})
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	events := m.GetBatch().GetEvents()
	if len(events) != 2 || events[0].GetSubject() != "SO1" || events[0].GetDeadLetter() != nil {
		t.Fatalf("events %v", events)
	}
	letter := events[1].GetDeadLetter()
	var kept docklinev1.Event
	if err := proto.Unmarshal(letter.GetRefusedEvent(), &kept); err != nil {
		t.Fatal(err)
	}
	if events[1].GetSourceKey() != "2" || letter.GetCode() != "text_encoding" || kept.GetPick().GetLines()[0].GetDescription() != "Schl\uFFFDssel" {
		t.Errorf("dead letter %v, kept %v", events[1], &kept)
	}
}
