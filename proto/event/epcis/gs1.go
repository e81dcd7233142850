package epcis

import (
	"regexp"

	"github.com/dockline/dockline/proto/gs1"
)

// digitalLink is where canonical GS1 Digital Link URIs begin.
const digitalLink = gs1.CanonicalStem + "/"

func allDigits(s string) bool { return gs1.AllDigits(s) }

func checked(digits string) string { return digits + string(gs1.CheckDigit(digits)) }

// gtin14 is a GTIN of 8, 12, 13 or 14 digits in its form of 14; ok is false where it is none.
func gtin14(code string) (string, bool) { return gs1.GTIN14(code) }

// isSSCC is whether a handling unit's code is a serial shipping container code.
func isSSCC(code string) bool { return len(code) == 18 && gs1.Sound(code) }

// isGLN is whether a code is a global location number.
func isGLN(code string) bool { return len(code) == 13 && gs1.Sound(code) }

// cset82 is what may stand in a lot or serial number (GS1 General Specifications, figure 7.11-1).
var cset82 = regexp.MustCompile(`^[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}$`)

// escapeLink writes a lot or serial number as a segment of a GS1 Digital Link.
func escapeLink(s string) string { return gs1.Escape(s) }
