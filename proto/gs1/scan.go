package gs1

import (
	"errors"
	"fmt"
	"strings"
)

// Scan is what a reader has sent of one code.
type Scan struct {
	// Identifier is the symbology identifier of ISO/IEC 15424 that stands before the data: "]C1"; "" where the reader sends none.
	Identifier string
	// Symbology is the sort of code in a word (code128, qr); "" where the reader does not tell.
	Symbology string
	// Data is what the code says, without the identifier.
	Data string
	// GS1 says that the code carries an element string, or is an EAN or UPC.
	GS1 bool
	// Elements are those of an element string, of a Digital Link, or the GTIN of an EAN or UPC.
	Elements Elements
}

// symbologies are the code characters of ISO/IEC 15424.
var symbologies = map[byte]string{'A': "code39", 'B': "telepen", 'C': "code128", 'D': "code1", 'E': "ean", 'F': "codabar", 'G': "code93", 'H': "code11", 'I': "itf", 'J': "dotcode",
	'K': "code16k", 'L': "pdf417", 'M': "msi", 'N': "anker", 'O': "codablock", 'P': "plessey", 'Q': "qr", 'R': "industrial25", 'S': "iata25", 'T': "code49", 'U': "maxicode",
	'X': "other", 'Z': "no_code", 'c': "channel", 'd': "datamatrix", 'e': "databar", 'h': "hanxin", 'o': "ocr", 's': "supercode", 'z': "aztec"}

// carriers are the identifiers of codes whose data is an element string.
const carriers = "]C1 ]e0 ]d2 ]d5 ]Q3 ]Q5 ]Q6 ]J1 ]J5 ]z1 ]h3"

// ParseScan reads what a reader has sent. Data of a GS1 carrier, of an EAN or UPC must be sound; of a Digital Link and of ITF-14 the elements are
// given where it is. All other data is text. Without an identifier nothing is judged: see ParsePlain.
func ParseScan(raw string) (Scan, error) {
	if raw == "" {
		return Scan{}, errors.New("nothing was read")
	}
	if raw[0] != ']' {
		return withLink(Scan{Data: raw}), nil
	}
	if len(raw) < 3 || symbologies[raw[1]] == "" || !strings.Contains("0123456789ABCDEF", raw[2:3]) {
		return Scan{}, fmt.Errorf("%q begins with a symbology identifier that there is not: look at how the reader is set up", shown(raw))
	}
	s := Scan{Identifier: raw[:3], Symbology: symbologies[raw[1]], Data: raw[3:]}
	var err error
	switch {
	case strings.Contains(carriers, s.Identifier):
		s.GS1 = true
		s.Elements, err = Parse(s.Data)
	case s.Symbology == "ean":
		err = s.ean()
	case s.Symbology == "itf" && len(s.Data) == 14 && Sound(s.Data):
		s.Elements = Elements{{"01", s.Data}}
	default:
		s = withLink(s)
	}
	return s, err
}

// ParsePlain reads data of a reader that sends no symbology identifier, where a configuration says that its codes are GS1's: an element string (with
// separators as the reader sends them), an EAN or UPC by its digits, or a Digital Link.
func ParsePlain(data string) (Scan, error) {
	s := withLink(Scan{Data: data})
	if s.Elements != nil {
		return s, nil
	}
	if gtin, ok := GTIN14(data); ok {
		s.GS1, s.Elements = true, Elements{{"01", gtin}}
		return s, nil
	}
	elements, err := Parse(strings.TrimPrefix(data, string(Separator)))
	s.GS1, s.Elements = err == nil, elements
	return s, err
}

func withLink(s Scan) Scan {
	if IsLink(s.Data) {
		if elements, err := ParseLink(s.Data, LinkOptions{ShortGTIN: true}); err == nil {
			s.Elements = elements
		}
	}
	return s
}

// ean reads a retail code: EAN-13, UPC-A and UPC-E come with 13 digits, EAN-8 with 8. The second part of a composite code follows behind a line.
func (s *Scan) ean() error {
	s.GS1 = true
	digits, composite, two := strings.Cut(s.Data, "|")
	length := 13
	switch s.Identifier[2] {
	case '1', '2', '5', '6': // an add-on alone
		s.GS1 = false
		return nil
	case '4':
		length = 8
	case '3': // with an add-on of two or five digits behind
		if n := len(digits); n == 15 || n == 18 {
			digits = digits[:13]
		}
	}
	gtin, ok := GTIN14(digits)
	if len(digits) != length || !ok {
		return fmt.Errorf("%q is no EAN or UPC of %d digits with its check digit: scan it once more", shown(digits), length)
	}
	s.Elements = Elements{{"01", gtin}}
	if !two {
		return nil
	}
	message, ok := strings.CutPrefix(composite, "]e0")
	if !ok {
		return fmt.Errorf("%q follows the EAN, but is no composite code", shown(composite))
	}
	more, err := Parse(message)
	s.Elements = append(s.Elements, more...)
	return err
}
