package carrier

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault says what is wrong with what a carrier sent, and where: of X12 the segment, by its number in the interchange from 1, and the element, as
// "AT701"; of JSON the field.
type Fault struct {
	Segment int    `json:"segment,omitempty"`
	Element string `json:"element"`
	Text    string `json:"text"`
}

// Error is one sentence.
func (f *Fault) Error() string {
	if f.Segment == 0 {
		return f.Element + ": " + f.Text
	}
	return fmt.Sprintf("segment %d, %s: %s", f.Segment, f.Element, f.Text)
}

// segment is one segment of an interchange; at is its number from 1, e its elements, e[0] being its name.
type segment struct {
	at int
	e  []string
}

func (s segment) name() string { return s.e[0] }

// element is one of its elements, from 1; "" where it has none.
func (s segment) element(n int) string {
	if n >= len(s.e) {
		return ""
	}
	return strings.TrimSpace(s.e[n])
}

func (s segment) fault(n int, format string, args ...any) *Fault {
	element := s.name()
	if n > 0 {
		element += fmt.Sprintf("%02d", n)
	}
	return &Fault{Segment: s.at, Element: element, Text: fmt.Sprintf(format, args...)}
}

// segments takes an interchange apart. The separators are those that its ISA names: the character behind "ISA", and the one behind its sixteenth
// element; an ISA that is not padded, a byte-order mark and line ends between segments are nobody's fault.
func segments(text string) ([]segment, error) {
	text = strings.TrimLeft(strings.TrimPrefix(text, "\ufeff"), " \t\r\n")
	if !strings.HasPrefix(text, "ISA") || len(text) < 5 {
		return nil, &Fault{Segment: 1, Element: "ISA", Text: "an X12 interchange begins with ISA; this does not"}
	}
	by := text[3:4]
	head := text
	for n := range 16 {
		place := strings.Index(head, by)
		if place < 0 {
			return nil, &Fault{Segment: 1, Element: fmt.Sprintf("ISA%02d", n+1), Text: "is missing: ISA has sixteen elements"}
		}
		head = head[place+1:]
	}
	if len(head) < 2 {
		return nil, &Fault{Segment: 1, Element: "ISA16", Text: "is missing: it names the separator of components, and the segment's end follows it"}
	}
	end := head[1:2]
	if end == "\r" && strings.HasPrefix(head[1:], "\r\n") {
		end = "\r\n"
	}
	var all []segment
	for _, part := range strings.Split(text, end) {
		if part = strings.Trim(part, " \t\r\n"); part != "" {
			all = append(all, segment{len(all) + 1, strings.Split(part, by)})
		}
	}
	return all, nil
}

// set is one transaction set with the envelopes around it. fault is why it cannot be taken, nil where nothing is wrong with it.
type set struct {
	isa, gs, st segment
	body        []segment
	fault       *Fault
}

// sets are the transaction sets of an interchange. Envelopes must close with the numbers and counts that they say: else a part may be missing.
func sets(all []segment) (found []set, err error) {
	isa := all[0]
	var gs, st segment
	var open *set
	groups, inGroup, from := 0, 0, 0
	ended := false
	for _, s := range all[1:] {
		if ended {
			return found, s.fault(0, "stands behind the interchange's end; send each interchange by itself")
		}
		switch s.name() {
		case "GS":
			gs, inGroup, groups, from = s, 0, groups+1, len(found)
		case "ST":
			if gs.e == nil {
				return found, s.fault(0, "stands outside of a group: GS is missing")
			}
			if open != nil {
				return found, s.fault(0, "begins before the set %s has ended: SE is missing", st.element(2))
			}
			st, open = s, &set{isa: isa, gs: gs, st: s}
			inGroup++
		case "SE":
			if open == nil {
				return found, s.fault(0, "ends a set that did not begin: ST is missing")
			}
			if n := len(open.body) + 2; s.element(1) != strconv.Itoa(n) {
				open.fault = s.fault(1, "says that the set has %s segments, and it has %d: some may be missing", s.element(1), n)
			} else if s.element(2) != st.element(2) {
				open.fault = s.fault(2, "is %q, and the set began as %q", s.element(2), st.element(2))
			}
			found, open = append(found, *open), nil
		case "GE":
			var f *Fault
			switch {
			case open != nil:
				return found, s.fault(0, "ends the group before the set %s has ended: SE is missing", st.element(2))
			case s.element(1) != strconv.Itoa(inGroup):
				f = s.fault(1, "says that the group has %s sets, and it has %d: some may be missing", s.element(1), inGroup)
			case s.element(2) != gs.element(6):
				f = s.fault(2, "is %q, and the group began as %q", s.element(2), gs.element(6))
			}
			for i := from; f != nil && i < len(found); i++ {
				if found[i].fault == nil {
					found[i].fault = f
				}
			}
			gs = segment{}
		case "IEA":
			ended = true
			switch {
			case s.element(1) != strconv.Itoa(groups):
				return found, s.fault(1, "says that the interchange has %s groups, and it has %d: some may be missing", s.element(1), groups)
			case s.element(2) != isa.element(13):
				return found, s.fault(2, "is %q, and the interchange began as %q", s.element(2), isa.element(13))
			}
		default:
			if open == nil {
				return found, s.fault(0, "stands outside of a set")
			}
			open.body = append(open.body, s)
		}
	}
	if !ended {
		return found, all[len(all)-1].fault(0, "is the last segment: the interchange's end (IEA) is missing, so it was cut off")
	}
	return found, nil
}
