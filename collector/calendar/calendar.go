// Package calendar reckons with working time: when so many working hours have passed, and how many lie between two moments. It is pure:
// the time zones are those built into the program, and nobody's clock is asked.
package calendar

import (
	"cmp"
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // the same zones on every machine; Windows has none of its own
)

// Span is a stretch of working time by the wall clock, in minutes from the midnight that its day begins with: 480 to 1020 is 08:00 to
// 17:00, and 1320 to 1800 goes on until six the next morning.
type Span struct {
	From, To int
}

// Date is a day of the calendar. Year 0 is every year.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// Calendar says when people work. Nil is round the clock. It does not change and is safe for concurrent use.
type Calendar struct {
	zone  *time.Location
	week  [7][]Span
	dates map[Date][]Span
}

// New makes a calendar of the hours of each weekday (Sunday is 0) and of dates that differ from their weekday: one without hours is a
// holiday. There must be working time on some weekday, and no stretch may reach into the next.
func New(zone *time.Location, week [7][]Span, dates map[Date][]Span) (*Calendar, error) {
	c := &Calendar{zone: zone, dates: make(map[Date][]Span, len(dates))}
	working := false
	for day, spans := range week {
		sorted, err := ordered(spans)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", time.Weekday(day), err)
		}
		c.week[day], working = sorted, working || len(sorted) > 0
	}
	if !working {
		return nil, fmt.Errorf("no weekday has working hours")
	}
	for day := range c.week {
		if err := apart(c.week[day], c.week[(day+1)%7]); err != nil {
			return nil, fmt.Errorf("%s: %w", time.Weekday(day), err)
		}
	}
	for date, spans := range dates {
		sorted, err := ordered(spans)
		if err != nil {
			return nil, fmt.Errorf("%d-%02d-%02d: %w", date.Year, date.Month, date.Day, err)
		}
		c.dates[date] = sorted
	}
	return c, nil
}

// day is the length of one in minutes by the wall clock.
const day = 24 * 60

func ordered(spans []Span) ([]Span, error) {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	for i, s := range sorted {
		switch {
		case s.From < 0 || s.From >= day || s.To <= s.From || s.To > s.From+day:
			return nil, fmt.Errorf("working hours from minute %d to %d are not within a day of their beginning", s.From, s.To)
		case i > 0 && sorted[i-1].To > s.From:
			return nil, fmt.Errorf("working hours overlap")
		}
	}
	return sorted, nil
}

func apart(today, tomorrow []Span) error {
	if len(today) > 0 && len(tomorrow) > 0 && today[len(today)-1].To-day > tomorrow[0].From {
		return fmt.Errorf("working hours overlap those of the next day")
	}
	return nil
}

// Add is when d of working time has passed after t: t itself where d is not positive.
func (c *Calendar) Add(t time.Time, d time.Duration) time.Time {
	if c == nil || d <= 0 {
		return t.Add(max(d, 0))
	}
	end := t
	c.walk(t, func(from, to time.Time) bool {
		if left := to.Sub(from); left < d {
			d -= left
			return true
		}
		end = from.Add(d)
		return false
	})
	return end.In(t.Location())
}

// Next is t where people work at t, else the moment at which they begin next.
func (c *Calendar) Next(t time.Time) time.Time {
	if c == nil {
		return t
	}
	next := t
	c.walk(t, func(from, _ time.Time) bool {
		next = from
		return false
	})
	return next.In(t.Location())
}

// Between is how much working time lies between a and b; where b is before a it is negative.
func (c *Calendar) Between(a, b time.Time) time.Duration {
	switch {
	case c == nil:
		return b.Sub(a)
	case b.Before(a):
		return -c.Between(b, a)
	}
	var total time.Duration
	c.walk(a, func(from, to time.Time) bool {
		if to.After(b) {
			to = b
		}
		if !to.After(from) {
			return false
		}
		total += to.Sub(from)
		return true
	})
	return total
}

// walk calls f with each stretch of working time after t, the first one cut at t, until f says no.
func (c *Calendar) walk(t time.Time, f func(from, to time.Time) bool) {
	local := t.In(c.zone)
	y, m, d := local.Date()
	done := t
	for i := -1; ; i++ { // last night's hours may reach into today
		today := time.Date(y, m, d+i, 12, 0, 0, 0, time.UTC)
		for _, s := range c.of(today) {
			from, to := c.at(today, s.From), c.at(today, s.To)
			if from.Before(done) {
				from = done
			}
			if !to.After(from) {
				continue
			}
			done = to
			if !f(from, to) {
				return
			}
		}
	}
}

// of are the hours of a day.
func (c *Calendar) of(t time.Time) []Span {
	y, m, d := t.Date()
	if spans, ok := c.dates[Date{y, m, d}]; ok {
		return spans
	}
	if spans, ok := c.dates[Date{0, m, d}]; ok {
		return spans
	}
	return c.week[t.Weekday()]
}

// at is the first moment at which the clocks of the zone show at least so many minutes after midnight of a day: where they are put
// forward over it the moment of that, where they show it twice the first.
func (c *Calendar) at(date time.Time, minutes int) time.Time {
	y, m, d := date.Date()
	wall := time.Date(y, m, d, 0, minutes, 0, 0, time.UTC)
	_, before := wall.Add(-day * time.Minute).In(c.zone).Zone()
	_, after := wall.Add(day * time.Minute).In(c.zone).Zone()
	first, second := c.shown(wall, max(before, after)), c.shown(wall, min(before, after))
	switch {
	case !first.IsZero():
		return first
	case !second.IsZero():
		return second
	}
	start, _ := wall.Add(-time.Duration(before) * time.Second).In(c.zone).ZoneBounds()
	return start
}

// shown is the moment at which the clocks show wall while they are offset seconds before UTC; zero where they are not at that moment.
func (c *Calendar) shown(wall time.Time, offset int) time.Time {
	t := wall.Add(-time.Duration(offset) * time.Second).In(c.zone)
	if _, now := t.Zone(); now != offset {
		return time.Time{}
	}
	return t
}
