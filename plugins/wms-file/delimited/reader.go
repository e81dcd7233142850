package delimited

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Row is one row of the file.
type Row struct {
	// Line is the number of its first line, from 1.
	Line int
	// Cells are its cells, decoded. Where there is a fault they are what could be read.
	Cells []string
	// Raw are its bytes as they stand in the file, without the line end.
	Raw []byte
	// Ended says that a line end stands behind the row; the last row of a file may have none.
	Ended bool
	// Fault is nil for a good row.
	Fault *Fault
}

// Fault is what makes a row unreadable.
type Fault struct {
	// Code is "encoding", "quote" or "line_too_long".
	Code string
	// Cell is the number of the cell at fault, from 1.
	Cell int
	Text string
}

// MaxRowBytes bounds one row, so that a file without line ends does not fill the memory.
const MaxRowBytes = 1 << 20

// Reader reads rows, in the memory of a few.
type Reader struct {
	format   Format
	decode   decoder
	encoding string
	in       io.Reader
	// rest is what was read and not taken: more than a row can have, until the end of the file has come.
	rest  []byte
	ended bool
	err   error
	line  int
	width int // cells of the row before
}

// NewReader begins a file. The format must be without Faults.
func NewReader(in io.Reader, f Format) *Reader {
	r := &Reader{format: f, in: in, line: 1}
	r.fill()
	r.decode, r.rest, r.encoding = decoderOf(f.Encoding, r.rest)
	r.trim()
	return r
}

// Err is why the file could not be read to its end; nil where it could.
func (r *Reader) Err() error { return r.err }

// fill reads until more than a row's bytes wait, or the file has ended.
func (r *Reader) fill() {
	if r.ended || len(r.rest) > MaxRowBytes {
		return
	}
	room := 4 * MaxRowBytes
	if known, ok := r.in.(interface{ Len() int }); ok {
		room = min(room, len(r.rest)+known.Len()+1)
	}
	rest := make([]byte, len(r.rest), room) // rows that were given away stand in the former one
	copy(rest, r.rest)
	r.rest = rest
	r.more()
}

// more reads until what waits has no more room, or the file has ended.
func (r *Reader) more() {
	rest := r.rest
	for !r.ended && len(rest) < cap(rest) {
		n, err := r.in.Read(rest[len(rest):cap(rest)])
		rest = rest[:len(rest)+n]
		if err != nil {
			r.ended = true
			if !errors.Is(err, io.EOF) {
				r.err = err
			}
		}
	}
	r.rest = rest
	r.trim()
}

// trim takes off the Ctrl-Z with which programs from DOS times end a file.
func (r *Reader) trim() {
	if n := len(r.rest); r.ended && n > 0 && r.rest[n-1] == 0x1a && r.encoding != "" && !strings.HasPrefix(r.encoding, "utf-16") {
		r.rest = r.rest[:n-1]
	}
}

// Encoding is the one that the file is read in: that of its byte order mark, or else of the format.
func (r *Reader) Encoding() string { return r.encoding }

// ascii says that the encoding's first half is ASCII.
func (r *Reader) ascii() bool { return !strings.HasPrefix(r.encoding, "utf-16") }

// ahead is what of the text a row may have, with its end: what is longer is too long, and need not be looked at.
func (r *Reader) ahead() []byte { return r.rest[:min(len(r.rest), MaxRowBytes+4)] }

// maxWidth is up to how many cells are made room for because the row before had them.
const maxWidth = 1 << 10

// Skip leaves out n lines, whatever they hold.
func (r *Reader) Skip(n int) {
	for range n {
		r.takeLine()
	}
}

// Next gives the next row; false at the end. Lines that hold nothing are passed over.
func (r *Reader) Next() (Row, bool) {
	for r.fill(); len(r.rest) > 0; r.fill() {
		row := r.next()
		if len(row.Cells) == 1 && strings.TrimSpace(row.Cells[0]) == "" && row.Fault == nil {
			continue
		}
		return row, true
	}
	return Row{}, false
}

// next tries to read one row. Where a quotation mark is wrong, the first line alone is at fault, and reading goes on behind it.
func (r *Reader) next() Row {
	s := scan{data: r.ahead(), decode: r.decode, delimiter: r.format.delimiter(), quote: r.format.quote(), multiline: r.format.Multiline, ascii: r.ascii(), cells: make([]string, 0, r.width)}
	s.row()
	r.width = min(len(s.cells), maxWidth)
	row := Row{Line: r.line, Cells: s.cells, Fault: s.fault}
	if s.end > MaxRowBytes && (s.fault == nil || s.fault.Code != codeQuote) {
		row.Cells, row.Fault = nil, &Fault{codeTooLong, 0, fmt.Sprintf("the line has more than %d MiB; is another sign the line end, or is it no text file?", MaxRowBytes>>20)}
		row.Raw, row.Ended = r.takeLine()
		return row
	}
	if s.fault != nil && s.fault.Code == codeQuote {
		row.Raw, row.Ended = r.takeLine()
		return row
	}
	row.Raw, row.Ended = r.rest[:s.end], s.at > s.end
	r.rest = r.rest[s.at:]
	r.line += s.lines
	if row.Fault == nil {
		row.Fault = r.wrongEncoding(row.Raw)
	}
	return row
}

// takeLine takes the next line without reading its cells.
func (r *Reader) takeLine() (raw []byte, ended bool) {
	r.fill()
	s := scan{data: r.ahead(), decode: r.decode, delimiter: none, quote: none, ascii: r.ascii()}
	s.row()
	raw, ended = r.rest[:s.end], s.at > s.end
	if s.end > MaxRowBytes {
		raw, ended = r.passOver()
	} else {
		r.rest = r.rest[s.at:]
	}
	r.line++
	return raw, ended
}

// maxRawBytes is how much is kept of a line that is too long.
const maxRawBytes = 64 << 10

// passOver goes to the end of a line that is longer than what waits, and keeps its beginning.
func (r *Reader) passOver() (raw []byte, ended bool) {
	raw = bytes.Clone(r.rest[:min(len(r.rest), maxRawBytes)])
	for len(r.rest) > 0 {
		if at := bytes.IndexByte(r.rest, '\n'); at >= 0 {
			size := 1
			if strings.HasSuffix(r.encoding, "le") {
				size = 2 // the zero byte behind
			}
			r.rest = r.rest[min(at+size, len(r.rest)):]
			return raw, true
		}
		if r.rest = r.rest[:0]; !r.ended {
			r.more() // over what is passed: nobody was given it
		}
	}
	return raw, false
}

// wrongEncoding finds text that was read without a fault and is nevertheless wrong.
func (r *Reader) wrongEncoding(raw []byte) *Fault {
	if _, oneByte := tables[r.encoding]; oneByte && looksUTF8(raw) {
		return &Fault{codeEncoding, 0, fmt.Sprintf("the line is written in UTF-8, but encoding is set to %s; correct one of the two", r.encoding)}
	}
	return nil
}

const (
	codeEncoding = "encoding"
	codeQuote    = "quote"
	codeTooLong  = "line_too_long"
)

// scan is the reading of one row.
type scan struct {
	data             []byte
	decode           decoder
	delimiter, quote rune
	multiline        bool
	// ascii: a byte below 0x80 is the character of that number, whatever stands around it.
	ascii bool

	at    int // behind the row and its line end
	end   int // behind the row, before its line end
	lines int
	cells []string
	fault *Fault
	cell  strings.Builder
}

// peek gives the character at the place in hand; none at the end of the data.
func (s *scan) peek() (r rune, size int) {
	if s.at >= len(s.data) {
		return none, 0
	}
	r, size, ok := s.decode(s.data[s.at:])
	if !ok {
		s.invalid(s.data[s.at : s.at+size])
		return utf8.RuneError, size
	}
	if r == 0 {
		s.invalid(s.data[s.at : s.at+size])
	}
	return r, size
}

func (s *scan) invalid(raw []byte) {
	if s.fault != nil {
		return
	}
	text := fmt.Sprintf("byte 0x%x is no character of the encoding set; set the encoding that the source writes (often windows-1252)", raw)
	if len(raw) > 0 && raw[0] == 0 {
		text = "a zero byte stands here; is the file written in UTF-16? Then set encoding: utf-16"
	}
	s.fault = &Fault{codeEncoding, len(s.cells) + 1, text}
}

func (s *scan) row() {
	for more := true; more; {
		if r, size := s.peek(); r == s.quote && size > 0 {
			more = s.quoted(size)
		} else {
			more = s.plain()
		}
	}
}

func (s *scan) take() {
	s.cells = append(s.cells, s.cell.String())
	s.cell.Reset()
}

// plain reads a cell without quotation marks around it; those within it stand for themselves. It says whether another follows.
func (s *scan) plain() bool {
	if s.ascii {
		s.run()
	}
	for {
		r, size := s.peek()
		if r == s.delimiter && size > 0 {
			s.at += size
			s.take()
			return true
		}
		if s.lineEnd(r, size) {
			s.take()
			return false
		}
		s.cell.WriteRune(r)
		s.at += size
	}
}

// run takes characters of ASCII up to the end of the cell, or to another character: at once, since most cells have no others.
func (s *scan) run() {
	begin := s.at
	for s.at < len(s.data) {
		c := s.data[s.at]
		if c == '\n' || c == '\r' || c == 0 || c >= utf8.RuneSelf || rune(c) == s.delimiter {
			break
		}
		s.at++
	}
	s.cell.Write(s.data[begin:s.at])
}

// lineEnd takes a line end (CR LF, LF or CR) or the end of the data.
func (s *scan) lineEnd(r rune, size int) bool {
	if size > 0 && r != '\n' && r != '\r' {
		return false
	}
	s.end = s.at
	s.at += size
	if r == '\r' {
		if next, size := s.peek(); next == '\n' {
			s.at += size
		}
	}
	s.lines++
	return true
}

// quoted reads a cell within quotation marks, the first of which is size bytes long.
func (s *scan) quoted(size int) bool {
	s.at += size
	for {
		r, size := s.peek()
		switch {
		case size == 0 || (r == '\n' || r == '\r') && (!s.multiline || s.lines >= maxQuotedLines):
			return s.wrongQuote("a quotation mark is opened and not closed in this line")
		case r == '\n', r == '\r':
			s.lineEnd(r, size)
			s.cell.WriteByte('\n')
			continue
		case r != s.quote:
			s.cell.WriteRune(r)
			s.at += size
			continue
		}
		s.at += size
		next, nextSize := s.peek()
		switch {
		case nextSize > 0 && next == s.quote:
			s.cell.WriteRune(s.quote)
			s.at += nextSize
		case nextSize > 0 && next == s.delimiter:
			s.at += nextSize
			s.take()
			return true
		case s.lineEnd(next, nextSize):
			s.take()
			return false
		default:
			return s.wrongQuote("text stands behind a closing quotation mark")
		}
	}
}

// wrongQuote ends the row. Its fault goes before one of the encoding, because it decides where the row ends.
func (s *scan) wrongQuote(text string) bool {
	s.fault = &Fault{codeQuote, len(s.cells) + 1, text + "; a quotation mark that belongs to the text must be doubled"}
	s.take()
	return false
}
