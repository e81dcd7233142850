package x12

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Party is a sender or receiver as ISA and GS name it.
type Party struct {
	// Qualifier and ID are those of ISA (05, 06 or 07, 08); the qualifier is two characters, the id at most fifteen.
	Qualifier, ID string
	// Group is the code in GS (02 or 03); empty is ID.
	Group string
}

func (p Party) group() string {
	if p.Group != "" {
		return p.Group
	}
	return p.ID
}

// Common are the separators that are used where nothing else is agreed on.
var Common = Separators{Element: '*', Component: '>', Segment: '~'}

// Head is what the envelope of an interchange says.
type Head struct {
	Sender, Receiver Party
	// Control is the interchange's number, 1 to 999999999; Group that of its one group.
	Control, Group uint64
	// Functional is the group's sort (GS01: OW for 940, FA for 997), Version its release (004010).
	Functional, Version string
	At                  time.Time
	// Test marks it as a test (ISA15).
	Test bool
	// Acknowledge asks for a TA1 (ISA14).
	Acknowledge bool
	// Separators default to * > and ~, with a line end behind each segment.
	Separators Separators
}

// MaxControl is the highest control number: ISA13 has nine digits.
const MaxControl = 999_999_999

// Part is a transaction set to be written: its sort, and the segments between ST and SE.
type Part struct {
	ID   string
	Body [][]string
}

// Write gives an interchange of one group. Sets are numbered from 1 within it. A text that holds one of the separators is a fault: X12 has no way to
// write it (Plain takes them out of words that only people read).
func Write(h Head, parts ...Part) ([]byte, error) {
	w, at := begin(h), h.At.UTC()
	w.segment("GS", h.Functional, h.Sender.group(), h.Receiver.group(), at.Format("20060102"), at.Format("1504"), fmt.Sprint(h.Group), "X", h.Version)
	for i, p := range parts {
		number := fmt.Sprintf("%04d", i+1)
		w.segment("ST", p.ID, number)
		for _, s := range p.Body {
			w.segment(s...)
		}
		w.segment("SE", fmt.Sprint(len(p.Body)+2), number)
	}
	w.segment("GE", fmt.Sprint(len(parts)), fmt.Sprint(h.Group))
	w.end(h, 1)
	return w.out.Bytes(), w.err
}

// begin writes ISA.
func begin(h Head) *writer {
	if h.Separators == (Separators{}) {
		h.Separators = Common
	}
	w := &writer{by: h.Separators}
	usage, asks := "P", "0"
	if h.Test {
		usage = "T"
	}
	if h.Acknowledge {
		asks = "1"
	}
	date, clock := isaTime(h.At)
	w.segment("ISA", "00", pad("", 10), "00", pad("", 10), pad(h.Sender.Qualifier, 2), pad(h.Sender.ID, 15), pad(h.Receiver.Qualifier, 2), pad(h.Receiver.ID, 15),
		date, clock, h.standard(), pad(h.Version, 5)[:5], fmt.Sprintf("%09d", h.Control), asks, usage)
	w.out.Truncate(w.out.Len() - 2) // the segment's end, which comes behind ISA16
	w.out.WriteByte(h.Separators.Element)
	w.out.WriteByte(h.Separators.Component)
	w.out.WriteByte(h.Separators.Segment)
	w.out.WriteByte('\n')
	return w
}

// end writes IEA.
func (w *writer) end(h Head, groups int) {
	w.segment("IEA", fmt.Sprint(groups), fmt.Sprintf("%09d", h.Control))
	if h.Control < 1 || h.Control > MaxControl {
		w.fail("ISA13: %d is no control number: 1 to %d", h.Control, MaxControl)
	}
}

// standard is ISA11: the sign of repetition from release 00402 on, before it the standard's agency.
func (h Head) standard() string {
	if h.Version[:min(len(h.Version), 6)] >= "004020" {
		return "^"
	}
	return "U"
}

func pad(text string, size int) string { return fmt.Sprintf("%-*s", size, text) }

type writer struct {
	by  Separators
	out bytes.Buffer
	err error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *writer) segment(elements ...string) {
	for len(elements) > 1 && elements[len(elements)-1] == "" {
		elements = elements[:len(elements)-1]
	}
	for i, e := range elements {
		if i > 0 {
			w.out.WriteByte(w.by.Element)
		}
		if strings.ContainsAny(e, w.by.all()) {
			w.fail("%s%02d: %q holds a separator of the interchange (one of %s), which X12 cannot write; change it, or have other separators agreed on", elements[0], i, e, w.by.all())
		}
		w.out.WriteString(e)
	}
	w.out.WriteByte(w.by.Segment)
	w.out.WriteByte('\n')
}

func (s Separators) all() string {
	return strings.Trim(string([]byte{s.Element, s.Component, s.Segment, s.Repetition}), "\x00") + "\r\n"
}

// Plain takes separators out of words that only people read (names, addresses), and cuts them to what an element holds.
func (s Separators) Plain(text string, size int) string {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(s.all(), r) || r < ' ' {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > size {
		text = string(runes[:size])
	}
	return strings.TrimSpace(text)
}
