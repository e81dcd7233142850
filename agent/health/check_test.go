package health_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestChecksShowAfterTheirTime(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	tables := []struct {
		name string
		f    health.Facts
		want []string
	}{
		{"all is well", health.Facts{Connected: true, Greeted: true, JournalLimit: 100, JournalBytes: 10}, nil},
		{"a short cut is not shown", health.Facts{LineChanged: now.Add(-10 * time.Second)}, nil},
		{"a long cut is", health.Facts{LineChanged: now.Add(-30 * time.Second)}, []string{"line_down"}},
		{"filling", health.Facts{Connected: true, Greeted: true, JournalLimit: 100, JournalBytes: 85}, []string{"journal_filling"}},
		{"full", health.Facts{Connected: true, Greeted: true, JournalLimit: 100, JournalBytes: 99}, []string{"journal_full"}},
		{"fresh events wait a moment", health.Facts{Connected: true, Greeted: true, Waiting: 5, OldestAt: now.Add(-time.Second)}, nil},
		{"nobody acknowledges", health.Facts{Connected: true, Greeted: true, Waiting: 5, OldestAt: now.Add(-time.Hour), LineChanged: now.Add(-time.Hour)}, []string{"not_acknowledged", "oldest_event"}},
		{"it acknowledges, slowly", health.Facts{Connected: true, Greeted: true, Waiting: 5, OldestAt: now.Add(-30 * time.Minute), LastAckAt: now.Add(-time.Second)}, nil},
		{"the broker is there alone", health.Facts{Connected: true, LineChanged: now.Add(-time.Hour)}, nil},
		{"old events on a fresh line", health.Facts{Connected: true, Greeted: true, Waiting: 5, OldestAt: now.Add(-30 * time.Minute), LineChanged: now.Add(-time.Second)}, nil},
		{"taken over", health.Facts{LineChanged: now.Add(-time.Second), Line: health.Line{TakenOverAt: now.Add(-time.Second), NextAttempt: now.Add(time.Minute)}}, []string{"session_taken_over"}},
		{"taken over, and back since a moment", health.Facts{Connected: true, Greeted: true, Line: health.Line{TakenOverAt: now.Add(-time.Minute)}}, []string{"session_taken_over"}},
		{"comes and goes", health.Facts{Connected: true, Greeted: true, Line: health.Line{ShortLinks: 5}}, []string{"line_flaps"}},
		{"denied and too large", health.Facts{Connected: true, Greeted: true, LineChanged: now.Add(-time.Minute), Line: health.Line{Denied: "quota", TooLarge: 1, TooLargeText: "event 7"}},
			[]string{"broker_refuses", "event_too_large"}},
		{"not a byte is left", health.Facts{Connected: true, Greeted: true, DiskKnown: true}, []string{"disk_full"}},
		{"room enough", health.Facts{Connected: true, Greeted: true, DiskKnown: true, DiskFree: 1 << 40}, nil},
		{"disk and certificate", health.Facts{Connected: true, Greeted: true, DiskKnown: true, DiskFree: 1 << 20, CertificateEnds: now.Add(24 * time.Hour)}, []string{"disk_low", "certificate_ends"}},
		{"the certificate has ended", health.Facts{Connected: true, Greeted: true, CertificateEnds: now.Add(-time.Hour)}, []string{"certificate_expired"}},
		{"the certificate is gone", health.Facts{Connected: true, Greeted: true, CertificateFault: "no such file"}, []string{"certificate_unreadable"}},
		{"the ERP is down", health.Facts{Connected: true, Greeted: true, Open: health.Open{Logged: 7, Held: 2, HeldText: "erp: does not answer", HeldSince: now.Add(-time.Minute)}}, []string{"erp_waits"}},
		{"refused, and old", health.Facts{Connected: true, Greeted: true, Open: health.Open{Logged: 1, Refused: 1, Exceptions: 1, OldestAt: now.Add(-48 * time.Hour)}}, []string{"erp_refused", "erp_late"}},
		{"the clock is ahead", health.Facts{Connected: true, Greeted: true, ClockKnown: true, ClockAhead: time.Minute}, []string{"clock_wrong"}},
		{"the clock is behind", health.Facts{Connected: true, Greeted: true, ClockKnown: true, ClockAhead: -11 * time.Second}, []string{"clock_wrong"}},
		{"a little is no matter", health.Facts{Connected: true, Greeted: true, ClockKnown: true, ClockAhead: 9 * time.Second}, nil},
		{"files were set aside", health.Facts{Connected: true, Greeted: true, JournalAside: 1}, []string{"journal_damaged"}},
		{"a day is left", health.Facts{LineChanged: now.Add(-time.Second), DaysUntilFull: proto.Float64(1)}, []string{"journal_days"}},
		{"a day would be left", health.Facts{Connected: true, Greeted: true, DaysUntilFull: proto.Float64(1)}, nil},
		{"an old collector", health.Facts{Connected: true, Greeted: true, AgentVersion: "v2.0.0", CollectorVersion: "1.9.3"}, []string{"version_mismatch"}},
		{"a build without a version", health.Facts{Connected: true, Greeted: true, AgentVersion: "dev", CollectorVersion: "1.9.3"}, nil},
		{"devices", health.Facts{Connected: true, Greeted: true, Plugins: []*docklinev1.PluginHealth{{Id: "wms", State: "running", LastEventAt: timestamppb.New(now.Add(-13 * time.Hour)), Devices: []*docklinev1.DeviceHealth{
			{Id: "wms", Kind: "wms", ChangedAt: timestamppb.New(now.Add(-time.Minute))}, {Id: "outbound", Kind: "folder", Reachable: true},
			{Id: "scanner-03", Kind: "scanner", ChangedAt: timestamppb.New(now.Add(-time.Minute)), LastSeenAt: timestamppb.New(now)},
			{Id: "scanner-04", Kind: "scanner", Reachable: true, BatteryPercent: proto.Uint32(9)}}}}}, []string{"wms_unreachable", "scanner_unreachable", "plugin_silent", "battery_low"}},
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

// What has no time of its own shows once it has been found for long enough, with the time when it was found first.
func TestABoardRemembersSinceWhen(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	var board health.Board
	f := health.Facts{Connected: true, Now: now}
	if got := board.Evaluate(f); len(got) != 0 {
		t.Fatalf("at once: %v", got)
	}
	f.Now = now.Add(25 * time.Second)
	got := board.Evaluate(f)
	if len(got) != 1 || got[0].GetCode() != "collector_silent" || !got[0].GetSince().AsTime().Equal(now) {
		t.Fatalf("after 25 s: %v", got)
	}
	f.Greeted = true
	if got := board.Evaluate(f); len(got) != 0 {
		t.Fatalf("it answers: %v", got)
	}
	f.Greeted = false
	if got := board.Evaluate(f); len(got) != 0 {
		t.Fatalf("a new silence begins anew: %v", got)
	}
}

// Every check says what is looked at and what to do; no code stands twice.
func TestChecksAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range health.Checks {
		if seen[c.Code] || c.Title == "" || c.Watches == "" || c.Remedy == "" || c.Severity == 0 {
			t.Errorf("%+v", c)
		}
		seen[c.Code] = true
	}
}
