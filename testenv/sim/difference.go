package sim

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// difference says in what two states of a key differ, for a person: the lines of each that the other does not have.
func difference(key string, was, is []byte) string {
	before, after := lines(key, was), lines(key, is)
	var b strings.Builder
	for _, l := range before {
		if !slices.Contains(after, l) {
			b.WriteString(" -" + l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			b.WriteString(" +" + l)
		}
	}
	if text := b.String(); text != "" {
		return text[:min(len(text), 2000)]
	}
	return " only in their order"
}

func lines(key string, body []byte) []string {
	m := message(key)
	if m == nil || proto.Unmarshal(body, m) != nil {
		return nil
	}
	var out []string
	for _, l := range strings.Split(prototext.MarshalOptions{Multiline: true}.Format(m), "\n") {
		out = append(out, strings.Join(strings.Fields(l), " ")) // prototext varies its blanks on purpose
	}
	return out
}

// message is what the state of a key is a message of, nil where nobody need know.
func message(key string) proto.Message {
	kind, _, err := event.ParseKey(key)
	if err != nil {
		return nil
	}
	switch kind {
	case state.KindOrder:
		return &docklinev1.OrderState{}
	case state.KindShipment:
		return &docklinev1.ShipmentState{}
	case state.KindCount:
		return &docklinev1.CountState{}
	case state.KindStock, state.KindOpening:
		return &docklinev1.StockState{}
	}
	return nil
}
