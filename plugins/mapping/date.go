package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// moments reads dates and times in a list of formats, all in one zone.
type moments struct {
	formats []dateFormat
	zone    *time.Location
}

// dateFormat is one pattern and, unless it is one of the named forms, its layout for package time.
type dateFormat struct {
	pattern string
	layouts []string
	// unit of a count since 1970, 0 for a layout.
	unit time.Duration
	// zoned layouts carry their own offset.
	zoned bool
}

var isoLayouts = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// The years between which a time of a warehouse must lie. Beyond them a format is wrong (a two-digit year, a count in
// another unit), and a fault is better than a stock movement in the year 24.
const (
	firstYear = 1990
	lastYear  = 2200
)

// compileFormat turns a pattern of letters ("dd.MM.yyyy HH:mm:ss") or a name (iso, unix, unix_ms) into a format.
func compileFormat(pattern string) (dateFormat, error) {
	f := dateFormat{pattern: pattern}
	switch pattern {
	case "iso":
		for _, layout := range isoLayouts {
			f.layouts = append(f.layouts, layout+"Z07:00", layout)
		}
		return f, nil
	case "unix":
		f.unit = time.Second
		return f, nil
	case "unix_ms":
		f.unit = time.Millisecond
		return f, nil
	}
	layout, zoned, err := layoutOf(pattern)
	if err != nil {
		return f, err
	}
	f.layouts, f.zoned = []string{layout}, zoned
	return f, nil
}

// token is one letter group of a pattern. field says what it tells, so that nothing is told twice or left out.
type token struct{ letters, layout, field string }

// halfDay marks an hour of twelve while a layout is made.
const halfDay = "\x00"

var dateTokens = []token{
	{"yyyy", "2006", "year"}, {"yy", "06", "year"},
	{"MMM", "Jan", "month"}, {"MM", "01", "month"}, {"M", "1", "month"},
	{"dd", "02", "day"}, {"d", "2", "day"},
	{"HH", "15", "hour"}, {"H", "15", "hour"}, {"hh", halfDay + "03", "hour"}, {"h", halfDay + "3", "hour"},
	{"mm", "04", "minute"}, {"m", "4", "minute"},
	{"ss", "05", "second"}, {"s", "5", "second"},
	{"SSSSSS", "000000", "fraction"}, {"SSS", "000", "fraction"},
	{"XXX", "Z07:00", "offset"}, {"a", "PM", "half"},
}

// layoutOf translates a pattern. A lower-case mm that comes before any hour is the month: people write dd.mm.yyyy.
func layoutOf(pattern string) (layout string, zoned bool, err error) {
	var b strings.Builder
	told := map[string]bool{}
	for rest := pattern; rest != ""; {
		t, ok := nextToken(rest)
		if !ok {
			if rest[0] >= 'a' && rest[0] <= 'z' || rest[0] >= 'A' && rest[0] <= 'Z' {
				if rest[0] == 'T' {
					b.WriteByte('T')
					rest = rest[1:]
					continue
				}
				return "", false, fmt.Errorf("%q in the date format %q is not known; letters are yyyy MM dd HH mm ss SSS XXX, or use iso, unix or unix_ms", rest[:1], pattern)
			}
			if !notDigit(rune(rest[0])) {
				return "", false, fmt.Errorf("the date format %q holds a digit; write letters, for example yyyy-MM-dd HH:mm:ss", pattern)
			}
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		rest = rest[len(t.letters):]
		if t.field == "minute" && !told["hour"] && !told["month"] {
			t = token{t.letters, map[string]string{"mm": "01", "m": "1"}[t.letters], "month"}
		}
		if told[t.field] {
			return "", false, fmt.Errorf("the date format %q tells the %s twice", pattern, t.field)
		}
		told[t.field] = true
		if t.field == "hour" && !strings.Contains(pattern, "a") {
			t.layout = "15" // people write hh for the hour of 24 too
		}
		if t.field == "fraction" && !strings.HasSuffix(b.String(), ".") && !strings.HasSuffix(b.String(), ",") {
			return "", false, fmt.Errorf("in the date format %q a point or comma must stand before %s", pattern, t.letters)
		}
		b.WriteString(t.layout)
	}
	for _, field := range []string{"year", "month", "day"} {
		if !told[field] {
			return "", false, fmt.Errorf("the date format %q does not tell the %s", pattern, field)
		}
	}
	if told["half"] != strings.Contains(b.String(), halfDay) {
		return "", false, fmt.Errorf("the date format %q: a (AM or PM) needs hh, the hour of twelve", pattern)
	}
	return strings.ReplaceAll(b.String(), halfDay, ""), told["offset"], nil
}

func nextToken(rest string) (token, bool) {
	for _, t := range dateTokens {
		if strings.HasPrefix(rest, t.letters) {
			return t, true
		}
	}
	return token{}, false
}

// Parse reads a time in the first format that fits. A wall-clock time that the zone skips (spring) is an error; one that
// it has twice (autumn) is the earlier.
func (m moments) Parse(cell string) (time.Time, error) {
	cell = strings.TrimSpace(cell)
	var first error
	for _, f := range m.formats {
		t, err := f.parse(cell, m.zone)
		if err == nil {
			if y := t.Year(); y < firstYear || y > lastYear {
				return time.Time{}, fmt.Errorf("the year would be %d: the date format does not fit", y)
			}
			return t.UTC().Truncate(time.Microsecond), nil
		}
		if first == nil || errors.Is(err, errSkipped) {
			first = err
		}
	}
	return time.Time{}, first
}

var errSkipped = errors.New("this time does not exist: the clocks were put forward over it; check the zone")

func (f dateFormat) parse(cell string, zone *time.Location) (time.Time, error) {
	if f.unit != 0 {
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil || n < 0 || n > int64(1<<53) {
			return time.Time{}, fmt.Errorf("it is no whole number of %ss since 1970", f.unit)
		}
		if f.unit == time.Second {
			return time.Unix(n, 0), nil
		}
		return time.UnixMilli(n), nil
	}
	iso := f.pattern == "iso"
	for _, layout := range f.layouts {
		if iso && strings.HasSuffix(layout, "Z07:00") != offsetBehind(cell) {
			continue // each text fits one of the two, and to see that a text does not fit costs more than to read it
		}
		wall, err := time.Parse(layout, cell)
		if err != nil {
			continue
		}
		if f.zoned || strings.HasSuffix(layout, "Z07:00") {
			return wall, nil
		}
		return inZone(wall, zone)
	}
	if f.pattern == "iso" {
		return time.Time{}, errors.New(`it does not fit the date format "iso", as in 2026-03-01T14:05:00 or 2026-03-01`)
	}
	return time.Time{}, fmt.Errorf("it does not fit the date format %q", f.pattern)
}

// offsetBehind says that an ISO time ends with its distance from UTC: Z or +02:00.
func offsetBehind(cell string) bool {
	n := len(cell)
	return n > 0 && cell[n-1] == 'Z' || n > 6 && (cell[n-6] == '+' || cell[n-6] == '-') && cell[n-3] == ':'
}

// inZone gives the instant at which clocks in the zone showed this wall time.
func inZone(wall time.Time, zone *time.Location) (time.Time, error) {
	if zone == time.UTC {
		return wall, nil
	}
	same := func(t time.Time) bool {
		_, offset := t.In(zone).Zone()
		return t.Add(time.Duration(offset) * time.Second).UTC().Equal(wall)
	}
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	if !same(t) {
		return time.Time{}, errSkipped
	}
	// Zones shift by an hour, Lord Howe Island by half of one.
	for _, shift := range []time.Duration{time.Hour, 30 * time.Minute} {
		if earlier := t.Add(-shift); same(earlier) {
			return earlier, nil
		}
	}
	return t, nil
}
