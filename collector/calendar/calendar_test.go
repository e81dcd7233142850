package calendar_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/calendar"
)

func berlin(t *testing.T) *calendar.Calendar {
	t.Helper()
	return compile(t, calendar.Spec{Zone: "Europe/Berlin", Hours: map[string]string{"mon-fri": "08:00-12:00, 13:00-17:00", "sat": "22:00-04:00"},
		Holidays: []string{"12-25", "2026-12-28"}, Days: map[string]string{"2026-12-24": "08:00-10:00"}})
}

func compile(t *testing.T, s calendar.Spec) *calendar.Calendar {
	t.Helper()
	c, faults := s.Compile()
	if len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	return c
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	moment, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// Summer time began on 2026-03-29 at 02:00 and ended on 2026-10-25 at 03:00: the night shift of the Saturday before is an hour shorter
// or longer than six.
func TestWorkingTimePasses(t *testing.T) {
	c := berlin(t)
	for _, s := range []struct {
		name, from string
		add        time.Duration
		want       string
	}{
		{"within the morning", "2026-11-24 08:30", time.Hour, "2026-11-24 09:30"},
		{"to the end of the morning", "2026-11-24 11:00", time.Hour, "2026-11-24 12:00"},
		{"over lunch", "2026-11-24 11:30", time.Hour, "2026-11-24 13:30"},
		{"from before work", "2026-11-24 03:00", time.Hour, "2026-11-24 09:00"},
		{"over the night", "2026-11-24 16:30", time.Hour, "2026-11-25 08:30"},
		{"Friday into the night shift", "2026-11-20 16:30", time.Hour, "2026-11-21 22:30"},
		{"night shift into Monday", "2026-11-22 03:00", 2 * time.Hour, "2026-11-23 09:00"},
		{"a short day, a holiday, a night shift and a holiday", "2026-12-24 09:00", 8 * time.Hour, "2026-12-29 09:00"},
		{"the night in which an hour is missing", "2026-03-28 22:00", 6 * time.Hour, "2026-03-30 09:00"},
		{"the night with an hour more", "2026-10-24 22:00", 7 * time.Hour, "2026-10-25 04:00"},
		{"nothing", "2026-11-22 12:00", 0, "2026-11-22 12:00"},
	} {
		if got := c.Add(at(t, s.from), s.add); !got.Equal(at(t, s.want)) {
			t.Errorf("%s: %s and %s is %s, want %s", s.name, s.from, s.add, got, s.want)
		}
	}
	if got := c.Next(at(t, "2026-12-25 12:00")); !got.Equal(at(t, "2026-12-26 22:00")) {
		t.Errorf("after Christmas work begins %s", got)
	}
	if got := c.Next(at(t, "2026-11-24 08:30")); !got.Equal(at(t, "2026-11-24 08:30")) {
		t.Errorf("at work, the next moment is %s", got)
	}
	if got := c.Between(at(t, "2026-11-20 16:00"), at(t, "2026-11-23 09:00")); got != 8*time.Hour {
		t.Errorf("from Friday to Monday %s of work", got)
	}
	if got := c.Between(at(t, "2026-11-23 09:00"), at(t, "2026-11-23 08:00")); got != -time.Hour {
		t.Errorf("backwards %s", got)
	}
}

// A working day that begins at an hour which the clocks leave out, or show twice.
func TestHoursThatTheClockLeavesOutOrShowsTwice(t *testing.T) {
	c := compile(t, calendar.Spec{Zone: "Europe/Berlin", Hours: map[string]string{"mon-sun": "02:30-03:30"}})
	if got := c.Next(at(t, "2026-03-29 00:00")); !got.Equal(at(t, "2026-03-29 03:00")) {
		t.Errorf("left out: begins %s", got)
	}
	if got := c.Between(at(t, "2026-03-29 00:00"), at(t, "2026-03-30 00:00")); got != 30*time.Minute {
		t.Errorf("left out: %s of work", got)
	}
	if got := c.Between(at(t, "2026-10-25 00:00"), at(t, "2026-10-26 00:00")); got != 2*time.Hour {
		t.Errorf("shown twice: %s of work", got)
	}
	never := compile(t, calendar.Spec{Zone: "America/Sao_Paulo", Hours: map[string]string{"mon-sun": "00:00-24:00"}})
	from := time.Date(2017, 10, 10, 0, 0, 0, 0, time.UTC) // midnight itself is left out on the 15th
	if got := never.Between(from, from.Add(240*time.Hour)); got != 240*time.Hour {
		t.Errorf("round the clock over a midnight that is not there: %s", got)
	}
}

func TestRoundTheClock(t *testing.T) {
	var c *calendar.Calendar
	now := at(t, "2026-11-22 12:00")
	if !c.Add(now, time.Hour).Equal(now.Add(time.Hour)) || c.Between(now, now.Add(time.Minute)) != time.Minute || !c.Next(now).Equal(now) {
		t.Error("without a calendar time is not time")
	}
}

// Whatever the calendar and the moments: what has been added lies between, and the moment reached is the first.
func TestAddAndBetweenAgree(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/Chicago", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", ""} {
		c := compile(t, calendar.Spec{Zone: zone, Hours: map[string]string{"mon-thu": "03:30-04:15, 22:30-02:45", "sat": "00:00-24:00"}, Holidays: []string{"2026-04-04"}})
		r := rand.New(rand.NewPCG(7, uint64(len(zone))))
		start := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 2000 {
			from := start.Add(time.Duration(r.Int64N(int64(12 * 365 * 24 * time.Hour))))
			d := time.Duration(1 + r.Int64N(int64(60*time.Hour)))
			to := c.Add(from, d)
			if got := c.Between(from, to); got != d {
				t.Fatalf("%s: %s and %s of work is %s, between them lies %s", zone, from, d, to, got)
			}
			if got := c.Between(from, to.Add(-1)); got != d-1 {
				t.Fatalf("%s: %s and %s of work is %s, but is reached before", zone, from, d, to)
			}
			if next := c.Next(from); c.Between(from, next) != 0 || c.Between(next, next.Add(1)) != 1 {
				t.Fatalf("%s: after %s work begins %s", zone, from, next)
			}
		}
	}
}

func TestFaultsOfACalendar(t *testing.T) {
	for key, s := range map[string]calendar.Spec{
		"zone":          {Zone: "Mars/Olympus", Hours: map[string]string{"mon": "08:00-17:00"}},
		"hours":         {},
		"hours.someday": {Hours: map[string]string{"someday": "08:00-17:00", "mon": "08:00-17:00"}},
		"hours.mon":     {Hours: map[string]string{"mon": "8-17"}},
		"holidays[0]":   {Hours: map[string]string{"mon": "08:00-17:00"}, Holidays: []string{"25.12."}},
		"days.02-30":    {Hours: map[string]string{"mon": "08:00-17:00"}, Days: map[string]string{"02-30": ""}},
	} {
		if _, faults := s.Compile(); len(faults) != 1 || faults[0].Key != key {
			t.Errorf("%s: %+v", key, faults)
		}
	}
	for name, hours := range map[string]string{"a day": "08:00-12:00, 11:00-13:00", "the night": "06:00-07:00, 22:00-06:30"} {
		if _, faults := (calendar.Spec{Hours: map[string]string{"mon-sun": hours}}).Compile(); len(faults) == 0 {
			t.Errorf("hours of %s overlap", name)
		}
	}
}
