package health_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// shown is what a server of a test shows.
type shown struct {
	facts   health.Facts
	pending health.Pending
}

func (s *shown) report() *docklinev1.Heartbeat {
	f := s.facts
	h := &docklinev1.Heartbeat{Tenant: "acme", Site: "dc-east", Online: f.Connected, AgentVersion: "v1.4.0", JournalEvents: uint64(f.Waiting), JournalBytes: uint64(f.JournalBytes), JournalLimitBytes: uint64(f.JournalLimit),
		Plugins: f.Plugins, DaysUntilFull: f.DaysUntilFull, RefusedEvents: f.Open.Refused + f.Open.Exceptions, CapturedTotal: 48213, Conditions: health.Evaluate(f)}
	if !f.OldestAt.IsZero() {
		h.OldestEventAt = timestamppb.New(f.OldestAt)
	}
	if !f.Open.OldestAt.IsZero() {
		h.OldestUnconfirmedAt = timestamppb.New(f.Open.OldestAt)
	}
	return h
}

// serve starts the server and returns its address, without a slash at the end.
func serve(t *testing.T, s *shown) string {
	t.Helper()
	dir := t.TempDir()
	server := &health.Server{Listen: "127.0.0.1:0", DataDir: dir, Report: s.report, Facts: func() health.Facts { return s.facts },
		Pending: func() (*health.Pending, error) { s.pending.Sort(); return &s.pending, nil }, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "control")); err == nil && len(text) > 0 {
			address, _, _ := strings.Cut(string(text), " ")
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal("no control file")
		}
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func get(t *testing.T, url, host string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// outage is a site in the middle of a bad morning.
func outage(now time.Time) *shown {
	at := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	s := &shown{facts: health.Facts{Now: now, Started: at(600), LineChanged: at(47), Line: health.Line{Broker: "broker.example:8883", Reason: "dial tcp 192.0.2.7:8883: i/o timeout"},
		LastAckAt: at(48), ClockKnown: true, ClockAhead: 300 * time.Millisecond, AgentVersion: "v1.4.0", JournalBytes: 190 << 20, JournalLimit: 2 << 30, DaysUntilFull: proto.Float64(23.5),
		Waiting: 1834, OldestAt: at(47), Open: health.Open{Logged: 212, Refused: 1, Exceptions: 2, OldestAt: at(1600)}, DiskKnown: true, DiskFree: 81 << 30, CertificateEnds: now.Add(200 * 24 * time.Hour)}}
	for i := range 60 {
		e := &docklinev1.Event{Subject: fmt.Sprintf("SO%05d", 10017+i), Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, OccurredAt: timestamppb.New(at(47 - i%40))}
		s.pending.Here(e, now)
		if i%3 == 0 {
			s.pending.Here(e, now)
			s.pending.Here(&docklinev1.Event{Subject: e.Subject, Kind: docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, OccurredAt: e.OccurredAt}, now)
		}
	}
	logged, refused, exception := docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED, docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED, docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION
	s.pending.Receipt(&docklinev1.EventReceipt{Subject: "SO09981", Level: logged, EventKind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}, at(1600))
	s.pending.Receipt(&docklinev1.EventReceipt{Subject: "SO09990", Level: logged, EventKind: docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, Text: "erp: does not answer"}, at(90))
	s.pending.Receipt(&docklinev1.EventReceipt{Subject: "SO09975", Level: refused, EventKind: docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, Text: "The period 2026-10 is closed in the ERP. Ask accounting to open it, or date the shipment anew.",
		Origin: "ships-20261031.csv:14"}, at(2900))
	s.pending.Receipt(&docklinev1.EventReceipt{Subject: "SO09988", Level: exception, Exception: 4711, EventKind: docklinev1.EventKind_EVENT_KIND_PICK_SHORT, Text: "Picked short: 3 of 12 PCE of line 2 are missing"}, at(130))
	s.pending.Receipt(&docklinev1.EventReceipt{Subject: "", Level: exception, Exception: 4712, EventKind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Text: `Record refused: column qty: "1O" is no number`,
		Origin: "picks-20261103-0815.csv:231"}, at(95))
	device := func(id, kind string, ok bool, seen int, battery uint32, text string) *docklinev1.DeviceHealth {
		d := &docklinev1.DeviceHealth{Id: id, Kind: kind, Reachable: ok, LastSeenAt: timestamppb.New(at(seen)), ChangedAt: timestamppb.New(at(seen)), Text: text}
		if battery > 0 {
			d.BatteryPercent = proto.Uint32(battery)
		}
		return d
	}
	s.facts.Plugins = []*docklinev1.PluginHealth{
		{Id: "wms", State: "running", LastEventAt: timestamppb.New(at(1)), Devices: []*docklinev1.DeviceHealth{
			device("outbound", "folder", true, 1, 0, "/srv/wms/outbound"), device("inbound", "folder", true, 1, 0, "/srv/wms/inbound")}},
		{Id: "dock", State: "running", LastEventAt: timestamppb.New(at(0)), Devices: []*docklinev1.DeviceHealth{
			device("scanner-01", "scanner", true, 0, 88, ""), device("scanner-02", "scanner", true, 2, 9, ""),
			device("scanner-03", "scanner", false, 33, 41, "scanner-03 gives no sign of life. Is it switched on, charged, and within reach of the wireless network?")}},
		{Id: "counts", State: "restarting", Restarts: 3, Text: "exit status 2: cannot open /srv/wms/counts.db"},
	}
	return s
}

// What the page says, in words and pages, and what it never does: run what others wrote, load from elsewhere, answer a foreign name.
func TestThePageOfABadMorning(t *testing.T) {
	now := time.Now()
	s := outage(now)
	url := serve(t, s)
	status, text := get(t, url+"/", "")
	for _, want := range []string{"dc-east", "The broker cannot be reached", "nothing is lost", "broker.example:8883", "SO09981", "SO09990", "at the centre, waits: erp: does not answer", "waits for the line",
		"exception 4711", "picks-20261103-0815.csv:231", "24 days", "Scanner-03", "9 %", "Page 1 of 3", "2\u202f046", `http-equiv="refresh"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if status != http.StatusOK || strings.Contains(text, "SO10076") {
		t.Errorf("status %d, or the newest order stands on the first page", status)
	}
	if _, last := get(t, url+"/?orders=3", ""); !strings.Contains(last, "Page 3 of 3") || !strings.Contains(last, "?orders=2&amp;refused=1#orders") {
		t.Error("the last page is not there")
	}
	if _, all := get(t, url+"/?print=1", ""); strings.Contains(all, `http-equiv="refresh"`) || !strings.Contains(all, "SO10076") || !strings.Contains(all, "SO09981") {
		t.Error("not all is there for the printer, or it moves while it is printed")
	}
	for _, bad := range []string{"?orders=-1", "?orders=999999999999999999999", "?orders=x&refused=%00"} {
		if status, _ := get(t, url+"/"+bad, ""); status != http.StatusOK {
			t.Errorf("%s: %d", bad, status)
		}
	}
	for _, from := range []string{"http://", "https://", "//", "<script", "src="} {
		if strings.Contains(text, from) {
			t.Errorf("the page names %q: it needs nothing from elsewhere", from)
		}
	}
}

func TestHostileTextIsText(t *testing.T) {
	const hostile = `<img src=x onerror=alert(1)>"'</td></table><script>alert(2)</script>`
	now := time.Now()
	s := &shown{facts: health.Facts{Now: now, Started: now, Connected: true, Greeted: true, Line: health.Line{Reason: hostile, ShortLinks: 9, Broker: hostile}, Waiting: 1,
		Reported: []*docklinev1.Condition{{Code: hostile, Title: hostile, Text: hostile, Severity: docklinev1.Severity_SEVERITY_ERROR}},
		Plugins:  []*docklinev1.PluginHealth{{Id: hostile, State: hostile, Text: hostile, Devices: []*docklinev1.DeviceHealth{{Id: hostile, Kind: hostile, Text: hostile}}}}}}
	s.pending.Here(&docklinev1.Event{Subject: hostile, Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED}, now)
	s.pending.Receipt(&docklinev1.EventReceipt{Subject: hostile, Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED, Text: hostile, Origin: hostile}, now)
	url := serve(t, s)
	if _, text := get(t, url+"/", ""); strings.Contains(text, "<img") || strings.Contains(text, "<script") || !strings.Contains(text, "&lt;img") {
		t.Error("the page runs what others wrote")
	}
	_, text := get(t, url+"/metrics", "")
	checkExposition(t, text)
}

func TestOnlyLoopbackNamesAreAnswered(t *testing.T) {
	url := serve(t, outage(time.Now()))
	port := url[strings.LastIndex(url, ":")+1:]
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "LocalHost": 200, "[::1]:" + port: 200, "127.0.0.1": 200, "127.9.9.9:80": 200,
		"evil.example": 421, "evil.example:" + port: 421, "192.0.2.1:" + port: 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "0.0.0.0": 421, "[2001:db8::1]:80": 421,
	} {
		for _, path := range []string{"/", "/healthz", "/metrics"} {
			status, _ := get(t, url+path, host)
			if path == "/healthz" && status == 503 {
				status = 200
			}
			if status != want {
				t.Errorf("%s as %s: %d, want %d", path, host, status, want)
			}
		}
	}
	if status, _ := get(t, url+"/status", ""); status != 401 {
		t.Errorf("/status without the token: %d", status)
	}
}

func TestReadyIsNotHealthy(t *testing.T) {
	now := time.Now()
	s := &shown{facts: health.Facts{Now: now, LineChanged: now.Add(-time.Hour), Plugins: []*docklinev1.PluginHealth{{Id: "wms", State: "running"}}}}
	url := serve(t, s)
	if status, text := get(t, url+"/readyz", ""); status != 200 {
		t.Errorf("without a line it captures all the same: %d %s", status, text)
	}
	if status, text := get(t, url+"/healthz", ""); status != 503 || !strings.Contains(text, "broker") {
		t.Errorf("without a line events do not flow: %d %s", status, text)
	}
	s.facts.Plugins[0].State, s.facts.Plugins[0].Text = "quarantined", "exit status 3"
	if status, text := get(t, url+"/readyz", ""); status != 503 || !strings.Contains(text, "plugin wms is quarantined: exit status 3") {
		t.Errorf("a plugin does not run: %d %s", status, text)
	}
	s.facts.Plugins[0].State, s.facts.JournalFull = "running", true
	if status, _ := get(t, url+"/readyz", ""); status != 503 {
		t.Errorf("a full journal: %d", status)
	}
}
