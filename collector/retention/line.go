package retention

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// line is one line of an archive: docs/archive.md says what stands in each.
type line struct {
	// Record is "archive", "group", "end", or the table of a row.
	Record string `json:"record"`
	// Of the first line.
	Schema string `json:"schema,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	Number int64  `json:"number,omitempty"`
	// Of a group.
	Part   int64    `json:"part,omitempty"`
	Class  string   `json:"class,omitempty"`
	Keys   []string `json:"keys,omitempty"`
	Events int64    `json:"events,omitempty"`
	Digest string   `json:"digest,omitempty"`
	// Of a group and of the last line: how many lines with rows there are.
	Rows   int64 `json:"rows,omitempty"`
	Groups int64 `json:"groups,omitempty"`
	// Of a row: its columns, and in words what is a message in them.
	Row   map[string]any  `json:"row,omitempty"`
	Event json.RawMessage `json:"event,omitempty"`
	State json.RawMessage `json:"state,omitempty"`
}

// digest names rows by what is in them. It does not depend on how they are written.
func digest(rows []row) string {
	h := sha256.New()
	for _, one := range rows {
		write(h, one.table.name)
		for _, column := range slices.Sorted(maps.Keys(one.values)) {
			write(h, column)
			switch v := one.values[column].(type) {
			case nil:
				write(h, "-")
			case []byte:
				write(h, "b"+string(v))
			case string:
				write(h, "s"+v)
			default:
				write(h, fmt.Sprintf("n%d", v))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func write(h hash.Hash, text string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(text)))
	h.Write(size[:])
	h.Write([]byte(text))
}

// encoder makes lines of the rows of one group.
type encoder struct {
	bodies map[int64][]byte // of events, by number
}

func (e *encoder) encode(one row) (line, error) {
	l := line{Record: one.table.name, Row: make(map[string]any, len(one.values))}
	for column, v := range one.values {
		if raw, ok := v.([]byte); ok {
			v = map[string]any{"base64": base64.StdEncoding.EncodeToString(raw)}
		}
		l.Row[column] = v
	}
	body, _ := one.values["body"].([]byte)
	switch one.table.name {
	case "event":
		id := one.values["log_id"].(int64)
		e.bodies[id] = body
		words, exact, err := inWords(body, &docklinev1.Event{})
		if err != nil {
			return l, fmt.Errorf("event %d: %w", id, err)
		}
		if l.Event = words; exact {
			delete(l.Row, "body")
		}
	case "fact":
		if id := one.values["log_id"].(int64); bytes.Equal(body, e.bodies[id]) {
			l.Row["body"] = map[string]any{"event": id}
		}
	case "state":
		if m := stateOf(one.values["fold_key"].(string)); m != nil {
			words, exact, err := inWords(body, m)
			if err != nil {
				return l, fmt.Errorf("state of %s: %w", one.values["fold_key"], err)
			}
			if l.State = words; exact {
				delete(l.Row, "body")
			}
		}
	}
	return l, nil
}

// inWords is a message as JSON. exact says that the very bytes come back from it.
func inWords(body []byte, m proto.Message) (words json.RawMessage, exact bool, err error) {
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, false, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, false, err
	}
	var plain bytes.Buffer // protojson puts blanks as it likes
	if err := json.Compact(&plain, text); err != nil {
		return nil, false, err
	}
	back, err := fromWords(plain.Bytes(), m.ProtoReflect().New().Interface())
	return plain.Bytes(), err == nil && bytes.Equal(back, body), nil
}

func fromWords(words []byte, m proto.Message) ([]byte, error) {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(words, m); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// stateOf is an empty message of the kind that a key's state has, nil where that is not known.
func stateOf(key string) proto.Message {
	switch kindOf(key) {
	case state.KindOrder:
		return &docklinev1.OrderState{}
	case state.KindShipment:
		return &docklinev1.ShipmentState{}
	case state.KindReturn, state.KindBlindReturn:
		return &docklinev1.ReturnState{}
	case state.KindInbound:
		return &docklinev1.InboundState{}
	}
	return nil
}

// decode makes a row of a line again. events are the bodies of the group's events so far.
func decode(l *line, events map[int64][]byte) (row, error) {
	i := slices.IndexFunc(tables, func(t table) bool { return t.name == l.Record })
	if i < 0 {
		return row{}, fmt.Errorf("%w: a row of a table %q, which this version does not know", ErrDamaged, l.Record)
	}
	one := row{table: &tables[i], values: make(map[string]any, len(l.Row)+1)}
	for column, v := range l.Row {
		value, err := valueOf(v, events)
		if err != nil {
			return row{}, fmt.Errorf("%w: %s.%s: %w", ErrDamaged, l.Record, column, err)
		}
		one.values[column] = value
	}
	for name, part := range map[string]struct {
		words json.RawMessage
		m     func() proto.Message
	}{
		"event": {l.Event, func() proto.Message { return &docklinev1.Event{} }},
		"state": {l.State, func() proto.Message { return stateOf(fmt.Sprint(one.values["fold_key"])) }},
	} {
		if _, whole := one.values["body"]; l.Record != name || whole || len(part.words) == 0 {
			continue
		}
		m := part.m()
		if m == nil {
			return row{}, fmt.Errorf("%w: a state of %v", ErrDamaged, one.values["fold_key"])
		}
		body, err := fromWords(part.words, m)
		if err != nil {
			return row{}, fmt.Errorf("%w: %s: %w", ErrDamaged, l.Record, err)
		}
		one.values["body"] = body
	}
	if l.Record == "event" {
		id, ok := one.values["log_id"].(int64)
		body, whole := one.values["body"].([]byte)
		if !ok || !whole {
			return row{}, fmt.Errorf("%w: an event without its number or content", ErrDamaged)
		}
		events[id] = body
	}
	return one, nil
}

func valueOf(v any, events map[int64][]byte) (any, error) {
	switch v := v.(type) {
	case nil, string:
		return v, nil
	case json.Number:
		return v.Int64()
	case map[string]any:
		if id, ok := v["event"].(json.Number); ok {
			n, err := id.Int64()
			if body, known := events[n]; err == nil && known {
				return body, nil
			}
			return nil, fmt.Errorf("no event %s stands before it", id)
		}
		if text, ok := v["base64"].(string); ok {
			return base64.StdEncoding.DecodeString(text)
		}
	}
	return nil, fmt.Errorf("%v is no value", v)
}
