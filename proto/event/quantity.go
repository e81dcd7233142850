package event

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Scale is how many parts of a unit a quantity is counted in: millionths, six decimals.
const (
	Scale    = 1_000_000
	decimals = 6
)

// ErrQuantity is what every fault of ParseQuantity wraps.
var ErrQuantity = errors.New("not a quantity")

type quantityError string

func (e quantityError) Error() string { return string(e) }
func (e quantityError) Unwrap() error { return ErrQuantity }

// ParseQuantity reads a decimal number with a point and at most six decimals, "12", "-3", "0.125", into millionths. It is exact,
// and refuses grouping, exponents, a plus sign, blanks, a bare point and what does not fit.
func ParseQuantity(s string) (int64, error) {
	if s == "" {
		return 0, quantityError("a quantity is missing")
	}
	if len(s) > 64 {
		return 0, quantityError("a quantity of more than 64 characters")
	}
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if !allDigits(whole) || point && !allDigits(fraction) {
		return 0, quantityError(strconv.Quote(s) + " is not a decimal number such as 12 or 0.125")
	}
	if len(fraction) > decimals {
		return 0, quantityError(strconv.Quote(s) + " has more than six decimals")
	}
	var sum uint64
	for _, c := range whole + fraction + strings.Repeat("0", decimals-len(fraction)) {
		if sum > math.MaxInt64/10 {
			return 0, quantityError(strconv.Quote(s) + " is too large")
		}
		sum = sum*10 + uint64(c-'0')
	}
	if sum > math.MaxInt64 {
		return 0, quantityError(strconv.Quote(s) + " is too large")
	}
	if negative {
		return -int64(sum), nil
	}
	return int64(sum), nil
}

func allDigits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// FormatQuantity writes millionths as the shortest decimal: 12500000 is "12.5".
func FormatQuantity(millionths int64) string {
	sign, size := "", uint64(millionths)
	if millionths < 0 {
		sign, size = "-", -uint64(millionths)
	}
	whole := sign + strconv.FormatUint(size/Scale, 10)
	if size%Scale == 0 {
		return whole
	}
	fraction := strconv.FormatUint(Scale+size%Scale, 10)[1:]
	return whole + "." + strings.TrimRight(fraction, "0")
}
