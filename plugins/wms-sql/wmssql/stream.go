package wmssql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// stream is a Stream that has been checked.
type stream struct {
	Stream
	path       string // where it stands in the configuration
	mapping    *mapping.Mapping
	columns    []string
	movesStock bool
}

func newStream(f Stream, path string, compiled *mapping.Mapping) *stream {
	s := &stream{Stream: f, path: path, mapping: compiled, columns: columnsOf(f)}
	s.movesStock = slices.ContainsFunc(compiled.Kinds(), event.MovesStock)
	if f.MovesStock != nil {
		s.movesStock = *f.MovesStock
	}
	return s
}

// what names the stream's source for people.
func (s *stream) what() string {
	if s.Table != "" {
		return s.Table + " (stream " + s.Name + ")"
	}
	return "the query of stream " + s.Name
}

// row is one row of a stream, as a mapping reads it.
type row struct {
	cells []string
	// null are the places of cells that are NULL.
	null []bool
}

// told is what a row, or the rows of one key, say: an event or a dead letter, or that what was told of the key is gone, or nothing.
type told struct {
	key     string
	event   *docklinev1.Event
	deleted bool
}

// read makes what rows of one key say of them; more than one where the stream groups.
func (s *stream) read(t *table, binding *mapping.Binding, rows []row) told {
	records := make([]*mapping.Record, 0, len(rows))
	key, _ := binding.Key(rows[0].cells)
	for _, r := range rows {
		record, faults := binding.Map(r.cells)
		if len(faults) > 0 {
			return s.refused(t, binding, key, rows, faults)
		}
		if record != nil && !record.Deleted {
			record.Place = s.origin(t, r)
			records = append(records, record)
		}
		if record != nil && record.Deleted && !s.Group {
			return told{key: record.Key, deleted: true}
		}
	}
	if len(records) == 0 {
		return told{key: key, deleted: s.Group && s.Deleted != ""} // all its lines are deleted, or say nothing
	}
	e, faults := s.mapping.Event(0, records...)
	if len(faults) > 0 {
		return s.refused(t, binding, key, rows, faults)
	}
	return told{key: e.GetSourceKey(), event: e}
}

// origin says where a row stands, in words that are always the same for it.
func (s *stream) origin(t *table, r row) string {
	parts := make([]string, len(t.key))
	for i, at := range t.key {
		parts[i] = t.columns[at].name + "=" + r.cells[at]
	}
	return s.Name + " " + strings.Join(parts, " ")
}

const (
	// maxRaw is how much of a refused row travels with its dead letter, maxText how many words about it.
	maxRaw  = 64 << 10
	maxText = 4000
)

// refused makes a dead letter of a row. Its content hash covers all that it says.
func (s *stream) refused(t *table, binding *mapping.Binding, key string, rows []row, faults []mapping.Fault) told {
	var raw strings.Builder
	for _, r := range rows {
		for i, c := range t.columns {
			if raw.Len() < maxRaw {
				fmt.Fprintf(&raw, "%s=%s\n", c.name, shown(r, i))
			}
		}
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Text
		if f.Column != "" {
			texts[i] = "column " + f.Column + ": " + f.Text
		}
	}
	text := s.origin(t, rows[0]) + ": " + strings.Join(texts, "; ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	letter := &docklinev1.DeadLetter{Class: faults[0].Class, Code: faults[0].Code, Column: faults[0].Column, File: s.Name,
		Text: text + "; correct the row where it stands, and it is told again", Raw: []byte(raw.String()[:min(raw.Len(), maxRaw)])}
	if len(rows) == 1 && !s.Group && raw.Len() <= maxRaw {
		if partial := binding.Partial(rows[0].cells); partial != nil {
			letter.RefusedEvent, _ = proto.MarshalOptions{Deterministic: true}.Marshal(partial)
		}
	}
	sum := sha256.Sum256([]byte(raw.String()))
	e := &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: s.Name, SourceKey: "refused/" + url.PathEscape(s.Name) + "/" + hex.EncodeToString(sum[:16]), Origin: s.origin(t, rows[0]),
		OccurredAt: s.moment(t, rows[0]), Payload: &docklinev1.Event_DeadLetter{DeadLetter: letter},
	}
	hash := sha256.New()
	for _, part := range []string{letter.Code, letter.Column, letter.Text, raw.String(), string(letter.RefusedEvent), e.GetOccurredAt().String()} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	e.ContentHash = hash.Sum(nil)
	return told{key: e.GetSourceKey(), event: e}
}

// shown is a cell for a person: an empty text and NULL differ.
func shown(r row, at int) string {
	if r.null[at] {
		return "NULL"
	}
	return strings.ToValidUTF8(r.cells[at], "\uFFFD")
}

// moment is when a refused row was written, as far as the row says so.
func (s *stream) moment(t *table, r row) *timestamppb.Timestamp {
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	layout := wallLayout
	if t.columns[t.watermark].typ == typeInstant {
		layout = instantLayout
	}
	if parsed, err := time.Parse(layout, r.cells[t.watermark]); err == nil && parsed.After(at) && parsed.Year() < 2200 {
		at = parsed
	}
	return timestamppb.New(at.Truncate(time.Microsecond))
}
