package event

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The quick way to a body's hash gives what the form's own definition gives, for events of any content.
func TestQuickBodyHashIsTheBodyHash(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	quick := 0
	for range 3000 {
		e := &docklinev1.Event{}
		scramble(r, e.ProtoReflect(), 0)
		if r.IntN(4) == 0 && e.GetPick() != nil {
			for _, l := range e.GetPick().GetLines() {
				l.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 90, protowire.VarintType), 7))
			}
		}
		if r.IntN(4) == 0 {
			e.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 30, protowire.VarintType), 7))
		} else {
			quick++
			if _, ok := quickBody(e); !ok {
				t.Fatalf("no quick body of %v", e)
			}
		}
		if !bytes.Equal(BodyHash(e), slowBodyHash(e)) {
			t.Fatalf("the quick hash differs for %v", e)
		}
	}
	if quick < 1000 {
		t.Errorf("only %d events went the quick way", quick)
	}
}

// scramble fills a message at random.
func scramble(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if r.IntN(3) == 0 || depth > 3 {
			continue
		}
		if f.IsList() {
			list := m.Mutable(f).List()
			for range r.IntN(3) {
				if f.Kind() == protoreflect.MessageKind {
					scramble(r, list.AppendMutable().Message(), depth+1)
				} else {
					list.Append(scalar(r, f))
				}
			}
			continue
		}
		if f.Kind() == protoreflect.MessageKind {
			scramble(r, m.Mutable(f).Message(), depth+1)
			continue
		}
		m.Set(f, scalar(r, f))
	}
}

func scalar(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "a", "ein längerer Text"}[r.IntN(3)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{byte(r.IntN(3))})
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.IntN(3)))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(r.IntN(1000) - 500))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(r.Int64() - r.Int64())
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(r.IntN(300)))
	default:
		return protoreflect.ValueOfUint64(r.Uint64())
	}
}

func BenchmarkBodyHash(b *testing.B) {
	e := &docklinev1.Event{Id: "x", Subject: "SO1", SourceKey: "k", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED,
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: "t", Lines: []*docklinev1.Line{{Order: "SO1", OrderLine: "1", Item: "A", Quantity: &docklinev1.Quantity{Value: "2"}, Bin: "01"}}}}}
	raw, _ := proto.Marshal(e)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		BodyHash(e)
	}
}
