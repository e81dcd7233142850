package mapping

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Fault is what is wrong with a row or a header. Text says what is wrong and what to do, but not where: that is the
// reader's to add.
type Fault struct {
	Class docklinev1.FaultClass
	// Code is a stable short name: "number_format".
	Code string
	// Column is the header of the column at fault, empty for the whole row.
	Column string
	Text   string
}

func dataFault(code, column, format string, args ...any) Fault {
	return Fault{docklinev1.FaultClass_FAULT_CLASS_DATA, code, column, fmt.Sprintf(format, args...)}
}

// Binding is a mapping tied to the columns of one file or query.
type Binding struct {
	mapping *Mapping
	headers []string
	// places of each mapped column and what is joined to it.
	columns  [][]int
	key      []int
	revision int
}

// Bind finds the mapping's columns in a header, without regard to case and blanks around. A column that is missing or there
// twice is a fault; columns that are not mapped do not matter.
func (m *Mapping) Bind(header []string) (*Binding, []Fault) {
	b := &Binding{mapping: m, revision: -1}
	for _, h := range header {
		b.headers = append(b.headers, clean(h))
	}
	var faults []Fault
	var missing bool
	place := func(name string) int {
		at, faultAt := b.find(name, missing)
		if faultAt != nil && !slices.ContainsFunc(faults, func(f Fault) bool { return f.Code == faultAt.Code && f.Column == faultAt.Column }) {
			faults = append(faults, *faultAt)
			missing = missing || faultAt.Code == unknownColumn
		}
		return at
	}
	for _, col := range m.columns {
		places := []int{place(col.header)}
		for _, name := range col.join {
			places = append(places, place(name))
		}
		b.columns = append(b.columns, places)
	}
	if !m.spec.Key.byRow() {
		for _, name := range m.spec.Key {
			b.key = append(b.key, place(name))
		}
	}
	if m.spec.Revision != "" {
		b.revision = place(m.spec.Revision)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return b, nil
}

const unknownColumn = "unknown_column"

// find says what the header has, and what to do, with the first column that it lacks; brief is for the others.
func (b *Binding) find(name string, brief bool) (int, *Fault) {
	at := -1
	for i, h := range b.headers {
		if !strings.EqualFold(h, clean(name)) {
			continue
		}
		if at >= 0 {
			f := dataFault("column_twice", name, "the header names column %s twice; rename one of them in the export", name)
			return i, &f
		}
		at = i
	}
	if at < 0 && brief {
		f := dataFault(unknownColumn, name, "the header lacks it too")
		return -1, &f
	}
	if at < 0 {
		f := dataFault(unknownColumn, name, "the header has no column %s (it has %s); put it into the export, or name the right one in the configuration",
			name, strings.Join(b.headers, ", "))
		return -1, &f
	}
	return at, nil
}

// clean takes blanks of every sort and a byte order mark from around a cell.
func clean(cell string) string { return strings.Trim(cell, " \t\r\n\u00a0\u202f\ufeff") }

// Record is one row, read.
type Record struct {
	Kind docklinev1.EventKind
	// Key is the source key. For RowAndOccurrence the occurrence is still missing from it.
	Key string
	// Revision is the source's revision of the key, empty where it has none.
	Revision string
	// Place says where the row stood, for people; the reader may set it.
	Place string
	// Line is the reader's number of the row.
	Line int
	// Deleted: the row says that it does not count any longer. Such a record has its key and no more: no event is made of it.
	Deleted bool

	values values
	sum    []byte // the content hash, once it was asked for
}

// Map reads a row. It returns all faults of the row at once. A row that the condition excludes gives neither a record nor a fault.
func (b *Binding) Map(cells []string) (*Record, []Fault) {
	if len(cells) < len(b.headers) {
		return nil, []Fault{dataFault("columns_missing", "", "the row has %d cells, its header %d; export the row again", len(cells), len(b.headers))}
	}
	m := b.mapping
	r, row := &Record{values: m.layout.fresh()}, &cellRow{binding: b, cells: cells}
	faults := b.readCells(r, cells)
	if key, fault := b.keyOf(cells); fault != nil {
		faults = append(faults, *fault)
	} else {
		r.Key = key
	}
	if b.revision >= 0 {
		if r.Revision = clean(cells[b.revision]); r.Revision == "" {
			faults = append(faults, dataFault("revision_missing", m.spec.Revision, "the revision is empty; without it a correction cannot be told from its original"))
		}
	}
	if deleted, fault := b.isDeleted(r, row); fault != nil {
		faults = append(faults, *fault)
	} else if deleted && r.Key != "" {
		return &Record{Key: r.Key, Revision: r.Revision, Deleted: true}, nil // what else is wrong with it does not matter any longer
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if m.spec.Key.byRow() {
		r.Key = sourceKey(m.stream, "row", hex.EncodeToString(r.hash()[:16]))
	}
	skip, fault := b.decide(r, row)
	if fault != nil {
		return nil, []Fault{*fault}
	}
	if skip {
		return nil, nil
	}
	if faults := b.checkNeeds(r); len(faults) > 0 {
		return nil, faults
	}
	return r, nil
}

func (b *Binding) readCells(r *Record, cells []string) (faults []Fault) {
	for i, col := range b.mapping.columns {
		cell := clean(cells[b.columns[i][0]])
		for _, at := range b.columns[i][1:] {
			switch other := clean(cells[at]); {
			case cell == "":
				cell = other
			case other != "":
				cell += " " + other
			}
		}
		if len(col.words) > 0 {
			if word, ok := col.words[strings.ToLower(cell)]; ok {
				cell = word
			}
		}
		if cell == "" {
			if col.required {
				faults = append(faults, dataFault("field_missing", col.header, "the cell is empty, but the configuration requires it"))
			}
			continue
		}
		for n, f := range col.fields {
			v, err := read(cell, f, col.number, col.dates)
			if err != nil {
				faults = append(faults, dataFault(codeOf(f.typ), col.header, "%q cannot be read as %s: %v", short(cell), f.name, err))
				break
			}
			if f.typ == number && strings.HasPrefix(v.text, "-") && !b.mapping.signed && !slices.Contains(signed, f.name) {
				faults = append(faults, negative(cell, f.name, col.header))
				break
			}
			r.values.set(col.at[n], v)
		}
	}
	return faults
}

// signed are numbers that may be below zero whatever the kind: they are no quantities of goods.
var signed = []string{"unit_price", "variance_value", "tolerance"}

func negative(cell, name, header string) Fault {
	return dataFault("quantity_negative", header, "%s is negative; a reversal is not a %s of its own: correct the row in the source", short(cell), name)
}

func codeOf(t valueType) string {
	switch t {
	case number:
		return "number_format"
	case moment:
		return "date_format"
	case whole:
		return "whole_number_format"
	case flag:
		return "flag_format"
	default:
		return "text_format"
	}
}

// short keeps a message readable.
func short(cell string) string {
	if runes := []rune(cell); len(runes) > 60 {
		return string(runes[:60]) + "..."
	}
	return cell
}

// read turns a cell that is not empty into a value.
func read(cell string, f field, n Number, dates moments) (value, error) {
	switch f.typ {
	case number:
		text, err := n.Parse(cell)
		return value{text: text}, err
	case moment:
		t, err := dates.Parse(cell)
		return value{text: t.Format(time.RFC3339Nano), time: t}, err
	case whole:
		u, err := strconv.ParseUint(cell, 10, 63)
		if err != nil {
			return value{}, fmt.Errorf("it is no whole number from 0")
		}
		return value{text: strconv.FormatUint(u, 10)}, nil
	case flag:
		word, ok := flagWords[strings.ToLower(cell)]
		if !ok {
			return value{}, fmt.Errorf("it is neither yes nor no")
		}
		return value{text: word}, nil
	case list:
		parts := splitList(cell)
		return value{text: strings.Join(parts, ","), list: parts}, nil
	default:
		return value{text: cell}, nil
	}
}

// Key gives the source key of a row as far as its key cells can be read: a row that is broken otherwise may still say which
// group it belongs to.
func (b *Binding) Key(cells []string) (string, bool) {
	if b.mapping.spec.Key.byRow() {
		return "", false
	}
	for _, at := range b.key {
		if at >= len(cells) {
			return "", false
		}
	}
	key, fault := b.keyOf(cells)
	return key, fault == nil
}

func (b *Binding) keyOf(cells []string) (string, *Fault) {
	if b.mapping.spec.Key.byRow() {
		return "", nil
	}
	parts, empty := []string{b.mapping.stream}, true
	for _, at := range b.key {
		part := clean(cells[at])
		empty = empty && part == ""
		parts = append(parts, part)
	}
	column := strings.Join(b.mapping.spec.Key, ", ")
	if empty {
		f := dataFault("key_missing", column, "the key is empty; without it the row cannot be told from another")
		return "", &f
	}
	key := sourceKey(parts...)
	if len(key) > event.MaxSourceKeyBytes {
		f := dataFault("key_too_long", column, "the key has %d bytes, %d are allowed", len(key), event.MaxSourceKeyBytes)
		return "", &f
	}
	return key, nil
}

// sourceKey joins parts so that no two lists of them give the same key.
func sourceKey(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = url.PathEscape(p)
	}
	return strings.Join(escaped, "/")
}

// cellRow is a row as expressions see it.
type cellRow struct {
	binding *Binding
	cells   []string
}

// byHeader gives the cells by header: those that are asked for, or all. It is called where an expression asks for any: most ask for fields alone.
func (r *cellRow) byHeader(only []string) map[string]string {
	row := make(map[string]string, len(only))
	for i, h := range r.binding.headers {
		if only == nil || slices.Contains(only, h) {
			row[h] = clean(r.cells[i])
		}
	}
	return row
}

// isDeleted asks whether the row still counts.
func (b *Binding) isDeleted(r *Record, row *cellRow) (bool, *Fault) {
	if b.mapping.deleted == nil {
		return false, nil
	}
	yes, err := b.mapping.deleted.eval(r.values, row.byHeader)
	if err != nil {
		f := dataFault("condition", "", "the condition deleted cannot be computed for this row: %v", err)
		return false, &f
	}
	return yes == true, nil
}

// decide asks the condition and the kind.
func (b *Binding) decide(r *Record, row *cellRow) (skip bool, fault *Fault) {
	m := b.mapping
	r.Kind = m.kind
	if m.when == nil && m.kindOf == nil {
		return false, nil
	}
	if m.when != nil {
		yes, err := m.when.eval(r.values, row.byHeader)
		if err != nil {
			f := dataFault("condition", "", "the condition when cannot be computed for this row: %v", err)
			return false, &f
		}
		if yes != true {
			return true, nil
		}
	}
	if m.kindOf == nil {
		return false, nil
	}
	name, err := m.kindOf.eval(r.values, row.byHeader)
	if err != nil {
		f := dataFault("kind_unknown", "", "the kind cannot be computed for this row: %v", err)
		return false, &f
	}
	kind, ok := event.ParseKind(fmt.Sprint(name))
	switch {
	case !ok:
		f := dataFault("kind_unknown", "", "the kind would be %q, which is none: let the expression for kind in the configuration translate the source's own word into a kind, or correct the word", name)
		return false, &f
	case plans[kind] == nil:
		f := dataFault("kind_unknown", "", "the kind would be %q, which no mapping can give; choose another in the expression for kind in the configuration", name)
		return false, &f
	}
	r.Kind = kind
	return false, nil
}

// checkNeeds names every field that the kind needs and the row leaves empty.
func (b *Binding) checkNeeds(r *Record) (faults []Fault) {
	for _, names := range plans[r.Kind].anyOf {
		if slices.ContainsFunc(names, func(n string) bool { return r.values.text(n) != "" }) {
			continue
		}
		var columns []string
		for _, col := range b.mapping.columns {
			if slices.ContainsFunc(col.fields, func(f field) bool { return slices.Contains(names, f.name) }) {
				columns = append(columns, col.header)
			}
		}
		faults = append(faults, dataFault("field_missing", strings.Join(columns, " or "), "%s is empty, but %s needs it", strings.Join(names, " or "), event.KindName(r.Kind)))
	}
	return faults
}
