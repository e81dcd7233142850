package wmshttp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Columns that every record has besides its own: what only the request knows.
const (
	ownKey      = "@idempotency_key"
	ownIndex    = "@index"
	ownReceived = "@received_at"
	ownSender   = "@sender"
)

var ownColumns = []string{ownKey, ownIndex, ownReceived, ownSender}

// reader makes events of JSON: paths are the columns of a mapping.
type reader struct {
	name    string
	records listing
	columns []string
	paths   []path
	mapping *mapping.Mapping
	binding *mapping.Binding
	group   bool
	deleted bool
	byRow   bool
}

// request is what all records of one request share.
type request struct {
	key, sender string
	received    time.Time
	// named: lists that have no members are there all the same.
	named bool
}

// statement is what records say: an event or a dead letter, or that what was told of a key is gone.
type statement struct {
	key   string
	event *docklinev1.Event
	gone  bool
	// index is the first record's place among those of the request; faults are what is wrong with it.
	index  int
	faults []mapping.Fault
}

// mentioned finds the paths that an expression asks for by row["PATH"].
var mentioned = regexp.MustCompile(`\brow\s*\[\s*(?:"([^"\\]+)"|'([^'\\]+)')\s*\]`)

func newReader(name, records string, spec mapping.Spec) (*reader, []mapping.ConfigFault) {
	r := &reader{name: name, group: spec.Group, deleted: spec.Deleted != "", byRow: slices.Equal(spec.Key, mapping.Key{mapping.RowAndOccurrence})}
	var faults []mapping.ConfigFault
	if records != "" {
		var err error
		if r.records, err = parseListing(records); err != nil {
			faults = append(faults, mapping.ConfigFault{Path: "records", Text: err.Error()})
		}
	}
	for _, column := range columnsOf(spec) {
		var p path
		if !slices.Contains(ownColumns, column) {
			var err error
			if p, err = parsePath(column); err != nil {
				faults = append(faults, mapping.ConfigFault{Path: "columns", Text: err.Error()})
			}
		}
		r.columns, r.paths = append(r.columns, column), append(r.paths, p)
	}
	var more []mapping.ConfigFault
	r.mapping, more = mapping.Compile(name, spec)
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, faults
	}
	binding, unbound := r.mapping.Bind(r.columns)
	for _, f := range unbound {
		faults = append(faults, mapping.ConfigFault{Path: "columns." + f.Column, Text: f.Text})
	}
	r.binding = binding
	if len(faults) > 0 {
		return nil, faults
	}
	return r, nil
}

// columnsOf are the paths that a mapping needs, each once.
func columnsOf(spec mapping.Spec) []string {
	var out []string
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && name != mapping.RowAndOccurrence && !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
				out = append(out, name)
			}
		}
	}
	add(spec.Key...)
	for _, name := range slices.Sorted(maps.Keys(spec.Columns)) {
		add(name)
		add(spec.Columns[name].Join...)
	}
	add(spec.Revision)
	for _, expression := range []string{spec.Kind, spec.When, spec.Deleted} {
		for _, m := range mentioned.FindAllStringSubmatch(expression, -1) {
			add(m[1], m[2])
		}
	}
	return out
}

func (r *reader) cells(n *node, index int, q request) []string {
	out := make([]string, len(r.columns))
	for i, column := range r.columns {
		switch column {
		case ownKey:
			out[i] = q.key
			if q.key != "" && q.sender != "" {
				out[i] = url.PathEscape(q.sender) + "/" + q.key
			}
		case ownSender:
			out[i] = q.sender
		case ownIndex:
			out[i] = strconv.Itoa(index)
		case ownReceived:
			out[i] = q.received.UTC().Format(time.RFC3339Nano)
		default:
			v, _ := r.paths[i].find(n)
			out[i] = cell(v)
		}
	}
	return out
}

// row is one record on its way.
type row struct {
	node  *node
	cells []string
	index int
}

// read makes what a document tells: what its records say, in their order. An error is of a document that has no records where they should be.
func (r *reader) read(whole any, q request) ([]statement, error) {
	nodes, err := r.records.records(whole, q.named)
	if err != nil {
		return nil, err
	}
	var groups [][]row
	places := map[string]int{}
	for i, n := range nodes {
		rw := row{node: n, cells: r.cells(n, i, q), index: i}
		if key, ok := r.binding.Key(rw.cells); ok && r.group {
			if at, known := places[key]; known {
				groups[at] = append(groups[at], rw)
				continue
			}
			places[key] = len(groups)
		}
		groups = append(groups, []row{rw})
	}
	seen := map[string]int{}
	var out []statement
	for _, rows := range groups {
		t, says := r.tell(rows, seen)
		if says {
			out = append(out, t)
		}
	}
	return out, nil
}

// tell makes what the rows of one key say; false where they say nothing.
func (r *reader) tell(rows []row, seen map[string]int) (statement, bool) {
	if _, ok := rows[0].node.value.(map[string]any); !ok && len(r.records) == 0 {
		return r.refused(rows, []mapping.Fault{{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "no_record", Text: "it is no JSON object"}}), true
	}
	key, _ := r.binding.Key(rows[0].cells)
	var records []*mapping.Record
	gone := false
	for _, rw := range rows {
		record, faults := r.binding.Map(rw.cells)
		if len(faults) > 0 {
			return r.refused(rows, faults), true
		}
		if record == nil {
			continue
		}
		if record.Deleted {
			gone = true
			continue
		}
		record.Place, record.Line = r.name+" "+strings.Join(strings.Split(key, "/"), " "), rw.index
		records = append(records, record)
	}
	if len(records) == 0 {
		return statement{key: key, gone: true, index: rows[0].index}, gone
	}
	occurrence := seen[records[0].Key]
	seen[records[0].Key]++
	e, faults := r.mapping.Event(occurrence, records...)
	if len(faults) > 0 {
		return r.refused(rows, faults), true
	}
	return statement{key: e.GetSourceKey(), event: e, index: rows[0].index}, true
}

const (
	// maxRaw is how much of a refused record travels with its dead letter, maxText how many words about it.
	maxRaw  = 64 << 10
	maxText = 4000
)

// refused makes a dead letter of a record. Its content hash covers all that it says, so that the same record refused again is the same letter.
func (r *reader) refused(rows []row, faults []mapping.Fault) statement {
	var raw strings.Builder
	for _, rw := range rows {
		if raw.Len() < maxRaw {
			raw.WriteString(asJSON(rw.node.value) + "\n")
		}
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Text
		if f.Column != "" {
			texts[i] = f.Column + ": " + f.Text
		}
	}
	key, _ := r.binding.Key(rows[0].cells)
	if key == "" {
		key = r.name + " record " + strconv.Itoa(rows[0].index)
	}
	text := key + ": " + strings.Join(texts, "; ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	kept := strings.ToValidUTF8(raw.String()[:min(raw.Len(), maxRaw)], "\uFFFD")
	letter := &docklinev1.DeadLetter{Class: faults[0].Class, Code: faults[0].Code, Column: faults[0].Column, File: r.name,
		Text: text + "; have the sender correct the record and tell it again", Raw: []byte(kept)}
	at := timestamppb.New(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) // one that is the same whenever it is told
	if len(rows) == 1 && !r.group {
		if partial := r.binding.Partial(rows[0].cells); partial != nil {
			if partial.GetOccurredAt() != nil && partial.GetOccurredAt().AsTime().After(at.AsTime()) && partial.GetOccurredAt().AsTime().Year() < 2200 {
				at = partial.GetOccurredAt()
			}
			if raw.Len() <= maxRaw {
				letter.RefusedEvent, _ = proto.MarshalOptions{Deterministic: true}.Marshal(partial)
			}
		}
	}
	sum := sha256.Sum256([]byte(raw.String()))
	e := &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: r.name, SourceKey: "refused/" + url.PathEscape(r.name) + "/" + hex.EncodeToString(sum[:16]), Origin: key,
		OccurredAt: at, Payload: &docklinev1.Event_DeadLetter{DeadLetter: letter},
	}
	hash := sha256.New()
	for _, part := range []string{letter.Code, letter.Column, letter.Text, raw.String(), string(letter.RefusedEvent), at.String()} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	e.ContentHash = hash.Sum(nil)
	return statement{key: e.GetSourceKey(), event: e, index: rows[0].index, faults: faults}
}
