package gs1

import (
	"strings"
	"sync"
)

// CheckDigit is GS1's digit behind a number, modulo 10: digits weigh three and one in turn, from the right (GS1 General Specifications, section
// 7.9.1). The text must be digits.
func CheckDigit(digits string) byte {
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

// AllDigits says that a text is digits and not empty.
func AllDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Sound says that a text is digits of which the last is right.
func Sound(digits string) bool {
	return AllDigits(digits) && len(digits) > 1 && CheckDigit(digits[:len(digits)-1]) == digits[len(digits)-1]
}

// GTIN14 is a GTIN of 8, 12, 13 or 14 digits in its form of 14; ok is false where it is none.
func GTIN14(code string) (gtin string, ok bool) {
	switch len(code) {
	case 8, 12, 13, 14:
		code = strings.Repeat("0", 14-len(code)) + code
		return code, Sound(code)
	}
	return "", false
}

// set82 are the characters of the set of 82 in their order, which is their value in a check pair (GS1 General Specifications, figures 7.11-1 and
// 7.9.5-1); set39 those that a number of a component may have, set32 those of a check pair.
const (
	set82 = `!"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz`
	set39 = `#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ`
	set32 = `23456789ABCDEFGHJKLMNPQRSTUVWXYZ`
)

// primes weigh the characters before a check pair, from the right.
var primes = sync.OnceValue(func() (all []int) {
	for n := 2; len(all) < 100; n++ {
		prime := true
		for _, p := range all {
			prime = prime && n%p != 0
		}
		if prime {
			all = append(all, n)
		}
	}
	return all
})

// CheckPair are GS1's two characters behind a model number, modulo 1021 (GS1 General Specifications, section 7.9.5). ok is false where the text
// has other characters than those of the set of 82, or is too long.
func CheckPair(text string) (pair string, ok bool) {
	if len(text) > len(primes()) {
		return "", false
	}
	sum := 0
	for i := range len(text) {
		value := strings.IndexByte(set82, text[i])
		if value < 0 {
			return "", false
		}
		sum += value * primes()[len(text)-1-i]
	}
	sum %= 1021
	return string(set32[sum>>5]) + string(set32[sum&31]), true
}
