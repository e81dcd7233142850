package structured

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// json walks to the records, and reads each whole.
func (r *Reader) json(in io.Reader) func(yield func(delimited.Row, any) bool) {
	return func(yield func(delimited.Row, any) bool) {
		w := &jsonWalk{reader: r, yield: yield, guard: &guard{in: skipMark(in)}}
		w.dec = json.NewDecoder(w.guard)
		w.dec.UseNumber()
		err := w.value(pathOf(r.format.Record), 0)
		if err == nil {
			if _, more := w.dec.Token(); !errors.Is(more, io.EOF) {
				err = fmt.Errorf("something stands behind its end: one document a file; is it JSON lines? Then set form: jsonl")
			}
		}
		if err != nil && !errors.Is(err, errStopped) {
			if reason := ioError(err); reason != nil {
				r.err = reason
				return
			}
			yield(r.broken(err, w.dec.InputOffset(), "json"), nil)
		}
	}
}

var errStopped = errors.New("no more is wanted")

// ioError tells a disk or line that failed from a text that is wrong.
func ioError(err error) error {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	var worded *wording
	if errors.As(err, &syntax) || errors.As(err, &typed) || errors.As(err, &worded) || errors.Is(err, errTooLong) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	var plain interface{ Timeout() bool }
	if errors.As(err, &plain) {
		return err
	}
	return nil
}

// wording is what is wrong with a text, in our words.
type wording struct{ text string }

func (w *wording) Error() string { return w.text }

type jsonWalk struct {
	reader *Reader
	dec    *json.Decoder
	guard  *guard
	yield  func(delimited.Row, any) bool
}

// value reads the value that comes next, on the way to the records along a path; an empty path is there.
func (w *jsonWalk) value(path []string, depth int) error {
	if depth > maxDepth {
		return &wording{fmt.Sprintf("values lie more than %d deep within each other", maxDepth)}
	}
	w.guard.mark = w.dec.InputOffset()
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		w.reader.found = w.reader.found || len(path) == 0
		for w.dec.More() {
			if err := w.value(path, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		if len(path) == 0 {
			return w.record()
		}
		for w.dec.More() {
			key, err := w.dec.Token()
			if err != nil {
				return err
			}
			if key != path[0] {
				if err := w.skip(depth + 1); err != nil {
					return err
				}
				continue
			}
			if err := w.value(path[1:], depth+1); err != nil {
				return err
			}
		}
	default:
		if len(path) > 0 || token == nil {
			return nil // what lies at the end of the path is nothing
		}
		return &wording{fmt.Sprintf("a record is a text or number (%v) where an object with fields is wanted", token)}
	}
	_, err = w.dec.Token()
	return err
}

// skip passes over a value without keeping it.
func (w *jsonWalk) skip(depth int) error {
	for open := 0; ; {
		w.guard.mark = w.dec.InputOffset()
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			if open++; open+depth > maxDepth {
				return &wording{fmt.Sprintf("values lie more than %d deep within each other", maxDepth)}
			}
		case json.Delim(']'), json.Delim('}'):
			open--
		}
		if open == 0 {
			return nil
		}
	}
}

// record reads the object whose beginning was read.
func (w *jsonWalk) record() error {
	record := map[string]any{}
	for w.dec.More() {
		key, err := w.dec.Token()
		if err != nil {
			return err
		}
		var v any
		if err := w.dec.Decode(&v); err != nil {
			return err
		}
		if name, ok := key.(string); ok {
			record[name] = v
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return err
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if !w.yield(delimited.Row{Line: w.reader.number + 1, Raw: raw, Ended: true}, record) {
		return errStopped
	}
	return nil
}

// skipMark takes a byte-order mark off.
func skipMark(in io.Reader) io.Reader {
	b := bufio.NewReader(in)
	if head, _ := b.Peek(3); string(head) == "\xef\xbb\xbf" {
		_, _ = b.Discard(3)
	}
	return b
}

// jsonLines reads one document a line: what is wrong with one ends with its line.
func (r *Reader) jsonLines(in io.Reader) func(yield func(delimited.Row, any) bool) {
	return func(yield func(delimited.Row, any) bool) {
		b := bufio.NewReaderSize(skipMark(in), 64<<10)
		r.found = true
		for line := 1; ; line++ {
			raw, long, err := readLine(b)
			ended := err == nil
			if err != nil && !errors.Is(err, io.EOF) {
				r.err = err
				return
			}
			row := delimited.Row{Line: line, Raw: bytes.TrimRight(raw, "\r\n"), Ended: ended}
			if text := bytes.TrimSpace(row.Raw); len(text) > 0 {
				record, fault := parseLine(text, long)
				row.Fault = fault
				if row.Ended = true; !yield(row, record) {
					return
				}
			}
			if !ended {
				return
			}
		}
	}
}

// readLine reads one line; of one that is too long it keeps the beginning.
func readLine(b *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := b.ReadSlice('\n')
		if len(line)+len(part) <= MaxRecordBytes {
			line = append(line, part...)
		} else if !long {
			long, line = true, line[:min(len(line), 64<<10)]
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

func parseLine(text []byte, long bool) (any, *delimited.Fault) {
	if long {
		return nil, &delimited.Fault{Code: "record_too_long", Text: fmt.Sprintf("the line has more than %d MiB; is it JSON without lines? Then set form: json", MaxRecordBytes>>20)}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	if _, object := v.(map[string]any); err == nil && !object {
		err = fmt.Errorf("an object with fields is wanted")
	}
	if err == nil && dec.InputOffset() != int64(len(text)) {
		err = fmt.Errorf("something stands behind the object")
	}
	if err != nil {
		return nil, &delimited.Fault{Code: "json_syntax", Text: fmt.Sprintf("the line is no JSON object (%v)", err)}
	}
	return v, nil
}
