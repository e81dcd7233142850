package event

import (
	"slices"
	"strings"
)

// WrongGTIN says whether a code has the shape of a GTIN and a check digit that does not fit: a slip of the hand or of the scanner. What has
// another shape is no GTIN and not judged.
func WrongGTIN(code string) bool { return wrongDigit(code, 8, 12, 13, 14) }

// WrongSSCC is the same for the SSCC of a handling unit, with or without the identifier 00 before it; a site's own plates are not judged.
func WrongSSCC(code string) bool {
	if len(code) == 20 {
		code, _ = strings.CutPrefix(code, "00")
	}
	return wrongDigit(code, 18)
}

// wrongDigit weighs digits by three and one from the right (GS1 General Specifications, section 7.9).
func wrongDigit(code string, lengths ...int) bool {
	if !slices.Contains(lengths, len(code)) {
		return false
	}
	sum, weight := 0, 1
	for i := len(code) - 1; i >= 0; i-- {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
		sum += weight * int(code[i]-'0')
		weight = 4 - weight
	}
	return sum%10 != 0
}
