// Package structured reads records of JSON, JSON lines and XML as rows of cells, one record at a time: a file of any size takes the memory of its largest record.
package structured

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// MaxRecordBytes bounds one record, so that a file without an end to its first does not fill the memory.
const MaxRecordBytes = 4 << 20

// maxDepth bounds how deep values lie within each other.
const maxDepth = 200

// Format says where the records are.
type Format struct {
	// Record is the path to the records from the root: data.shipments, Shipments/Shipment. Empty: the root is a record, or a list of them. Lists on the way are gone
	// through.
	Record string `yaml:"record"`
	// Lines is the path, within a record, to what it has several of: each gives a row. Empty: a record is a row.
	Lines string `yaml:"lines"`
}

// Reader gives rows. Cells stand in the order of the header that it was made with.
type Reader struct {
	format   Format
	header   [][]string
	lines    []string
	encoding string
	next     func() (delimited.Row, bool)
	stop     func()
	err      error
	number   int
	found    bool
}

// NewReader begins a file in one of the forms json, jsonl and xml; header are the columns that are wanted, as paths within a record: order.number, lines.0.sku,
// Header/OrderNo, Line/@no.
func NewReader(in io.Reader, form string, f Format, header []string) *Reader {
	r := &Reader{format: f, lines: pathOf(f.Lines), encoding: "utf-8"}
	for _, name := range header {
		r.header = append(r.header, pathOf(name))
	}
	var records func(yield func(delimited.Row, any) bool)
	switch form {
	case "jsonl":
		records = r.jsonLines(in)
	case "xml":
		records = r.xml(in)
	default:
		records = r.json(in)
	}
	r.next, r.stop = iter.Pull(func(yield func(delimited.Row) bool) {
		records(func(row delimited.Row, record any) bool {
			r.found = true
			r.number++
			if row.Fault != nil {
				return yield(row)
			}
			for _, line := range r.explode(record) {
				row.Cells = r.cells(record, line)
				if !yield(row) {
					return false
				}
			}
			return true
		})
	})
	return r
}

// Next gives the next row; false at the end.
func (r *Reader) Next() (delimited.Row, bool) { return r.next() }

// Err is why the file could not be read to its end; nil where it could.
func (r *Reader) Err() error { return r.err }

// Encoding is the one that the file is read in.
func (r *Reader) Encoding() string { return r.encoding }

// Record is the number of the record that the last row is of, from 1.
func (r *Reader) Record() int { return r.number }

// Found says whether there is anything where the records should be, if an empty list.
func (r *Reader) Found() bool { return r.found }

// Close ends the reading.
func (r *Reader) Close() { r.stop() }

func pathOf(name string) []string {
	return strings.FieldsFunc(name, func(c rune) bool { return c == '.' || c == '/' })
}

// explode gives what a record has several of, or nil once where it is a row by itself. A record with none of them is a row too: its missing fields are told.
func (r *Reader) explode(record any) []any {
	if len(r.lines) == 0 {
		return []any{nil}
	}
	var out []any
	for _, v := range reach(record, r.lines) {
		if list, ok := v.([]any); ok {
			out = append(out, list...)
		} else if v != nil && v != "" {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return []any{nil}
	}
	return out
}

func (r *Reader) cells(record, line any) []string {
	cells := make([]string, len(r.header))
	for i, path := range r.header {
		if n := len(r.lines); n > 0 && len(path) >= n && slices.Equal(path[:n], r.lines) {
			if line != nil {
				cells[i] = text(reach(line, path[n:]))
			}
			continue
		}
		cells[i] = text(reach(record, path))
	}
	return cells
}

// reach follows a path; lists on the way are gone through, unless the path names one of their places.
func reach(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		// A name may hold dots itself.
		for n := len(path); n > 0; n-- {
			if member, ok := v[strings.Join(path[:n], ".")]; ok {
				return reach(member, path[n:])
			}
		}
	case []any:
		if at, err := strconv.Atoi(path[0]); err == nil {
			if at < len(v) && at >= 0 {
				return reach(v[at], path[1:])
			}
			return nil
		}
		var out []any
		for _, each := range v {
			out = append(out, reach(each, path)...)
		}
		return out
	}
	return nil
}

// text is a value as a cell; several are a list.
func text(values []any) string {
	var parts []string
	for _, v := range values {
		switch v := v.(type) {
		case nil:
		case string:
			if v != "" {
				parts = append(parts, v)
			}
		case []any:
			if each := text(v); each != "" {
				parts = append(parts, each)
			}
		case map[string]any:
			if inner, ok := v["#text"]; ok {
				parts = append(parts, text([]any{inner}))
			}
		default:
			parts = append(parts, fmt.Sprint(v))
		}
	}
	return strings.Join(parts, ",")
}

// errTooLong ends a record that is beyond MaxRecordBytes.
var errTooLong = errors.New("record too long")

// guard bounds how far is read beyond a mark.
type guard struct {
	in         io.Reader
	read, mark int64
}

func (g *guard) Read(p []byte) (int, error) {
	if g.read-g.mark > MaxRecordBytes {
		return 0, errTooLong
	}
	if left := MaxRecordBytes - (g.read - g.mark) + 1; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := g.in.Read(p)
	g.read += int64(n)
	return n, err
}

// broken is the row that stands for what cannot be read: of this form nothing behind it can.
func (r *Reader) broken(err error, at int64, form string) delimited.Row {
	code, words := form+"_syntax", fmt.Sprintf("from byte %d on the file is no %s (%v)", at, strings.ToUpper(form), err)
	switch {
	case errors.Is(err, errTooLong):
		code, words = "record_too_long", fmt.Sprintf("the record that begins near byte %d has more than %d MiB; is the path to the records right?", at, MaxRecordBytes>>20)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		code, words = "truncated", fmt.Sprintf("the file ends at byte %d in the middle of a record: it was cut off, and records may be missing", at)
	}
	return delimited.Row{Line: r.number + 1, Ended: true, Raw: fmt.Appendf(nil, "%s at byte %d", code, at), Fault: &delimited.Fault{Code: code, Text: words + "; export it again. What stood before it was taken"}}
}
