package gs1

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rules are what a part of an AI's data must be beside its set of characters. Each says what is wrong, or nothing. Lists are taken
// apart only where somebody asks.
var rules = sync.OnceValue(func() map[string]func(string) string {
	return map[string]func(string) string{
		"digit": func(s string) string {
			if len(s) < 2 || !AllDigits(s) {
				return "it has no check digit"
			}
			if want := CheckDigit(s[:len(s)-1]); want != s[len(s)-1] {
				return fmt.Sprintf("its check digit is %c, but should be %c: scan it once more, or type it without a slip", s[len(s)-1], want)
			}
			return ""
		},
		"pair":       checkPair,
		"day":        func(s string) string { return shortDay(s, false) },
		"day0":       func(s string) string { return shortDay(s, true) },
		"longday":    func(s string) string { return longDay(s, false) },
		"longday0":   func(s string) string { return longDay(s, true) },
		"clock":      clock,
		"hour":       upTo(23, "hour"),
		"minute":     upTo(59, "minute"),
		"second":     upTo(59, "second"),
		"yesno":      oneOf("0 1", "0 or 1"),
		"sex":        oneOf("0 1 2 9", "0, 1, 2 or 9"),
		"winding":    oneOf("0 1 9", "0, 1 or 9"),
		"media":      oneOf("01 02 03 04 05 06 07 08 09 10 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99", "a type of medium"),
		"country":    oneOf(countryNumbers, "the number of a country (ISO 3166)"),
		"country999": oneOf(countryNumbers+" 999", "the number of a country (ISO 3166), or 999 for several"),
		"land":       oneOf(countryLetters, "the two letters of a country (ISO 3166)"),
		"currency":   oneOf(currencyNumbers, "the number of a currency (ISO 4217)"),
		"latitude":   degrees(1_800_000_000),
		"longitude":  degrees(3_600_000_000),
		"percent":    percent,
		"piece":      piece,
		"position":   position,
		"iban":       iban,
		"importer": func(s string) string {
			if len(s) != 1 || !inSet('u', s) {
				return "the importer's index is one letter, digit, hyphen or low line"
			}
			return ""
		},
		"package": func(s string) string { // the codes of the UN's list are not held here, only their form
			if len(s) == 0 || len(s) > 4 || strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || strings.Trim(s, "0") == "" {
				return "it is no type of package"
			}
			return ""
		},
		"hyphen": func(s string) string {
			if s == "" || strings.Trim(s, "-") != "" {
				return "only a hyphen for minus may stand here"
			}
			return ""
		},
		"nonzero": func(s string) string {
			if !AllDigits(s) || strings.Trim(s, "0") == "" {
				return "it must not be zero"
			}
			return ""
		},
		"zero": func(s string) string {
			if s == "" || strings.Trim(s, "0") != "" {
				return "it must be zero"
			}
			return ""
		},
		"plain": func(s string) string {
			if !AllDigits(s) || s[0] == '0' {
				return "it must be a number that does not begin with zero"
			}
			return ""
		},
		"letter": func(s string) string {
			if s == "" || AllDigits(s) {
				return "it must have a character that is no digit"
			}
			return ""
		},
	}
})

// inSet says whether all characters are of a set: n, x, y and z as in the table, u letters and digits of a file name.
func inSet(set byte, s string) bool {
	switch set {
	case 'n':
		return strings.Trim(s, "0123456789") == ""
	case 'y':
		return strings.Trim(s, set39) == ""
	case 'u', 'z':
		const letters = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
		if body := strings.TrimRight(s, "="); set == 'z' && body != s {
			if len(s)-len(body) > 2 || len(s)%3 != 0 {
				return false
			}
			s = body
		}
		return strings.Trim(s, letters) == ""
	default:
		for i := range len(s) {
			if strings.IndexByte(set82, s[i]) < 0 {
				return false
			}
		}
		return true
	}
}

func checkPair(s string) string {
	if len(s) < 2 {
		return "it has no check pair"
	}
	want, ok := CheckPair(s[:len(s)-2])
	switch {
	case !ok:
		return "it has a character that may not stand there"
	case want != s[len(s)-2:]:
		return fmt.Sprintf("its check pair is %s, but should be %s", s[len(s)-2:], want)
	}
	return ""
}

func oneOf(list, what string) func(string) string {
	known := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		known[word] = true
	}
	return func(s string) string {
		if !known[s] {
			return fmt.Sprintf("%q is not %s", s, what)
		}
		return ""
	}
}

func upTo(most int, what string) func(string) string {
	return func(s string) string {
		n, err := strconv.Atoi(s)
		if len(s) != 2 || !AllDigits(s) || err != nil || n > most {
			return fmt.Sprintf("%q is no %s", s, what)
		}
		return ""
	}
}

func clock(s string) string {
	if len(s) != 4 {
		return "it is no time of four digits"
	}
	if wrong := upTo(23, "hour")(s[:2]); wrong != "" {
		return wrong
	}
	return upTo(59, "minute")(s[2:])
}

func shortDay(s string, zero bool) string {
	if len(s) != 6 {
		return "it is no date of six digits, YYMMDD"
	}
	if !AllDigits(s) {
		return fmt.Sprintf("%q is no date", s)
	}
	// Whichever the century is: years that four divides are leap years in the one that counts, 2000 being one.
	return longDay("20"+s, zero)
}

func longDay(s string, zero bool) string {
	if len(s) != 8 || !AllDigits(s) {
		return fmt.Sprintf("%q is no date", s)
	}
	text := s
	if zero && strings.HasSuffix(s, "00") {
		text = s[:6] + "01"
	}
	if _, err := time.Parse("20060102", text); err != nil {
		return fmt.Sprintf("%q is a day that no calendar has", s)
	}
	return ""
}

func degrees(most int64) func(string) string {
	return func(s string) string {
		n, err := strconv.ParseInt(s, 10, 64)
		if len(s) != 10 || !AllDigits(s) || err != nil || n > most {
			return "it is no position of ten digits"
		}
		return ""
	}
}

func percent(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 < len(s) {
			if _, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && s[i+1] != '+' {
				i += 2
				continue
			}
		}
		if i+2 >= len(s) {
			continue // a part of one is text
		}
		return "after % two hexadecimal digits must follow"
	}
	return ""
}

func piece(s string) string {
	if len(s) == 0 || len(s)%2 != 0 || !AllDigits(s) {
		return "it is no piece of a total"
	}
	n, total := s[:len(s)/2], s[len(s)/2:]
	if strings.Trim(n, "0") == "" || strings.Trim(total, "0") == "" || n > total {
		return fmt.Sprintf("piece %s of %s cannot be", n, total)
	}
	return ""
}

func position(s string) string {
	n, total, ok := strings.Cut(s, "/")
	if !ok || !AllDigits(n) || !AllDigits(total) || n[0] == '0' || total[0] == '0' {
		return "it is no position such as 1/3"
	}
	if len(n) > len(total) || len(n) == len(total) && n > total {
		return "the position is behind the end"
	}
	return ""
}

// iban looks at the letters of a country and the digits of ISO 7064, mod 97-10; each country's own form is not held here.
func iban(s string) string {
	if len(s) < 5 || len(s) > 34 {
		return "it is no IBAN: its length cannot be"
	}
	if oneOf(countryLetters+" XK", "")(s[:2]) != "" {
		return "it is no IBAN: it begins with no country"
	}
	var digits strings.Builder
	for _, c := range s[4:] + s[:4] {
		switch {
		case '0' <= c && c <= '9':
			digits.WriteRune(c)
		case 'A' <= c && c <= 'Z':
			fmt.Fprint(&digits, 10+c-'A')
		default:
			return "it is no IBAN: it has a character that is neither a digit nor a capital"
		}
	}
	n, _ := new(big.Int).SetString(digits.String(), 10)
	if n.Mod(n, big.NewInt(97)).Int64() != 1 {
		return "it is no IBAN: its check digits do not fit"
	}
	return ""
}
