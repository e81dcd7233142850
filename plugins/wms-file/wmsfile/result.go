package wmsfile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Result is what became of one file; it lies beside the file in the archive or the error folder.
type Result struct {
	File   string `json:"file"`
	Stream string `json:"stream"`
	// Sequence is the number of the file among all that this plugin has taken.
	Sequence uint64    `json:"sequence"`
	Modified time.Time `json:"modified"`
	TakenAt  time.Time `json:"taken_at"`
	SHA256   string    `json:"sha256"`
	Bytes    int64     `json:"bytes"`
	Encoding string    `json:"encoding,omitempty"`
	// Rows are the lines below the header; Events what they became; Skipped those that the condition leaves out; Refused those
	// with a fault, or that were held back with one.
	Rows    int `json:"rows"`
	Events  int `json:"events"`
	Skipped int `json:"skipped"`
	Refused int `json:"refused"`
	// Unread says that the file as a whole was not read; Faults has the reason.
	Unread bool `json:"unread,omitempty"`
	// Repeated names the file of the same content that was taken before; nothing was taken again.
	Repeated string      `json:"repeated,omitempty"`
	Faults   []LineFault `json:"faults,omitempty"`
	// MoreFaults counts those beyond the first maxNotes.
	MoreFaults int `json:"more_faults,omitempty"`

	// rejected are the lines refused, as they stood, behind the header; none where they are more than maxRejected.
	rejected []byte
	// broken is why the file could not be read to its end, nil where it could: nothing is known of it then.
	broken error
	// x12 is what an EDI file says that is no event.
	x12 exchange
}

// maxRejected is up to how many bytes the refused lines are put into a file of their own.
const maxRejected = 16 << 20

// LineFault is one fault in a person's words.
type LineFault struct {
	Line   int    `json:"line,omitempty"`
	Column string `json:"column,omitempty"`
	Code   string `json:"code"`
	Text   string `json:"text"`
}

// maxNotes is how many faults of one file are written down; all of them are events.
const maxNotes = 200

func (r *Result) note(f LineFault) {
	if len(r.Faults) < maxNotes {
		r.Faults = append(r.Faults, f)
		return
	}
	r.MoreFaults++
}

// bad says that the file belongs into the error folder.
func (r *Result) bad() bool { return r.Unread || r.Refused > 0 || len(r.Faults) > 0 }

// place names a line of a file, or of one that has none what it has instead, and a column where there is one.
func (s *stream) place(file string, line int, column string) string {
	out := file
	if line > 0 {
		out += " " + s.unit() + " " + strconv.Itoa(line)
	}
	if column != "" {
		out += ", column " + column
	}
	return out
}

// unit is what the numbers of a file's places count.
func (s *stream) unit() string {
	switch s.Form {
	case formX12:
		return "segment"
	case formJSON, formXML:
		return "record"
	}
	return "line"
}

// many is what a file has many of.
func (s *stream) many() string {
	switch s.Form {
	case formX12:
		return "sets"
	case formJSON, formXML:
		return "records"
	}
	return "lines"
}

// words is the text for the person who finds the file in the error folder.
func (r *Result) words(s *stream, rejected string) string {
	outbound, pattern := s.outbound, s.Pattern
	var b strings.Builder
	switch {
	case r.Unread:
		fmt.Fprintf(&b, "%s was not read: no event was taken from it.\n\n", r.File)
	case r.Refused == 0:
		fmt.Fprintf(&b, "%s was read, but something is wrong with it. %d events were taken and stay taken.\n\n", r.File, r.Events)
	default:
		fmt.Fprintf(&b, "%s: %d of %d %s were refused. The others gave %d events, which stay taken.\n\n", r.File, r.Refused, r.Rows, s.many(), r.Events)
	}
	for _, f := range r.Faults {
		where := s.place("", f.Line, f.Column)
		if where = strings.TrimPrefix(strings.TrimSpace(where), ", "); where != "" {
			where += ": "
		}
		fmt.Fprintf(&b, "  %s%s\n", where, f.Text)
	}
	if r.MoreFaults > 0 {
		fmt.Fprintf(&b, "  ... and %d more\n", r.MoreFaults)
	}
	b.WriteString("\nWhat to do:\n")
	if rejected != "" {
		fmt.Fprintf(&b, "- Correct the lines in %s, which holds only those refused, and move it into %s\n  (under a name that fits %s). Or correct the source and export again.\n", rejected, outbound, pattern)
	} else {
		fmt.Fprintf(&b, "- Correct the export, or the plugin's configuration where that is wrong, and move the file back into %s.\n", outbound)
	}
	fmt.Fprintf(&b, "- %s that were taken already are not counted twice, so a whole file may be given again.\n", strings.ToUpper(s.many()[:1])+s.many()[1:])
	b.WriteString("- Then delete what lies here under this file's name.\n")
	return b.String()
}
