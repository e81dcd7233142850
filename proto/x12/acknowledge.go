package x12

import (
	"fmt"
	"strconv"
	"strings"
)

// Verdict is what an acknowledgement says of a set or a group.
type Verdict byte

// The verdicts that matter; others (W, X: an authentication failed) count as Rejected.
const (
	Accepted Verdict = 'A'
	// WithErrors: accepted, and errors were noted.
	WithErrors Verdict = 'E'
	// Partly: of a group, some sets were accepted.
	Partly   Verdict = 'P'
	Rejected Verdict = 'R'
)

// Taken says that it was accepted, if with errors.
func (v Verdict) Taken() bool { return v == Accepted || v == WithErrors }

// Acknowledgement is a functional acknowledgement of one group: what became of its sets.
type Acknowledgement struct {
	// Functional, Control and Version are those of the group that is acknowledged (GS01, GS06, GS08).
	Functional, Control, Version string
	Verdict                      Verdict
	// Said is how many sets the group says that it has, Received how many came, Taken how many were accepted.
	Said, Received, Taken int
	// Codes say why the group as a whole is not accepted (X12 data element 716).
	Codes []int
	Sets  []SetVerdict
}

// SetVerdict is what became of one transaction set.
type SetVerdict struct {
	ID, Control string
	Verdict     Verdict
	// Codes say why it is not accepted (X12 data element 718).
	Codes []int
	Notes []Note
}

// Note is what is wrong with a segment of a set.
type Note struct {
	// Segment is its name, Position its number within the set, with ST as 1.
	Segment  string
	Position int
	// SegmentCode is X12 data element 720; 8 says that elements of it are wrong.
	SegmentCode int
	// Element is the number of the element at fault, 0 for none; ElementCode is X12 data element 723, Value what stands there.
	Element, ElementCode int
	Value                string
}

// The limits of the elements that carry them, and how many codes AK5 and AK9 have room for.
const (
	maxCopied = 99
	maxCodes  = 5
)

// Part is the acknowledgement as a 997, with by as the separators of the interchange that it will stand in.
func (a *Acknowledgement) Part(by Separators) Part {
	ak1 := []string{"AK1", a.Functional, a.Control}
	if a.Version >= "005010" {
		ak1 = append(ak1, a.Version)
	}
	body := [][]string{ak1}
	for _, s := range a.Sets {
		body = append(body, []string{"AK2", s.ID, s.Control})
		for _, n := range s.Notes {
			body = append(body, []string{"AK3", by.Plain(n.Segment, 3), strconv.Itoa(n.Position), "", strconv.Itoa(n.SegmentCode)})
			if n.Element > 0 {
				body = append(body, []string{"AK4", strconv.Itoa(n.Element), "", strconv.Itoa(n.ElementCode), by.Plain(n.Value, maxCopied)})
			}
		}
		body = append(body, withCodes([]string{"AK5", string(rune(s.Verdict))}, s.Codes))
	}
	body = append(body, withCodes([]string{"AK9", string(rune(a.Verdict)), strconv.Itoa(a.Said), strconv.Itoa(a.Received), strconv.Itoa(a.Taken)}, a.Codes))
	return Part{ID: "997", Body: body}
}

func withCodes(segment []string, codes []int) []string {
	for _, c := range codes[:min(len(codes), maxCodes)] {
		segment = append(segment, strconv.Itoa(c))
	}
	return segment
}

// ReadAcknowledgement reads a 997 or a 999.
func ReadAcknowledgement(set *Set) (*Acknowledgement, *Fault) {
	if id := set.ID(); id != "997" && id != "999" {
		return nil, set.ST.Fault(1, "is %q, and an acknowledgement is a 997 or 999", id)
	}
	var a *Acknowledgement
	var open *SetVerdict
	ended := false
	for _, s := range set.Body {
		if a == nil && s.Name() != "AK1" {
			return nil, s.Fault(0, "stands before AK1, which says what group is acknowledged")
		}
		switch s.Name() {
		case "AK1":
			if a != nil {
				return nil, s.Fault(0, "stands there twice: an acknowledgement is of one group")
			}
			a = &Acknowledgement{Functional: s.Element(1), Control: s.Element(2), Version: s.Element(3)}
			if len(a.Functional) != 2 {
				return nil, s.Fault(1, "is %q: a group's sort has two letters", a.Functional)
			}
			if _, err := strconv.ParseUint(a.Control, 10, 64); err != nil {
				return nil, s.Fault(2, "is %q, which is no group's control number", a.Control)
			}
		case "AK2":
			if open != nil {
				return nil, s.Fault(0, "begins before the verdict on set %s has come: AK5 is missing", open.Control)
			}
			a.Sets = append(a.Sets, SetVerdict{ID: s.Element(1), Control: s.Element(2)})
			open = &a.Sets[len(a.Sets)-1]
		case "AK3", "IK3", "AK4", "IK4", "CTX":
			if open == nil {
				return nil, s.Fault(0, "stands outside of a set's verdict: AK2 is missing")
			}
			if f := open.note(s); f != nil {
				return nil, f
			}
		case "AK5", "IK5":
			if open == nil {
				return nil, s.Fault(0, "is a verdict on no set: AK2 is missing")
			}
			var f *Fault
			if open.Verdict, f = verdict(s); f != nil {
				return nil, f
			}
			open.Codes = codes(s, 2)
			open = nil
		case "AK9":
			if open != nil {
				return nil, s.Fault(0, "stands before the verdict on set %s has come: AK5 is missing", open.Control)
			}
			var f *Fault
			if a.Verdict, f = verdict(s); f != nil {
				return nil, f
			}
			a.Said, a.Received, a.Taken = number(s, 2), number(s, 3), number(s, 4)
			a.Codes = codes(s, 5)
			ended = true
		default:
			return nil, s.Fault(0, "is no segment of an acknowledgement")
		}
	}
	switch {
	case a == nil:
		return nil, set.ST.Fault(0, "the acknowledgement says nothing: AK1 is missing")
	case !ended:
		return nil, set.ST.Fault(0, "the acknowledgement has no verdict on the group: AK9 is missing")
	}
	return a, nil
}

func (v *SetVerdict) note(s Segment) *Fault {
	switch s.Name() {
	case "AK3", "IK3":
		v.Notes = append(v.Notes, Note{Segment: s.Element(1), Position: number(s, 2), SegmentCode: number(s, 4)})
	case "AK4", "IK4":
		if len(v.Notes) == 0 {
			return s.Fault(0, "stands before the segment that it is about: AK3 is missing")
		}
		n := &v.Notes[len(v.Notes)-1]
		if n.Element != 0 {
			v.Notes = append(v.Notes, Note{Segment: n.Segment, Position: n.Position, SegmentCode: n.SegmentCode})
			n = &v.Notes[len(v.Notes)-1]
		}
		n.Element, n.ElementCode, n.Value = number(s, 1), number(s, 3), s.Element(4)
		if n.Element == 0 {
			return s.Fault(1, "is %q, which is no element's number", s.Element(1))
		}
	}
	return nil
}

func verdict(s Segment) (Verdict, *Fault) {
	switch text := s.Element(1); text {
	case "A", "E", "P", "R":
		return Verdict(text[0]), nil
	case "M", "W", "X":
		return Rejected, nil
	default:
		return 0, s.Fault(1, "is %q, which is no verdict", text)
	}
}

// number reads a count or position, of a composite its first component; what is none counts as 0.
func number(s Segment, n int) int {
	text := s.Element(n)
	if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		text = text[:end]
	}
	v, _ := strconv.Atoi(text)
	return v
}

func codes(s Segment, from int) (out []int) {
	for n := from; n < len(s.Elements) && len(out) < maxCodes; n++ {
		if c := number(s, n); c > 0 {
			out = append(out, c)
		}
	}
	return out
}

// Words says in a sentence what a partner found wrong with a set, and no more than a person reads, whatever he has written.
func (v *SetVerdict) Words() string {
	text := "the partner rejected it"
	if len(v.Codes) > 0 {
		text += fmt.Sprintf(" (AK5 codes %v)", v.Codes)
	}
	for i, n := range v.Notes {
		if i == 3 {
			text += fmt.Sprintf("; and %d more", len(v.Notes)-i)
			break
		}
		text += fmt.Sprintf("; segment %d, %s", n.Position, Common.Plain(n.Segment, 3))
		if n.Element > 0 {
			text += fmt.Sprintf("%02d: error %d", n.Element, n.ElementCode)
			if value := Common.Plain(n.Value, maxCopied); value != "" {
				text += fmt.Sprintf(" with %q", value)
			}
		} else {
			text += fmt.Sprintf(": error %d", n.SegmentCode)
		}
	}
	return text
}
