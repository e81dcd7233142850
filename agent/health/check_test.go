package health_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/health"
)

func TestChecksShowAfterTheirTime(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	tables := []struct {
		name string
		f    health.Facts
		want []string
	}{
		{"all is well", health.Facts{Connected: true, JournalLimit: 100, JournalBytes: 10}, nil},
		{"a short cut is not shown", health.Facts{LineChanged: now.Add(-10 * time.Second)}, nil},
		{"a long cut is", health.Facts{LineChanged: now.Add(-30 * time.Second)}, []string{"line_down"}},
		{"filling", health.Facts{Connected: true, JournalLimit: 100, JournalBytes: 85}, []string{"journal_filling"}},
		{"full", health.Facts{Connected: true, JournalLimit: 100, JournalBytes: 99}, []string{"journal_full"}},
		{"fresh events wait a moment", health.Facts{Connected: true, Waiting: 5, OldestAt: now.Add(-time.Second)}, nil},
		{"nobody acknowledges", health.Facts{Connected: true, Waiting: 5, OldestAt: now.Add(-time.Hour), LineChanged: now.Add(-time.Hour)}, []string{"not_acknowledged"}},
		{"old events on a fresh line", health.Facts{Connected: true, Waiting: 5, OldestAt: now.Add(-time.Hour), LineChanged: now.Add(-time.Second)}, nil},
		{"taken over", health.Facts{LineChanged: now.Add(-time.Second), Line: health.Line{TakenOverAt: now.Add(-time.Second), NextAttempt: now.Add(time.Minute)}}, []string{"session_taken_over"}},
		{"taken over, and back since a moment", health.Facts{Connected: true, Line: health.Line{TakenOverAt: now.Add(-time.Minute)}}, []string{"session_taken_over"}},
		{"comes and goes", health.Facts{Connected: true, Line: health.Line{ShortLinks: 5}}, []string{"line_flaps"}},
		{"denied and too large", health.Facts{Connected: true, LineChanged: now.Add(-time.Minute), Line: health.Line{Denied: "quota", TooLarge: 1, TooLargeText: "event 7"}},
			[]string{"broker_refuses", "event_too_large"}},
		{"not a byte is left", health.Facts{Connected: true, DiskKnown: true}, []string{"disk_full"}},
		{"room enough", health.Facts{Connected: true, DiskKnown: true, DiskFree: 1 << 40}, nil},
		{"disk and certificate", health.Facts{Connected: true, DiskKnown: true, DiskFree: 1 << 20, CertificateEnds: now.Add(24 * time.Hour)}, []string{"disk_low", "certificate_ends"}},
	}
	for _, tt := range tables {
		t.Run(tt.name, func(t *testing.T) {
			tt.f.Now = now
			var got []string
			for _, c := range health.Evaluate(tt.f) {
				got = append(got, c.GetCode())
				if c.GetText() == "" || c.GetTitle() == "" {
					t.Errorf("%s has no words", c.GetCode())
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("conditions %v, want %v", got, tt.want)
			}
		})
	}
}
