package mapping

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Number says how the source writes numbers.
type Number struct {
	// Decimal is the decimal sign, "." (default) or ",".
	Decimal string `yaml:"decimal"`
	// Group is the sign between groups of three digits: ".", ",", " ", "'" or "" (default: none is allowed).
	Group string `yaml:"group"`
}

// Limits of a number: six decimals are what the protocol carries, and twelve digits before the point what its
// fixed scale (int64 millionths) holds without a doubt.
const (
	maxDecimals = 6
	maxInteger  = 12
)

// Faults says what is wrong with the signs.
func (n Number) Faults() []string {
	var out []string
	switch n.Decimal {
	case "", ".", ",":
	default:
		out = append(out, fmt.Sprintf("decimal sign %q is not known: use \".\" or \",\"", n.Decimal))
	}
	switch n.Group {
	case "", ".", ",", " ", "'":
	default:
		out = append(out, fmt.Sprintf("grouping sign %q is not known: use \".\", \",\", \" \", \"'\" or leave it out", n.Group))
	}
	if n.Group != "" && n.Group == n.decimal() {
		out = append(out, fmt.Sprintf("decimal and group are both %q: they must differ", n.Group))
	}
	return out
}

func (n Number) decimal() string {
	if n.Decimal == "" {
		return "."
	}
	return n.Decimal
}

// Parse reads a number and gives it in the protocol's form: a point, no grouping, no plus, no needless zeros
// ("1.234,50" with decimal "," and group "." is "1234.5"). A minus may stand before or, as some ERP systems write it,
// behind. Grouping that is not by threes is an error, because it shows that the signs are configured the wrong way round.
func (n Number) Parse(cell string) (string, error) {
	text, negative, err := sign(strings.TrimSpace(cell))
	if err != nil {
		return "", err
	}
	whole, fraction, pointed := strings.Cut(text, n.decimal())
	whole, err = n.ungroup(whole)
	if err != nil {
		return "", err
	}
	if whole == "" && fraction == "" {
		return "", errors.New("there is no number")
	}
	if pointed && fraction == "" {
		return "", errors.New("nothing stands behind the decimal sign")
	}
	if bad := strings.IndexFunc(whole+fraction, notDigit); bad >= 0 {
		return "", n.explain(whole+fraction, bad)
	}
	whole = strings.TrimLeft(whole, "0")
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > maxDecimals {
		return "", fmt.Errorf("it has more than %d decimals", maxDecimals)
	}
	if len(whole) > maxInteger {
		return "", fmt.Errorf("it has more than %d digits before the decimal sign", maxInteger)
	}
	out := whole
	if out == "" {
		out = "0"
	}
	if fraction != "" {
		out += "." + fraction
	}
	if negative && out != "0" {
		out = "-" + out
	}
	return out, nil
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

func sign(text string) (rest string, negative bool, err error) {
	rest = text
	switch {
	case strings.HasPrefix(text, "-"), strings.HasPrefix(text, "\u2212"):
		_, size := utf8.DecodeRuneInString(text)
		rest, negative = text[size:], true
	case strings.HasPrefix(text, "+"):
		rest = text[1:]
	case strings.HasSuffix(text, "-"):
		rest, negative = text[:len(text)-1], true
	}
	rest = strings.TrimSpace(rest)
	if strings.ContainsAny(rest, "+-\u2212") {
		return "", false, errors.New("the sign stands in the middle or twice")
	}
	return rest, negative, nil
}

func (n Number) ungroup(whole string) (string, error) {
	if n.Group == "" {
		return whole, nil
	}
	if n.Group == " " {
		// No-break spaces are what programs write where a person sees a space.
		whole = strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(whole)
	}
	parts := strings.Split(whole, n.Group)
	for i, part := range parts {
		if len(parts) > 1 && (i > 0 && len(part) != 3 || i == 0 && (part == "" || len(part) > 3)) {
			return "", fmt.Errorf("%q stands where no group of three digits ends; is it the decimal sign? Then set number.decimal to %q", n.Group, n.Group)
		}
	}
	return strings.Join(parts, ""), nil
}

func (n Number) explain(digits string, at int) error {
	r, _ := utf8.DecodeRuneInString(digits[at:])
	switch {
	case r == ',' && n.decimal() == ".", r == '.' && n.decimal() == ",":
		return fmt.Errorf("it holds %q, but the decimal sign is set to %q; set number.decimal or number.group to fit", r, n.decimal())
	case (r == 'e' || r == 'E') && at > 0 && !notDigit(rune(digits[at-1])):
		return errors.New("exponents are not read; export plain numbers")
	default:
		return fmt.Errorf("it holds %q", r)
	}
}
