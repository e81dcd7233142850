package x12

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Report is an interchange acknowledgement (TA1): what became of an interchange's envelope, whatever it held.
type Report struct {
	// Control is the number of the interchange that it is about (ISA13), Date and Time are that one's ISA09 and ISA10.
	Control, Date, Time string
	// Verdict is Accepted, WithErrors or Rejected.
	Verdict Verdict
	// Code says why (X12 data element I18), 0 for nothing wrong.
	Code int
	// At is its segment in the text that it was read from.
	At int
}

// The codes that are written; X12 data element I18 has more.
const (
	CodeControlDiffers   = 1  // ISA13 and IEA02 are not the same
	CodeSender           = 6  // the sender is not known
	CodeGroupCount       = 21 // IEA01 is not the number of groups
	CodeStructure        = 22 // segments of envelopes are missing or stand in another order
	CodeCutOff           = 23 // the text ends before the interchange does
	CodeContent          = 24 // what it holds cannot be read
	CodeDuplicateControl = 25 // an interchange with this number came before
)

// reportWords are what people read of the codes.
var reportWords = map[int]string{
	1: "the control numbers of its header and trailer differ", 2: "its standard is not supported", 3: "its version is not supported", 4: "its segment terminator is invalid",
	5: "the sender's qualifier is invalid", 6: "the sender's id is not known", 7: "the receiver's qualifier is invalid", 8: "the receiver's id is not known",
	9: "its receiver is not theirs", 16: "its standards identifier is invalid", 17: "its version is invalid", 18: "its control number is invalid", 20: "its test indicator is invalid",
	21: "the count of its groups is wrong", 22: "its structure is wrong", 23: "it was cut off", 24: "its content is invalid", 25: "its control number was used before",
	26: "its element separator is invalid", 27: "its component separator is invalid",
}

// Words says in a sentence what the partner found wrong.
func (r Report) Words() string {
	text := fmt.Sprintf("the partner rejected its interchange as a whole (TA1 code %03d)", r.Code)
	if words := reportWords[r.Code]; words != "" {
		text = fmt.Sprintf("the partner rejected its interchange as a whole: %s (TA1 code %03d)", words, r.Code)
	}
	return text
}

// report reads a TA1.
func report(s Segment) (Report, *Fault) {
	r := Report{Control: s.Element(1), Date: s.Element(2), Time: s.Element(3), At: s.At}
	if _, err := strconv.ParseUint(r.Control, 10, 64); err != nil {
		return r, s.Fault(1, "is %q, which is no interchange's control number", r.Control)
	}
	switch text := s.Element(4); text {
	case "A", "E", "R":
		r.Verdict = Verdict(text[0])
	default:
		return r, s.Fault(4, "is %q, which is no verdict on an interchange", text)
	}
	r.Code = number(s, 5)
	return r, nil
}

// Same says that it is about the interchange with a control number; some write zeros in front, and some do not.
func (r Report) Same(control string) bool {
	return strings.TrimLeft(r.Control, "0") == strings.TrimLeft(control, "0")
}

// Asked says that who sent an interchange wants a TA1 for it (ISA14). One that holds nothing but reports is never answered.
func (i Interchange) Asked() bool {
	return i.ISA.Element(14) == "1" && (i.Groups > 0 || len(i.Reports) == 0)
}

// Answer is the report on an interchange that Check has gone over; f is why it is rejected, nil where it is accepted.
func (i Interchange) Answer(f *Fault) Report {
	r := Report{Control: i.ISA.Element(13), Date: i.ISA.Element(9), Time: i.ISA.Element(10), Verdict: Accepted}
	if f != nil {
		r.Verdict, r.Code = Rejected, CodeContent
		if f.Report != 0 {
			r.Code = f.Report
		}
	}
	return r
}

// WriteReports gives an interchange that holds reports alone.
func WriteReports(h Head, reports ...Report) ([]byte, error) {
	w := begin(h)
	for _, r := range reports {
		w.segment("TA1", r.Control, r.Date, r.Time, string(rune(r.Verdict)), fmt.Sprintf("%03d", r.Code))
	}
	w.end(h, 0)
	return w.out.Bytes(), w.err
}

// isaTime is a time as ISA09 and ISA10 have it.
func isaTime(at time.Time) (date, clock string) {
	return at.UTC().Format("060102"), at.UTC().Format("1504")
}
