package posting

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// maxDifferences bounds the differences that one text names.
const maxDifferences = 8

// Difference names in words what is other in b than in a: "line 2 (BOLT-8): quantity 5, now 4; tracking X1, now X2". It is
// empty when nothing is.
func Difference(a, b *docklinev1.Document) string {
	if a == nil || b == nil {
		return "what was sent before is not known"
	}
	var found []string
	compareMessages(a.ProtoReflect(), b.ProtoReflect(), "", &found)
	if len(found) > maxDifferences {
		more := len(found) - maxDifferences
		found = append(found[:maxDifferences], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
}

func compareMessages(a, b protoreflect.Message, path string, found *[]string) {
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !a.Has(f) && !b.Has(f) {
			continue
		}
		name := path + strings.ReplaceAll(string(f.Name()), "_", " ")
		switch {
		case f.IsList():
			compareLists(f, a.Get(f).List(), b.Get(f).List(), name, found)
		case f.Kind() == protoreflect.MessageKind && f.Message().FullName() != "google.protobuf.Timestamp":
			if f.ContainingOneof() != nil { // the document itself needs no name
				name = path
			} else {
				name += " "
			}
			compareMessages(a.Get(f).Message(), b.Get(f).Message(), name, found)
		default:
			was, is := inWords(f, a.Get(f)), inWords(f, b.Get(f))
			if was != is {
				*found = append(*found, fmt.Sprintf("%s %s, now %s", name, orNone(was), orNone(is)))
			}
		}
	}
}

func compareLists(f protoreflect.FieldDescriptor, a, b protoreflect.List, name string, found *[]string) {
	if f.Kind() != protoreflect.MessageKind {
		was, is := listInWords(f, a), listInWords(f, b)
		if was != is {
			*found = append(*found, fmt.Sprintf("%s %s, now %s", name, orNone(was), orNone(is)))
		}
		return
	}
	name = strings.TrimSuffix(name, "s")
	for i := range max(a.Len(), b.Len()) {
		switch {
		case i >= a.Len():
			*found = append(*found, fmt.Sprintf("%s %d %s is new", name, i+1, lineInWords(b.Get(i).Message())))
		case i >= b.Len():
			*found = append(*found, fmt.Sprintf("%s %d %s is gone", name, i+1, lineInWords(a.Get(i).Message())))
		case !proto.Equal(a.Get(i).Message().Interface(), b.Get(i).Message().Interface()):
			compareMessages(a.Get(i).Message(), b.Get(i).Message(),
				fmt.Sprintf("%s %d %s: ", name, i+1, lineInWords(a.Get(i).Message())), found)
		}
	}
}

// lineInWords names a line by its item.
func lineInWords(m protoreflect.Message) string {
	if f := m.Descriptor().Fields().ByName("item"); f != nil && m.Has(f) {
		return "(" + m.Get(f).String() + ")"
	}
	return ""
}

func listInWords(f protoreflect.FieldDescriptor, list protoreflect.List) string {
	words := make([]string, list.Len())
	for i := range words {
		words[i] = inWords(f, list.Get(i))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func inWords(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Kind() == protoreflect.MessageKind {
		t, ok := v.Message().Interface().(*timestamppb.Timestamp)
		if !ok || !v.Message().IsValid() {
			return ""
		}
		return t.AsTime().Format(time.RFC3339)
	}
	return v.String()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// documentNames names documents of a target: "shipment OUT00012, invoice 2026/41".
func documentNames(list []*docklinev1.DocumentReference) string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = strings.TrimSpace(d.GetKind() + " " + d.GetNumber())
	}
	if len(names) == 0 {
		return "this"
	}
	return strings.Join(names, ", ")
}
