package gs1

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date reads a date of AI 11 to 17 (or any six digits YYMMDD). The century is the one in which the day is nearest to now: at most 50 years ahead
// and 49 back (GS1 General Specifications, section 7.12). A day 00 is the last of its month.
func Date(value string, now time.Time) (time.Time, error) {
	if wrong := shortDay(value, true); wrong != "" {
		return time.Time{}, fmt.Errorf("%s", wrong)
	}
	yy, _ := strconv.Atoi(value[:2])
	month, _ := strconv.Atoi(value[2:4])
	day, _ := strconv.Atoi(value[4:])
	year := now.Year() - now.Year()%100 + yy
	switch ahead := yy - now.Year()%100; {
	case ahead >= 51:
		year -= 100
	case ahead <= -50:
		year += 100
	}
	if day == 0 {
		return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC), nil
	}
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC), nil
}

// Decimal is the number of an element whose AI says where the decimal point is (measures 31nn to 36nn, amounts 390n to 395n), without zeros in
// front: 3103 with 000195 is 0.195. Of 391n and 393n the currency's three digits are left out. ok is false for other AIs.
func Decimal(e Element) (number string, ok bool) {
	if len(e.AI) != 4 || e.AI < "3100" || e.AI > "3959" || Name(e.AI) == "" {
		return "", false
	}
	digits, places := e.Value, int(e.AI[3]-'0')
	if (e.AI[:3] == "391" || e.AI[:3] == "393") && len(digits) > 3 {
		digits = digits[3:]
	}
	if !AllDigits(digits) {
		return "", false
	}
	digits = strings.Repeat("0", max(0, places+1-len(digits))) + digits
	whole, part := digits[:len(digits)-places], digits[len(digits)-places:]
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if part != "" {
		whole += "." + part
	}
	return whole, true
}
