package console_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"
	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/browser"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// cities name the sites; with a number where one has several.
var cities = strings.Fields("Hamburg Rotterdam Lyon Poznań Malmö Zaragoza Bologna Leeds Graz Brno Porto Gdańsk Leipzig Antwerp Toulouse")

// manySites makes a thousand sites of five regions: most are well, and of each kind of trouble there are some.
func manySites(t *testing.T, d *db.DB, n int) {
	t.Helper()
	site := db.Insert{Table: "site", Columns: strings.Fields("tenant id title region created_at certificate_not_after")}
	presence := db.Insert{Table: "presence", Columns: strings.Fields("tenant site session online connected_at seen_at heartbeat said_at")}
	point := db.Insert{Table: "site_point", Columns: strings.Fields("tenant site at online backlog oldest_at severity mark")}
	state := db.Insert{Table: "state", Columns: strings.Fields("tenant fold_key body hash status site fact_count policy_version first_at changed_at")}
	for i := range n {
		id := fmt.Sprintf("dc-%04d", i)
		seen, online, h := noon.Add(-time.Duration(i%9)*time.Second), 1, sampleHeartbeat(i)
		switch {
		case i%97 == 5:
			seen, online = noon.Add(-time.Duration(i)*time.Minute), 0
		case i%331 == 7:
			seen = time.Time{}
		}
		site.Rows = append(site.Rows, []any{"acme", id, fmt.Sprintf("%s %d", cities[i%len(cities)], 1+i/len(cities)), fmt.Sprintf("region %c", 'A'+i%5), int64(1), noon.AddDate(1, 0, 0).UnixMicro()})
		if !seen.IsZero() {
			raw, err := protobuf.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			presence.Rows = append(presence.Rows, []any{"acme", id, "s", int64(online), noon.Add(-9 * time.Hour).UnixMicro(), seen.UnixMicro(), raw, noon.UnixMicro()})
		}
		for o := range i % 4 {
			number := fmt.Sprintf("SO%d-%d", i, o)
			body, err := protobuf.Marshal(&docklinev1.OrderState{Number: number, Status: "released", Site: id, Currency: "EUR", PromisedAt: timestamppb.New(noon.Add(time.Duration(o*3) * time.Hour)),
				Lines: []*docklinev1.OrderLineState{{Ordered: 12_000_000, Shipped: 2_000_000, UnitPrice: "149.50"}}})
			if err != nil {
				t.Fatal(err)
			}
			state.Rows = append(state.Rows, []any{"acme", "order/" + number, body, "", "released", id, int64(1), "", int64(1), int64(1)})
		}
	}
	for m := 0; m < 24*60; m += 5 { // the history of one site: a backlog after an outage, and a plugin that was ill
		at, up, backlog, severity, mark := noon.Add(-24*time.Hour+time.Duration(m)*time.Minute), 1, 0, 1, ""
		switch {
		case m >= 300 && m < 420:
			up, severity, mark = 0, 3, "silent"
		case m >= 420 && m < 480:
			backlog = (480 - m) * 60
		case m >= 900 && m < 960:
			severity, mark = 3, "plugin_quarantined:wms"
		case m >= 1100 && m < 1200:
			continue
		}
		point.Rows = append(point.Rows, []any{"acme", "dc-0016", at.UnixMicro(), int64(up), int64(backlog), int64(0), int64(severity), mark})
	}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, ins := range []db.Insert{site, presence, point, state} {
			if err := tx.InsertAll(t.Context(), ins); err != nil {
				return err
			}
		}
		for _, query := range []string{
			`INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at) VALUES ('acme', 'dc-0016', '7f3a', 4001, 4100, 'lost', 1764060000000000)`,
			`INSERT INTO site_day_said (tenant, site, day, accepted, refused, epoch, last_seq) VALUES ('acme', 'dc-0016', '2026-11-24', 12480, 3, 'e', 9), ('acme', 'dc-0016', '2026-11-25', 6210, 0, 'e', 9)`,
			`INSERT INTO site_day_log (tenant, site, day, logged, refused, again) VALUES ('acme', 'dc-0016', '2026-11-24', 12460, 3, 0), ('acme', 'dc-0016', '2026-11-25', 6110, 0, 0)`,
			`INSERT INTO site_day_close (tenant, site, day, state, captured, logged, again, refused, lost, unfolded, pending, parked, reason, remedy, checked_at) VALUES
				('acme', 'dc-0016', '2026-11-24', 'difference', 12480, 12460, 0, 3, 0, 0, 0, 12, 'The site accepted 12480 events that day, the log has 12460 of them: 20 events are missing, and no declared loss explains it.', 'Have the sources of that day read again.', 1)`,
		} {
			if _, err := tx.Exec(t.Context(), query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sampleHeartbeat(i int) *docklinev1.Heartbeat {
	battery, days := uint32(20+i*7%80), float64(30+i%200)
	h := &docklinev1.Heartbeat{AgentVersion: "1.4.0", JournalBytes: uint64(40+i%60) << 20, JournalLimitBytes: 2 << 30, DiskFreeBytes: 60 << 30, DaysUntilFull: &days, SentAt: timestamppb.New(noon),
		Cursors: []*docklinev1.PluginCursor{{Plugin: "wms", Cursor: []byte("12480")}},
		Plugins: []*docklinev1.PluginHealth{
			{Id: "wms", Name: "wms-file", Version: "1.4.0", State: "running", LastEventAt: timestamppb.New(noon.Add(-40 * time.Second)), MemoryBytes: 21 << 20, CpuPercent: 1.4, AcceptedTotal: 12480, RefusedTotal: 3,
				Devices: []*docklinev1.DeviceHealth{{Id: "orders", Kind: "folder", Reachable: true, LastSeenAt: timestamppb.New(noon.Add(-time.Minute)), Text: "/srv/wms/outbound"}}},
			{Id: "scanners", Name: "scanner", Version: "1.4.0", State: "running", MemoryBytes: 14 << 20, CpuPercent: 0.3, AcceptedTotal: 8122,
				Devices: []*docklinev1.DeviceHealth{{Id: "scanner-01", Kind: "scanner", Reachable: true, LastSeenAt: timestamppb.New(noon.Add(-12 * time.Second)), BatteryPercent: &battery},
					{Id: "scanner-02", Kind: "scanner", Reachable: i != 16, LastSeenAt: timestamppb.New(noon.Add(-3 * time.Hour)), Text: "no sign of life: charge it, or look for it on the dock"}}},
		}}
	switch {
	case i == 16:
		h.OldestUnconfirmedAt = timestamppb.New(noon.Add(-2 * time.Hour))
		h.Conditions = []*docklinev1.Condition{{Code: "device_unreachable", Severity: docklinev1.Severity_SEVERITY_WARNING, Title: "Scanner scanner-02 of plugin scanners cannot be reached", Text: "No sign of life: charge it, or look for it on the dock. Last seen at 09:00."}}
	case i%71 == 3:
		h.Plugins[0].State, h.Plugins[0].Text = "quarantined", "It ended five times within a minute: exit status 3. See its last words in the agent's log, then release it: dockline-agent plugin release wms."
	case i%53 == 4:
		h.JournalEvents, h.OldestEventAt = uint64(i*13), timestamppb.New(noon.Add(-time.Duration(i)*time.Minute))
	case i%89 == 8:
		h.Conditions = []*docklinev1.Condition{{Code: "disk_low", Severity: docklinev1.Severity_SEVERITY_WARNING, Title: "The disk is nearly full", Text: "2 GB are free. Make room, or raise journal.limit on a larger disk."}}
	}
	return h
}

// A thousand sites in a real browser, on a telephone and on the wall: who needs somebody is seen first, a site's page says what is wrong, what
// it costs and what to do, its history can be read without colour, and nothing is wider than the screen.
func TestTheFleetInABrowser(t *testing.T) {
	d := testenv.SQLite(t)
	manySites(t, d, 1000)
	server := httptest.NewServer(console.New(console.Config{DB: d, Now: func() time.Time { return noon }}))
	defer server.Close()
	p := browser.Open(t).MustPage().Timeout(120 * time.Second)
	go p.EachEvent(func(e *proto.LogEntryAdded) { t.Errorf("the browser complains of %s: %s", e.Entry.URL, e.Entry.Text) })()
	for _, width := range []int{1920, 320} {
		p.MustSetViewport(width, 1080, 1, false)
		for path, want := range map[string][]string{
			"/":                         {"offline", "1\u202f000", "orders wait for sites in trouble", "page 1 of 10"},
			"/?q=lyon&sort=held":        {"Lyon", "sites"},
			"/?state=offline":           {"Offline for"},
			"/?view=wall":               {"need somebody", "By region", "region A", "more sites with problems"},
			"/sites/dc-0016":            {"Rotterdam 2", "100 events missing", "site command reread dc-0016", "Have bins counted", "scanner-02", "not reachable", "2026-11-24", "difference", "20 events are missing", "online", "With a person"},
			"/days?date=2026-11-24":     {"dc-0016", "difference", "12\u202f480"},
			"/sites/dc-0005":            {"Offline for", "wait"},
			"/sites/dc-0012?history=7d": {"nothing is known of this time"},
		} {
			p.MustNavigate(server.URL + path).MustWaitLoad()
			found := p.MustElement("main").MustText()
			for _, w := range want {
				if !strings.Contains(found, w) {
					t.Errorf("%s does not show %q:\n%.2000s", path, w, found)
				}
			}
			if wide := p.MustEval(`() => document.documentElement.scrollWidth`).Int(); wide > width {
				t.Errorf("%s is %d pixels wide on a screen of %d", path, wide, width)
			}
			if path == "/?view=wall" && width == 1920 {
				if high := p.MustEval(`() => document.documentElement.scrollHeight`).Int(); high > 1080 {
					t.Errorf("the wall is %d pixels high on a screen of 1080", high)
				}
			}
			if folder := os.Getenv("DOCKLINE_SCREENSHOTS"); folder != "" && path == "/" { // a hundred sites are a long picture
				p.MustScreenshot(filepath.Join(folder, fmt.Sprintf("fleet-%d-list.png", width)))
			}
			browser.Shoot(t, p, fmt.Sprintf("fleet-%d-%s", width, strings.NewReplacer("/", "_", "?", "_", "&", "_", "=", "-").Replace(path)))
		}
	}
	// What is down, troubled and unknown differs by height and pattern, not by colour alone.
	p.MustSetViewport(1920, 1080, 1, false).MustNavigate(server.URL + "/sites/dc-0016").MustWaitLoad()
	heights := map[string]float64{}
	for _, state := range []string{"up", "troubled", "down", "unknown"} {
		heights[state] = p.MustEval(`(s) => Number(document.querySelector(".timeline .spell-" + s)?.getAttribute("height") ?? 0)`, state).Num()
	}
	if !(heights["up"] > heights["troubled"] && heights["troubled"] > heights["down"] && heights["down"] > heights["unknown"] && heights["unknown"] > 0) {
		t.Errorf("heights of the band: %v", heights)
	}
}
