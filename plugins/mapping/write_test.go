package mapping

import (
	"testing"
	"time"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	moment := time.Date(2026, 7, 4, 18, 5, 1, 0, time.UTC)
	for _, format := range []string{"", "iso", "unix", "unix_ms", "dd.MM.yyyy HH:mm:ss", "MM/dd/yyyy hh:mm:ss a"} {
		clock, err := NewClock(format, "Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		if format == "" {
			format = "iso"
		}
		written := clock.Format(moment)
		if got, err := parser(t, "Europe/Berlin", format).Parse(written); err != nil || !got.Equal(moment) {
			t.Errorf("%s: %s is read as %s, %v", format, written, got, err)
		}
	}
	german := Number{Decimal: ",", Group: "."}
	if got, err := german.Parse(german.Format("1234.5")); err != nil || got != "1234.5" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := NewClock("dd.MM", ""); err == nil {
		t.Error("a format without a year was taken")
	}
	if _, err := NewClock("", "Europe/Nowhere"); err == nil {
		t.Error("an unknown zone was taken")
	}
}
