package x12

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// segments reads segment by segment, over one interchange after the other.
type segments struct {
	in         *bufio.Reader
	separators Separators
	at         int
	// open: the separators of an interchange are known, and its end has not come.
	open bool
	// inside: what was read last, or is wrong, belongs to an interchange that was open; else it is an interchange's beginning.
	inside bool
}

func newSegments(r io.Reader) *segments {
	return &segments{in: bufio.NewReaderSize(r, MaxSegmentBytes)}
}

// next gives the next segment, io.EOF at the end, or a *Fault behind which nothing of this interchange can be read.
func (s *segments) next() (Segment, error) {
	if s.inside = s.open; !s.open {
		return s.header()
	}
	for {
		if err := s.begin(); err != nil {
			return Segment{}, err
		}
		if head, _ := s.in.Peek(4); string(head) == "ISA"+string(rune(s.separators.Element)) {
			s.open = false
			return Segment{}, (Segment{s.at + 1, []string{"ISA"}}).Fault(0, "begins before the interchange has ended: IEA is missing")
		}
		raw, err := s.until(s.separators.Segment)
		if err != nil {
			return Segment{}, err
		}
		if raw == "" {
			continue
		}
		s.at++
		out := Segment{s.at, strings.Split(raw, string(rune(s.separators.Element)))}
		if out.Name() == "IEA" {
			s.open = false
		}
		return out, nil
	}
}

// until reads up to a separator, without blanks and line ends around; "" for a segment that holds nothing.
func (s *segments) until(end byte) (string, error) {
	raw, err := s.in.ReadSlice(end)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		s.at++
		return "", &Fault{Segment: s.at, Element: "segment", Text: "has more than 64 KiB: is the segment's end another than the one behind ISA16?"}
	case errors.Is(err, io.EOF):
		text := clean(raw)
		if text == "" {
			return "", io.EOF
		}
		return text, nil
	case err != nil:
		return "", err
	}
	return clean(raw[:len(raw)-1]), nil
}

func clean(raw []byte) string { return strings.Trim(latin(raw), " \t\r\n") }

// latin keeps bytes beyond UTF-8 from becoming a text that nobody can store.
func latin(raw []byte) string { return strings.ToValidUTF8(string(raw), "\ufffd") }

// The ISA has sixteen elements of fixed length, 106 bytes with its name and ends; many are not padded, and some are longer.
const (
	isaElements = 16
	maxISABytes = 512
)

// header reads an ISA and learns the separators: the character behind "ISA", the sixteenth element, and what stands behind it.
func (s *segments) header() (Segment, error) {
	if err := s.begin(); err != nil {
		return Segment{}, err
	}
	s.at++
	head, _ := s.in.Peek(maxISABytes)
	isa, f := s.learn(head)
	if f != nil {
		_, _ = s.in.Discard(min(len(head), 1)) // so that a search for the next does not find this one
		return isa, f
	}
	s.open = true
	return isa, nil
}

// learn reads the ISA at the beginning of head and takes it.
func (s *segments) learn(head []byte) (Segment, *Fault) {
	if !strings.HasPrefix(string(head), "ISA") || len(head) < 5 {
		return Segment{}, &Fault{Segment: s.at, Element: "ISA", Text: "an X12 interchange begins with ISA; this does not"}
	}
	by := head[3]
	elements, from := []string{"ISA"}, 4
	for n := 1; n < isaElements; n++ {
		size := strings.IndexByte(string(head[from:]), by)
		if size < 0 || strings.ContainsAny(strings.TrimSpace(string(head[from:from+size])), "\r\n") {
			return Segment{}, (Segment{s.at, []string{"ISA"}}).Fault(n, "is missing: ISA has sixteen elements")
		}
		elements = append(elements, latin(head[from:from+size]))
		from += size + 1
	}
	isa := Segment{s.at, append(elements, "")}
	if len(head) < from+2 || head[from] == '\r' || head[from] == '\n' {
		return isa, isa.Fault(16, "is missing: it names the separator of components, and the segment's end follows it")
	}
	isa.Elements[isaElements] = latin(head[from : from+1])
	s.separators = Separators{Element: by, Component: head[from], Segment: head[from+1]}
	taken := from + 2
	if s.bare(head[from:]) {
		// ISA16 is missing, and what stands in its place is the segment's end.
		s.separators.Segment, s.separators.Component, isa.Elements[isaElements] = head[from], 0, ""
		taken = from + 1
	}
	if s.separators.Segment == '\r' && len(head) > taken && head[taken] == '\n' {
		s.separators.Segment = '\n'
		taken++
	}
	if isa.Element(12) >= "00402" && len(isa.Elements[11]) == 1 {
		s.separators.Repetition = isa.Elements[11][0]
	}
	if f := isa.plausible(s.separators); f != nil {
		return isa, f
	}
	_, _ = s.in.Discard(taken) // it is in the buffer
	return isa, nil
}

// bare says that an ISA ends with the segment's end where its sixteenth element should be: a line end follows, and the next line ends as the ISA does.
func (s *segments) bare(tail []byte) bool {
	rest := strings.TrimLeft(string(tail[1:]), "\r\n")
	line, _, found := strings.Cut(rest, "\n")
	return len(rest) < len(tail)-1 && found && strings.HasSuffix(strings.TrimSpace(line), string(rune(tail[0]))) && !strings.ContainsRune("\r\n", rune(tail[0]))
}

// plausible refuses separators that no text can be written with: such an ISA has lost or gained a character.
func (s Segment) plausible(by Separators) *Fault {
	for _, each := range []byte{by.Element, by.Component, by.Segment} {
		if each >= '0' && each <= '9' || each >= 'A' && each <= 'Z' || each >= 'a' && each <= 'z' || each >= 0x80 || each == ' ' {
			return s.Fault(16, "names %q as a separator, which stands in texts too: the ISA has lost or gained a character", string(rune(each)))
		}
	}
	if by.Element == by.Component || by.Element == by.Segment || by.Component == by.Segment {
		return s.Fault(16, "names one character as two separators")
	}
	return nil
}

// begin passes over what may stand before an interchange: a byte-order mark, blanks, line ends.
func (s *segments) begin() error {
	for {
		head, err := s.in.Peek(3)
		switch {
		case string(head) == "\xef\xbb\xbf":
			_, err = s.in.Discard(3)
		case len(head) == 0:
			if s.at == 0 && errors.Is(err, io.EOF) {
				s.at++
				return &Fault{Segment: 1, Element: "ISA", Text: "an X12 interchange begins with ISA; this does not"}
			}
			return err
		case head[0] == ' ' || head[0] == '\t' || head[0] == '\r' || head[0] == '\n' || head[0] == 0x1a:
			_, err = s.in.Discard(1)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// skip goes to the next ISA behind a fault, or to the end.
func (s *segments) skip() error {
	s.open = false
	if head, _ := s.in.Peek(3); string(head) == "ISA" {
		return nil
	}
	for {
		head, err := s.in.Peek(4)
		if len(head) < 4 {
			_, _ = s.in.Discard(len(head))
			if err == nil || errors.Is(err, io.EOF) {
				return io.EOF
			}
			return err
		}
		// An ISA begins a line, or stands behind a segment's end; one within a word is none.
		if string(head[1:]) == "ISA" && (head[0] < '0' || head[0] == '~') {
			_, err := s.in.Discard(1)
			return err
		}
		if _, err := s.in.Discard(1); err != nil {
			return err
		}
	}
}
