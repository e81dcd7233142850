package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Spec is a calendar as people write it.
type Spec struct {
	// Zone is an IANA name: "Europe/Berlin". Empty is UTC.
	Zone string `yaml:"zone"`
	// Hours are by weekday or weekdays: "mon-fri": "08:00-12:00, 13:00-17:00", "sat": "22:00-06:00". A day without is free.
	Hours map[string]string `yaml:"hours"`
	// Holidays are free days: "2026-12-25", or "12-25" for every year.
	Holidays []string `yaml:"holidays"`
	// Days are days with other hours than their weekday: "2026-12-24": "08:00-12:00".
	Days map[string]string `yaml:"days"`
}

// Fault is what is wrong with a Spec, and under which key of it.
type Fault struct {
	Key, Text string
}

var weekdays = map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

// Compile makes the calendar of a Spec, or says everything that is wrong with it.
func (s Spec) Compile() (*Calendar, []Fault) {
	var faults []Fault
	bad := func(key string, err error) {
		if err != nil {
			faults = append(faults, Fault{key, err.Error()})
		}
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "Local" { // the machine's zone would make two collectors reckon differently
		bad("zone", fmt.Errorf("%q is no time zone; write an IANA name like Europe/Berlin", s.Zone))
	}
	var week [7][]Span
	named := make(map[int]string)
	for names, text := range s.Hours {
		days, err := parseDays(names)
		bad("hours."+names, err)
		spans, err := parseSpans(text)
		bad("hours."+names, err)
		for _, d := range days {
			if named[d] != "" {
				bad("hours."+names, fmt.Errorf("%s is there twice, also under %s", time.Weekday(d), named[d]))
			}
			week[d], named[d] = spans, names
		}
	}
	dates := make(map[Date][]Span)
	for text, hours := range s.Days {
		date, err := parseDate(text)
		bad("days."+text, err)
		dates[date], err = parseSpans(hours)
		bad("days."+text, err)
	}
	for i, text := range s.Holidays {
		date, err := parseDate(text)
		bad(fmt.Sprintf("holidays[%d]", i), err)
		if _, twice := dates[date]; twice && err == nil {
			bad(fmt.Sprintf("holidays[%d]", i), fmt.Errorf("%s is there twice", text))
		}
		dates[date] = nil
	}
	if len(faults) > 0 {
		return nil, faults
	}
	c, err := New(zone, week, dates)
	bad("hours", err)
	return c, faults
}

// parseDays reads "sat" or "mon-fri"; a range may go over the week's end.
func parseDays(text string) ([]int, error) {
	from, to, _ := strings.Cut(strings.ToLower(text), "-")
	if to == "" {
		to = from
	}
	first, ok1 := weekdays[strings.TrimSpace(from)]
	last, ok2 := weekdays[strings.TrimSpace(to)]
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%q: write a weekday or a range: mon, tue, wed, thu, fri, sat, sun, mon-fri", text)
	}
	days := []int{first}
	for d := first; d != last; {
		d = (d + 1) % 7
		days = append(days, d)
	}
	return days, nil
}

// parseSpans reads "08:00-12:00, 13:00-17:00"; an end that is not after the beginning is on the next day, 24:00 is midnight.
func parseSpans(text string) ([]Span, error) {
	var spans []Span
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		from, to, ok := strings.Cut(part, "-")
		begin, err1 := parseClock(from)
		end, err2 := parseClock(to)
		if !ok || err1 != nil || err2 != nil || begin == day {
			return nil, fmt.Errorf("%q: write hours like 08:00-17:00", part)
		}
		if end <= begin {
			end += day
		}
		spans = append(spans, Span{begin, end})
	}
	return spans, nil
}

func parseClock(text string) (int, error) {
	hours, minutes, ok := strings.Cut(strings.TrimSpace(text), ":")
	h, err1 := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(minutes)
	if !ok || err1 != nil || err2 != nil || len(minutes) != 2 || h < 0 || m < 0 || m > 59 || h*60+m > day {
		return 0, fmt.Errorf("%q is no time of day", text)
	}
	return h*60 + m, nil
}

func parseDate(text string) (Date, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return Date{t.Year(), t.Month(), t.Day()}, nil
	}
	t, err := time.Parse(time.DateOnly, "2000-"+text) // a leap year
	if err != nil {
		return Date{}, fmt.Errorf("%q: write a date like 2026-12-25, or 12-25 for every year", text)
	}
	return Date{0, t.Month(), t.Day()}, nil
}
