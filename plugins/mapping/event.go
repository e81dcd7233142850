package mapping

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Grouped says that records of one key make one event.
func (m *Mapping) Grouped() bool { return m.spec.Group }

// ByRow says that keys need an occurrence: RowAndOccurrence was chosen.
func (m *Mapping) ByRow() bool { return m.spec.Key.byRow() }

// Kinds are those that the mapping can give, as far as can be told beforehand; all of them where it can't.
func (m *Mapping) Kinds() []docklinev1.EventKind {
	if len(m.kinds) == 0 {
		return Kinds()
	}
	return m.kinds
}

// Event makes an event of a record, or of all records of a group; their order does not matter. occurrence counts equal rows
// before this one, from 0, and is used where ByRow says so.
func (m *Mapping) Event(occurrence int, records ...*Record) (*docklinev1.Event, []Fault) {
	if len(records) > 1 {
		records = slices.Clone(records)
		slices.SortStableFunc(records, func(a, b *Record) int { return bytes.Compare(a.hash(), b.hash()) })
	}
	head, fault := merge(records)
	if fault != nil {
		return nil, []Fault{*fault}
	}
	e := m.made(occurrence, head, records)
	if f := valid(e); f != nil {
		return nil, []Fault{{Class: f.Class, Code: f.Code, Text: f.Text}}
	}
	return e, nil
}

// valid asks the rules of the event's kind. To write an event and look at the bytes is quicker than to look at each of its fields.
func valid(e *docklinev1.Event) *event.Fault {
	data, err := proto.Marshal(e)
	if err != nil { // a text that is not UTF-8: which, Validate says
		return event.Validate(e)
	}
	return event.ValidateDecoded(e, data)
}

// made is the event of records, whatever the rules of its kind say of it.
func (m *Mapping) made(occurrence int, head *Record, records []*Record) *docklinev1.Event {
	e := &docklinev1.Event{
		Kind:           head.Kind,
		SourceKey:      head.Key,
		SourceRevision: head.Revision,
		ContentHash:    contentHash(records),
		Movement:       head.value("movement").whole(),
		Actor:          head.text("actor"),
		Device:         head.text("device"),
		Urgent:         head.value("urgent").flag(),
		OccurredAt:     head.stamp("occurred_at"),
		Origin:         origin(records),
	}
	if e.OccurredAt == nil {
		e.OccurredAt = head.stamp("ordered_at")
	}
	if m.ByRow() {
		e.SourceKey += "/" + strconv.Itoa(occurrence)
	}
	setPayload(e, head, records)
	setCustom(e, head)
	return e
}

// Partial is what could be read of a row that was refused, under the key that the row has when it is put right, so that a person can write the
// rest and what the source tells later is the same record. It is nil where the row's kind or key cannot be told, and where a row has no key of its
// own. Of records that are made of several rows it is not to be asked: none of them is the whole.
func (b *Binding) Partial(cells []string) *docklinev1.Event {
	m := b.mapping
	if len(cells) < len(b.headers) || m.ByRow() {
		return nil
	}
	r := &Record{values: m.layout.fresh()}
	b.readCells(r, cells)
	key, fault := b.keyOf(cells)
	if fault != nil {
		return nil
	}
	r.Key = key
	if b.revision >= 0 {
		r.Revision = clean(cells[b.revision])
	}
	if skip, fault := b.decide(r, &cellRow{binding: b, cells: cells}); skip || fault != nil {
		return nil
	}
	return m.made(0, r, []*Record{r})
}

func (r *Record) text(name string) string { return r.values.text(name) }

func (r *Record) value(name string) value {
	v, _ := r.values.get(name)
	return v
}

func (r *Record) stamp(name string) *timestamppb.Timestamp {
	v, ok := r.values.get(name)
	if !ok {
		return nil
	}
	return stampOf(v)
}

func stampOf(v value) *timestamppb.Timestamp { return timestamppb.New(v.time) }

func (r *Record) hash() []byte {
	if r.sum == nil {
		r.sum = r.values.hash()
	}
	return r.sum
}

// contentHash covers all rows; records come sorted, so their order in the file does not matter.
func contentHash(records []*Record) []byte {
	if len(records) == 1 {
		return records[0].hash()
	}
	all := make(map[string]string, len(records))
	for i, r := range records {
		all[strconv.Itoa(i)] = hex.EncodeToString(r.hash())
	}
	return event.ContentHash(all)
}

func origin(records []*Record) string {
	first := slices.MinFunc(records, func(a, b *Record) int { return a.Line - b.Line })
	if len(records) == 1 || first.Place == "" {
		return first.Place
	}
	return first.Place + " and " + strconv.Itoa(len(records)-1) + " more"
}

// merge makes the head of an event of its rows. What the event has only once must not differ.
func merge(records []*Record) (*Record, *Fault) {
	head := records[0]
	if len(records) == 1 {
		return head, nil
	}
	out := &Record{Kind: head.Kind, Key: head.Key, Revision: head.Revision, values: head.values.empty()}
	for _, r := range records[1:] {
		if r.Kind != head.Kind {
			f := dataFault("group_differs", "", "rows of %s are %s and %s; rows of one key must be of one kind", head.Key, event.KindName(head.Kind), event.KindName(r.Kind))
			return nil, &f
		}
		if r.Revision != head.Revision {
			f := dataFault("group_differs", "", "rows of %s have the revisions %s and %s; rows of one key must have one", head.Key, head.Revision, r.Revision)
			return nil, &f
		}
	}
	for at, name := range head.values.names { // sorted, so that the first fault is always the same
		f, _ := fieldNamed(name)
		v, fault := mergeField(f, at, records)
		if fault != nil {
			return nil, fault
		}
		if v != nil {
			out.values.set(at, *v)
		}
	}
	return out, nil
}

func mergeField(f field, at int, records []*Record) (*value, *Fault) {
	var found []value
	for _, r := range records {
		if v := r.values.all[at]; v.there && !slices.ContainsFunc(found, func(o value) bool { return o.text == v.text }) {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	switch {
	case len(found) == 1 || f.merge == perLine:
		return &found[0], nil
	case f.merge == latest:
		v := slices.MaxFunc(found, later(f.typ))
		return &v, nil
	case f.merge == union:
		var all []string
		for _, v := range found {
			all = append(all, v.list...)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		return &value{text: strings.Join(all, ","), list: all}, nil
	case f.merge == joined:
		texts := make([]string, len(found))
		for i, v := range found {
			texts[i] = v.text
		}
		slices.Sort(texts)
		return &value{text: strings.Join(texts, ", ")}, nil
	}
	fault := dataFault("group_differs", "", "rows of %s have %s %q and %q; rows of one key must agree on it", records[0].Key, f.name, found[0].text, found[1].text)
	return nil, &fault
}

func later(t valueType) func(a, b value) int {
	return func(a, b value) int {
		switch t {
		case moment:
			return a.time.Compare(b.time)
		case whole:
			return int(min(max(int64(a.whole()-b.whole()), -1), 1))
		default:
			return strings.Compare(a.text, b.text)
		}
	}
}
