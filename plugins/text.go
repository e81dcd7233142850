package plugins

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sendable makes a batch one that can travel: text that is not UTF-8 would break the stream, and with it everything that the
// source reports. An event that holds such text becomes a dead letter.
func sendable(batch *docklinev1.CaptureBatch) {
	for i, e := range batch.GetEvents() {
		if _, err := proto.Marshal(e); err == nil {
			continue
		}
		repair(e.ProtoReflect())
		kept, _ := proto.Marshal(e)
		batch.Events[i] = &docklinev1.Event{
			Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: e.Subject, SourceKey: e.SourceKey, SourceRevision: e.SourceRevision,
			ContentHash: e.ContentHash, Ordinal: e.Ordinal, OccurredAt: e.OccurredAt, Origin: e.Origin,
			Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{
				Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "text_encoding", RefusedEvent: kept,
				Text: "the record holds text that is not UTF-8, shown here with a mark in its place; check the encoding of the source"}},
		}
	}
}

// repair puts the replacement character in the place of what is not UTF-8.
func repair(m protoreflect.Message) {
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.IsList() && d.Kind() == protoreflect.StringKind:
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfString(valid(v.List().Get(i).String())))
			}
		case d.IsList() && d.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				repair(v.List().Get(i).Message())
			}
		case d.IsList():
		case d.Kind() == protoreflect.MessageKind:
			repair(v.Message())
		case d.Kind() == protoreflect.StringKind:
			m.Set(d, protoreflect.ValueOfString(valid(v.String())))
		}
		return true
	})
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
