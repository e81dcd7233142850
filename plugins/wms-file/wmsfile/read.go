package wmsfile

import (
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/wms-file/delimited"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// read gives the events of a file, dead letters among them, always in the same order for the same content; res is filled on the
// way. It changes nothing.
func (s *stream) read(c content, res *Result) iter.Seq[*docklinev1.Event] {
	*res = Result{File: c.name, Stream: s.Name, Modified: c.stamp, SHA256: c.hash, Bytes: c.size}
	return func(yield func(*docklinev1.Event) bool) {
		p := &pass{stream: s, content: c, result: res, seen: map[string]int{}, refused: map[[16]byte]int{}, yield: yield}
		defer p.shut()
		if s.Form == formX12 {
			p.interchanges()
			return
		}
		if faults := p.open(); len(faults) > 0 {
			p.refuseFile(faults)
			return
		}
		if res.broken != nil {
			return
		}
		if s.mapping.Grouped() {
			p.groups()
			return
		}
		p.rows()
	}
}

// events is read, or one refusal for a file beyond the limit, of which content holds only the name.
func (s *stream) events(c content, tooBig error, res *Result) iter.Seq[*docklinev1.Event] {
	if tooBig == nil {
		return s.read(c, res)
	}
	*res = Result{File: c.name, Stream: s.Name, Modified: c.stamp, SHA256: c.hash}
	return func(yield func(*docklinev1.Event) bool) {
		p := &pass{stream: s, content: c, result: res, yield: yield}
		p.refuseFile([]mapping.Fault{dataFault("file_too_big", "", fmt.Sprintf("the file has more than %d MB; split the export, or raise max_mb", s.maxBytes>>20))})
	}
}

// pass is one reading of one file.
type pass struct {
	*stream
	content content
	result  *Result
	reader  *delimited.Reader
	binding *mapping.Binding
	header  []string
	// head is what stands before the rows, as it is in the file.
	head []byte
	// seen counts equal rows by key, refused equal lines by their bytes.
	seen    map[string]int
	refused map[[16]byte]int
	closed  bool // the trailer has come
	in      io.ReadCloser
	yield   func(*docklinev1.Event) bool
	stopped bool // nobody wants more
}

// give hands an event on, and says whether more is wanted.
func (p *pass) give(e *docklinev1.Event) bool {
	p.stopped = p.stopped || !p.yield(e)
	return !p.stopped
}

// again counts how often something equal was refused before.
func (p *pass) again(raw []byte) int {
	var sum [16]byte
	whole := sha256.Sum256(raw)
	copy(sum[:], whole[:])
	p.refused[sum]++
	return p.refused[sum] - 1
}

// shut ends the look at the file, and says where it could not be read to its end.
func (p *pass) shut() {
	if p.reader != nil && p.reader.Err() != nil {
		p.result.broken = p.reader.Err()
	}
	if p.in != nil {
		_ = p.in.Close() // it was only read
	}
}

// open reads the header. Its faults are those of the whole file.
func (p *pass) open() []mapping.Fault {
	in, err := p.content.open()
	if err != nil {
		p.result.broken = err
		return nil
	}
	p.in = in
	if p.content.size == 0 {
		return []mapping.Fault{dataFault("file_empty", "", "the file is empty, without even a header; was the export cut off? Export it again")}
	}
	p.reader = delimited.NewReader(in, p.Format)
	p.result.Encoding = p.reader.Encoding()
	p.reader.Skip(p.SkipLines)
	p.header = p.Header
	if len(p.Header) == 0 {
		row, ok := p.reader.Next()
		switch {
		case !ok:
			return []mapping.Fault{dataFault("file_empty", "", "the file has no header line; export it again, or name the columns under header in the configuration")}
		case row.Fault != nil:
			return []mapping.Fault{dataFault(row.Fault.Code, "", fmt.Sprintf("the header in line %d cannot be read: %s", row.Line, row.Fault.Text))}
		}
		p.header, p.head = row.Cells, row.Raw
	}
	binding, faults := p.mapping.Bind(p.header)
	p.binding = binding
	if len(faults) > 0 && len(p.header) == 1 {
		faults = append(faults, dataFault("delimiter", "", "the header is one single column; is the delimiter another than the one configured?"))
	}
	return faults
}

func (p *pass) refuseFile(faults []mapping.Fault) {
	p.result.Unread = true
	for _, f := range faults {
		p.result.note(LineFault{Column: f.Column, Code: f.Code, Text: f.Text})
	}
	p.yield(p.deadLetter(p.content, refusal{raw: p.content.data, faults: faults}))
}

// line is one row with what it was read as: a record, faults, or neither where the condition leaves it out.
type line struct {
	delimited.Row
	record *mapping.Record
	faults []mapping.Fault
	// alone: no other line is of its key, in a file whose lines are told together by their key.
	alone bool
}

// next reads the next row; false at the end of the file.
func (p *pass) next() (line, bool) {
	row, ok := p.reader.Next()
	for ok && p.Trailer != "" && strings.HasPrefix(strings.Join(row.Cells, p.Separator()), p.Trailer) {
		p.closed = true
		row, ok = p.reader.Next()
	}
	if !ok {
		return line{}, false
	}
	p.result.Rows++
	out := line{Row: row}
	switch f := p.rowFault(row); {
	case f != nil:
		out.faults = []mapping.Fault{*f}
	default:
		out.record, out.faults = p.binding.Map(row.Cells)
	}
	if out.record != nil {
		out.record.Line, out.record.Place = row.Line, p.place(p.content.name, row.Line, "")
	}
	if out.record == nil && len(out.faults) == 0 {
		p.result.Skipped++
	}
	return out, true
}

// rowFault is what is wrong with a row before its cells are looked at.
func (p *pass) rowFault(row delimited.Row) *mapping.Fault {
	var f mapping.Fault
	cells := len(row.Cells)
	switch {
	case row.Fault != nil:
		f = dataFault(row.Fault.Code, p.columnName(row.Fault.Cell), row.Fault.Text)
	case !row.Ended && p.FinalNewline:
		f = dataFault("truncated", "", "the file ends within this line; it was cut off, or is still being written")
	case cells < len(p.header) && !row.Ended:
		f = dataFault("truncated", "", fmt.Sprintf("the file ends within this line, which has %d cells where the header has %d; it was cut off", cells, len(p.header)))
	case cells < len(p.header):
		f = dataFault("columns_missing", "", fmt.Sprintf("the line has %d cells, the header %d", cells, len(p.header)))
	case strings.Join(row.Cells[min(cells, len(p.header)):], "") != "":
		f = dataFault("columns_extra", "", fmt.Sprintf("the line has %d cells, the header %d; a text that holds the delimiter must stand in quotation marks", cells, len(p.header)))
	default:
		return nil
	}
	return &f
}

func (p *pass) columnName(cell int) string {
	if cell < 1 || cell > len(p.header) {
		return ""
	}
	return strings.TrimSpace(p.header[cell-1])
}

// rows gives one event a row.
func (p *pass) rows() {
	for l, ok := p.next(); ok; l, ok = p.next() {
		switch {
		case len(l.faults) > 0:
			ok = p.refuse(l)
		case l.record != nil:
			ok = p.tell([]line{l})
		}
		if !ok {
			return
		}
	}
	p.close()
}

// close looks whether the file was whole.
func (p *pass) close() {
	if len(p.result.rejected) >= maxRejected {
		p.result.rejected = nil // a part of them would be taken for all
	}
	if p.Trailer == "" {
		return
	}
	if p.result.rejected != nil {
		end, _, _ := delimited.Encode(p.result.Encoding, p.Trailer)
		p.result.rejected = append(append(p.result.rejected, end...), p.lineEnd()...)
	}
	if p.closed {
		return
	}
	f := p.missingTrailer()
	p.result.note(LineFault{Code: f.Code, Text: f.Text})
	p.yield(p.deadLetter(p.content, refusal{raw: p.content.data, faults: []mapping.Fault{f}}))
}

func (p *pass) missingTrailer() mapping.Fault {
	return dataFault("truncated", "", fmt.Sprintf("the closing line that begins with %q is missing: the file was cut off, and lines may be missing; export it again", p.Trailer))
}

// tell makes one event of lines, or refuses them all. It says whether more is wanted.
func (p *pass) tell(lines []line) bool {
	records := make([]*mapping.Record, len(lines))
	for i, l := range lines {
		records[i] = l.record
	}
	occurrence := 0
	if p.mapping.ByRow() {
		occurrence = p.seen[records[0].Key]
		p.seen[records[0].Key]++
	}
	e, faults := p.mapping.Event(occurrence, records...)
	if len(faults) == 0 {
		p.result.Events++
		return p.yield(e)
	}
	for _, l := range lines {
		l.faults, l.alone = faults, len(lines) == 1
		if !p.refuse(l) {
			return false
		}
	}
	return true
}

// refuse makes a dead letter of a line.
func (p *pass) refuse(l line) bool {
	p.result.Refused++
	for _, f := range l.faults {
		p.result.note(LineFault{l.Line, f.Column, f.Code, f.Text})
	}
	if p.result.rejected == nil {
		p.result.rejected = p.rejectedHead()
	}
	if len(p.result.rejected) < maxRejected {
		p.result.rejected = append(append(p.result.rejected, l.Raw...), p.lineEnd()...)
	}
	r := refusal{line: l.Line, raw: l.Raw, occurrence: p.again(l.Raw), faults: l.faults}
	if p.rowFault(l.Row) == nil && (l.alone || !p.mapping.Grouped()) {
		r.partial = p.binding.Partial(l.Cells)
	}
	return p.yield(p.deadLetter(p.content, r))
}

// rejectedHead begins the file of refused lines so that it can be given again as it is.
func (p *pass) rejectedHead() []byte {
	head := []byte{}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(string(p.content.data), mark) {
			head = append(head, mark...)
			break
		}
	}
	for range p.SkipLines {
		head = append(head, p.lineEnd()...)
	}
	if len(p.Header) == 0 {
		head = append(append(head, p.head...), p.lineEnd()...)
	}
	return head
}

func (p *pass) lineEnd() []byte {
	end, _, _ := delimited.Encode(p.result.Encoding, "\r\n")
	return end
}
