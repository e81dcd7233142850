// Package x12 reads and writes ANSI X12 interchanges: the envelope (ISA, GS, ST and their trailers), segments and elements, and functional
// acknowledgements (997, and 999 for reading; TA1). It knows no transaction set besides these: what a 945 means is its reader's to say.
//
// Reading is by transaction set, in bounded memory. Whether an envelope closes with the numbers and counts that it says is known only at its end, so
// a reader who must not take half of anything goes twice over the text: Check says what of it may be taken, Sets gives it.
package x12

import (
	"fmt"
	"strings"
)

// Limits that keep a damaged or hostile text from filling the memory.
const (
	// MaxSegmentBytes bounds one segment.
	MaxSegmentBytes = 64 << 10
	// MaxSetBytes bounds one transaction set.
	MaxSetBytes = 8 << 20
	// MaxGroups bounds the groups of one text: each is answered by itself.
	MaxGroups = 10_000
)

// Fault says what is wrong and where: the segment by its number in the text from 1, and the element, as "AT701".
type Fault struct {
	Segment int    `json:"segment,omitempty"`
	Element string `json:"element"`
	Text    string `json:"text"`
	// Code is what an acknowledgement says of it: of a set (X12 data element 718) or of a group (716). 0 stands for any.
	Code int `json:"-"`
	// Report is what a TA1 says of an interchange that cannot be taken for it (X12 data element I18); 0 stands for any.
	Report int `json:"-"`
}

// Error is one sentence.
func (f *Fault) Error() string {
	if f.Segment == 0 {
		return f.Element + ": " + f.Text
	}
	return fmt.Sprintf("segment %d, %s: %s", f.Segment, f.Element, f.Text)
}

// coded gives a fault the code of an acknowledgement.
func (f *Fault) coded(code int) *Fault {
	f.Code = code
	return f
}

// reported gives a fault the code of a TA1.
func (f *Fault) reported(code int) *Fault {
	f.Report = code
	return f
}

// Separators are the characters that an interchange is written with. Its ISA names them.
type Separators struct {
	Element, Component byte
	// Repetition is 0 where the version has none (before 00402 ISA11 says something else).
	Repetition byte
	// Segment ends a segment; line ends around it are nobody's fault.
	Segment byte
}

// Segment is one segment. At is its number in the text from 1, Elements[0] its name.
type Segment struct {
	At       int
	Elements []string
}

// Name is empty for a segment that is not there.
func (s Segment) Name() string {
	if len(s.Elements) == 0 {
		return ""
	}
	return s.Elements[0]
}

// Element is one of its elements, from 1, without blanks around it; "" where it has none.
func (s Segment) Element(n int) string {
	if n < 1 || n >= len(s.Elements) {
		return ""
	}
	return strings.TrimSpace(s.Elements[n])
}

// Fault is what is wrong with its element n, or with all of it for 0.
func (s Segment) Fault(n int, format string, args ...any) *Fault {
	element := s.Name()
	if len(element) > 3 || strings.ContainsFunc(element, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') }) {
		element = "segment" // what stands there is no name
	}
	if n > 0 {
		element += fmt.Sprintf("%02d", n)
	}
	return &Fault{Segment: s.At, Element: element, Text: fmt.Sprintf(format, args...)}
}

// Text is the segment as people read it.
func (s Segment) Text() string { return strings.Join(s.Elements, "*") }

// Set is one transaction set with the envelopes around it. Fault is why it cannot be taken, nil where nothing is wrong with it.
type Set struct {
	Separators  Separators
	ISA, GS, ST Segment
	// Body are the segments between ST and SE; none of a set whose fault lies around it.
	Body  []Segment
	Fault *Fault
	// Group counts the groups of the text up to this one, from 0.
	Group int
}

// ID is what sort of set it is: "945".
func (s *Set) ID() string { return s.ST.Element(1) }

// Text is a set as people read it, a segment a line.
func (s *Set) Text() string {
	lines := []string{s.ST.Text()}
	for _, each := range s.Body {
		lines = append(lines, each.Text())
	}
	return strings.Join(lines, "\n")
}
