package epcis

import (
	"regexp"
	"strings"
)

// digitalLink is where canonical GS1 Digital Link URIs begin (GS1 Digital Link: URI Syntax 1.2, section 4.11).
const digitalLink = "https://id.gs1.org/"

// checkDigit is GS1's, modulo 10 (GS1 General Specifications, section 7.9.1).
func checkDigit(digits string) byte {
	sum := 0
	for i := range len(digits) {
		weight := 1
		if (len(digits)-i)%2 == 1 {
			weight = 3
		}
		sum += weight * int(digits[i]-'0')
	}
	return byte('0' + (10-sum%10)%10)
}

func checked(digits string) string { return digits + string(checkDigit(digits)) }

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func sound(digits string) bool {
	return allDigits(digits) && len(digits) > 1 && checkDigit(digits[:len(digits)-1]) == digits[len(digits)-1]
}

// gtin14 is a GTIN of 8, 12, 13 or 14 digits in its form of 14; ok is false where it is none.
func gtin14(code string) (string, bool) {
	switch len(code) {
	case 8, 12, 13, 14:
		code = strings.Repeat("0", 14-len(code)) + code
		return code, sound(code)
	}
	return "", false
}

// isSSCC is whether a handling unit's code is a serial shipping container code.
func isSSCC(code string) bool { return len(code) == 18 && sound(code) }

// isGLN is whether a code is a global location number.
func isGLN(code string) bool { return len(code) == 13 && sound(code) }

// cset82 is what may stand in a lot or serial number (GS1 General Specifications, figure 7.11-1).
var cset82 = regexp.MustCompile(`^[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}$`)

// escapeLink writes a lot or serial number as a segment of a GS1 Digital Link.
func escapeLink(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		const hex = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
