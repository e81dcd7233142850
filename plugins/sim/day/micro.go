package day

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseMicro reads a decimal with a point and at most six decimals.
func ParseMicro(text string) (Micro, error) {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if len(fraction) > 6 {
		return 0, fmt.Errorf("%q has more than six decimals", text)
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", 6-len(fraction)), 10, 62)
	if err != nil || whole == "" {
		return 0, fmt.Errorf("%q is not a decimal number", text)
	}
	if strings.HasPrefix(text, "-") {
		return -Micro(n), nil
	}
	return Micro(n), nil
}
