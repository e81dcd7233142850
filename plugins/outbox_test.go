package plugins

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What the two programs read of one message must be the same fields.
func TestTheEncodedFormIsTheSameOnTheWire(t *testing.T) {
	for plain, encoded := range map[proto.Message]proto.Message{
		&docklinev1.CaptureResponse{}: &docklinev1.EncodedResponse{},
		&docklinev1.CaptureBundle{}:   &docklinev1.EncodedBundle{},
		&docklinev1.CaptureBatch{}:    &docklinev1.EncodedBatch{},
	} {
		a, b := plain.ProtoReflect().Descriptor().Fields(), encoded.ProtoReflect().Descriptor().Fields()
		if a.Len() != b.Len() {
			t.Errorf("%T has %d fields, %T has %d", plain, a.Len(), encoded, b.Len())
			continue
		}
		for i := range a.Len() {
			x, y := a.Get(i), b.ByNumber(a.Get(i).Number())
			delimited := func(d protoreflect.FieldDescriptor) bool {
				return d.Kind() == protoreflect.MessageKind || d.Kind() == protoreflect.BytesKind
			}
			if y == nil || x.Name() != y.Name() || x.Cardinality() != y.Cardinality() || x.Kind() != y.Kind() && !(delimited(x) && delimited(y)) {
				t.Errorf("%s is not as %v", x.FullName(), y)
			}
		}
	}
}

// burst gives n batches of one event and says what came of each.
func burst(n int) scripted {
	return func(ctx context.Context, out Stream) error {
		for i := range n {
			if err := out.Emit(ctx, &docklinev1.CaptureBatch{Events: []*docklinev1.Event{{SourceKey: fmt.Sprint(i)}}, Cursor: fmt.Append(nil, i)}); err != nil {
				return err
			}
		}
		return out.Flush(ctx)
	}
}

// answered reads until the plugin has ended, and answers what has come; together answers all batches of a message in one.
func answered(t *testing.T, stream grpc.BidiStreamingClient[docklinev1.CaptureRequest, docklinev1.CaptureResponse], together bool) (messages int, keys []string) {
	t.Helper()
	for {
		m, err := stream.Recv()
		if err != nil {
			return messages, keys
		}
		messages++
		batches := m.GetBundle().GetBatches()
		if m.GetBatch() != nil {
			batches = append(batches, m.GetBatch())
		}
		acks := &docklinev1.CaptureAcks{}
		for _, b := range batches {
			keys = append(keys, b.GetEvents()[0].GetSourceKey())
			acks.Acks = append(acks.Acks, &docklinev1.CaptureAck{Batch: b.GetBatch()})
		}
		if together {
			stream.Send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Acks{Acks: acks}})
			continue
		}
		for _, a := range acks.GetAcks() {
			stream.Send(ack(a.GetBatch()))
		}
	}
}

func inOrder(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprint(i))
	}
	return keys
}

func TestBatchesThatWaitShareAMessageWhereTheHostTakesBundles(t *testing.T) {
	const n = 2000
	stream := capturedBy(t, &docklinev1.CaptureStart{Window: 16, Bundles: true}, burst(n))
	messages, keys := answered(t, stream, true)
	if !slices.Equal(keys, inOrder(n)) {
		t.Errorf("%d batches came, or not in their order", len(keys))
	}
	if messages >= n {
		t.Errorf("%d batches took %d messages", n, messages)
	}
}

func TestAHostThatKnowsNoBundlesGetsEachBatchByItself(t *testing.T) {
	const n = 500
	stream := capturedBy(t, &docklinev1.CaptureStart{Window: 16}, burst(n))
	messages, keys := answered(t, stream, false)
	if !slices.Equal(keys, inOrder(n)) || messages != n {
		t.Errorf("%d batches came in %d messages", len(keys), messages)
	}
}

func TestWhatIsEmittedAfterTheEndIsRefused(t *testing.T) {
	var late Stream
	stream := capturedBy(t, &docklinev1.CaptureStart{Window: 4, Bundles: true}, func(_ context.Context, out Stream) error { late = out; return nil })
	if _, err := stream.Recv(); err == nil {
		t.Fatal("a message of a source that gave none")
	}
	for range 3 {
		if err := late.Emit(t.Context(), &docklinev1.CaptureBatch{}); err == nil {
			t.Error("taken although the capture has ended")
		}
	}
}
