package event

import (
	"slices"
	"strings"

	"github.com/dockline/dockline/proto/gs1"
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

func wrongDigit(code string, lengths ...int) bool {
	return slices.Contains(lengths, len(code)) && gs1.AllDigits(code) && !gs1.Sound(code)
}
