package mapping

import (
	"strings"
	"testing"
	"time"
)

func parser(t testing.TB, zone string, patterns ...string) moments {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	m := moments{zone: location}
	for _, p := range patterns {
		f, err := compileFormat(p)
		if err != nil {
			t.Fatal(err)
		}
		m.formats = append(m.formats, f)
	}
	return m
}

func TestDateParse(t *testing.T) {
	for _, c := range []struct{ zone, pattern, cell, want string }{
		{"Europe/Berlin", "dd.MM.yyyy HH:mm:ss", "24.12.2026 08:30:00", "2026-12-24T07:30:00Z"},
		{"Europe/Berlin", "dd.mm.yyyy hh:mm", "04.07.2026 18:05", "2026-07-04T16:05:00Z"},
		{"Europe/Berlin", "d.M.yyyy", "4.7.2026", "2026-07-03T22:00:00Z"},
		{"America/Chicago", "MM/dd/yyyy hh:mm a", "07/04/2026 06:05 PM", "2026-07-04T23:05:00Z"},
		{"UTC", "yyyyMMddHHmmss", "20260704180501", "2026-07-04T18:05:01Z"},
		{"UTC", "yyyy-MM-dd HH:mm:ss.SSS", "2026-07-04 18:05:01.250", "2026-07-04T18:05:01.25Z"},
		{"UTC", "yyyy-MM-ddTHH:mm:ssXXX", "2026-07-04T18:05:01+02:00", "2026-07-04T16:05:01Z"},
		{"UTC", "dd-MMM-yy", "04-Jul-26", "2026-07-04T00:00:00Z"},
		{"Europe/Berlin", "iso", "2026-07-04T18:05:01", "2026-07-04T16:05:01Z"},
		{"Europe/Berlin", "iso", "2026-07-04 18:05", "2026-07-04T16:05:00Z"},
		{"Europe/Berlin", "iso", "2026-07-04T18:05:01.123456Z", "2026-07-04T18:05:01.123456Z"},
		{"Europe/Berlin", "iso", "2026-07-04", "2026-07-03T22:00:00Z"},
		{"UTC", "unix", "1783188301", "2026-07-04T18:05:01Z"},
		{"UTC", "unix_ms", "1783188301250", "2026-07-04T18:05:01.25Z"},
		// The hour that autumn has twice is the earlier; the one that spring skips does not exist.
		{"Europe/Berlin", "iso", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "iso", "2026-03-29T02:30:00", ""},
		{"Australia/Lord_Howe", "iso", "2026-04-05T01:45:00", "2026-04-04T14:45:00Z"},
		{"UTC", "dd.MM.yyyy", "30.02.2026", ""}, {"UTC", "dd.MM.yyyy", "2026-02-03", ""}, {"UTC", "dd.MM.yyyy", "", ""},
		{"UTC", "dd.MM.yyyy", "03.02.0026", ""}, {"UTC", "unix", "12.5", ""}, {"UTC", "unix", "17", ""}, {"UTC", "unix", "-5", ""},
	} {
		got, err := parser(t, c.zone, c.pattern).Parse(c.cell)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s %q: got %s, want a fault", c.pattern, c.cell, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s %q in %s: got %s, %v; want %s", c.pattern, c.cell, c.zone, got.Format(time.RFC3339Nano), err, c.want)
		}
	}
}

func TestDateFormatsAreTriedInOrder(t *testing.T) {
	m := parser(t, "UTC", "dd.MM.yyyy HH:mm", "dd.MM.yyyy")
	for _, cell := range []string{"04.07.2026 18:05", "04.07.2026"} {
		if _, err := m.Parse(cell); err != nil {
			t.Errorf("%s: %v", cell, err)
		}
	}
}

func TestDateFormatFaults(t *testing.T) {
	for pattern, want := range map[string]string{
		"dd.MM": "year", "yyyy": "month", "dd.MM.yyyy qq": "\"q\"", "dd.dd.yyyy MM": "twice", "2006-01-02": "digit",
		"dd.MM.yyyy HH:mm a": "hh", "dd.MM.yyyy HH:mm:ssSSS": "point", "": "year",
	} {
		if _, err := compileFormat(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want a fault that speaks of %s", pattern, err, want)
		}
	}
}

func FuzzDateParse(f *testing.F) {
	f.Add("dd.MM.yyyy HH:mm:ss", "24.12.2026 08:30:00")
	f.Add("hh:mm a dd/MM/yy", "11:59 PM 01/02/26")
	f.Add("iso", "2026-10-25T02:30:00")
	f.Add("unix_ms", "1783188301250")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, pattern, cell string) {
		format, err := compileFormat(pattern)
		if err != nil {
			return
		}
		got, err := moments{[]dateFormat{format}, berlin}.Parse(cell)
		if err == nil && (got.Year() < firstYear || got.Year() > lastYear || got.Nanosecond()%1000 != 0) {
			t.Errorf("%q %q gave %s", pattern, cell, got)
		}
	})
}
