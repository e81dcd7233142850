package console_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/browser"
)

// TestStockInABrowser: what lies at the site, what is damaged and picked, what is reserved and what can be promised of it; also on a screen of 320
// pixels. DOCKLINE_SCREENSHOTS names a folder for pictures.
func TestStockInABrowser(t *testing.T) {
	d := testenv.SQLite(t)
	line := func(quantity string) *docklinev1.Line { return In(L("SO7", "1", "SKU-1", quantity), "B-01", "") }
	reserved := Pick(30, "a1", line("7"))
	reserved.Kind = docklinev1.EventKind_EVENT_KIND_INVENTORY_ALLOCATED
	reserved.Payload = &docklinev1.Event_Allocation{Allocation: &docklinev1.Allocation{Number: "R1", Lines: []*docklinev1.Line{line("7")}}}
	damaged := Pick(40, "d1", line("2"))
	damaged.Kind = docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED
	damaged.Payload = &docklinev1.Event_StockStatusChange{StockStatusChange: &docklinev1.StockStatusChange{Number: "D-1", Stage: "pick", Claim: "CL-7", Lines: []*docklinev1.Line{line("2")}}}
	viewtest.New(t, d).Append(Snapshot(0, In(L("", "", "SKU-1", "40"), "B-01", ""), In(L("", "", "SKU-2", "9"), "B-02", "")), Pick(20, "p1", In(L("SO8", "1", "SKU-1", "5"), "B-01", "")),
		Keyed(reserved, "a1"), Keyed(damaged, "d1"))
	w := &reconcile.Worker{DB: d, Policy: policy.Default(), Now: func() time.Time { return Morning.Add(time.Hour) }}
	for n := 1; n > 0; {
		var err error
		if n, err = w.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO stream (tenant, site, plugin, stream, moves_stock, through_at, movement) VALUES (?, ?, 'wms', 'picks', 1, ?, 0)`,
			Tenant, Site, Morning.Add(50*time.Minute).UnixMicro())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(console.New(console.Config{DB: d, Now: func() time.Time { return Morning.Add(time.Hour) }}))
	defer server.Close()
	p := browser.Open(t).MustPage().Timeout(90 * time.Second)
	for _, width := range []int{1200, 320} {
		p.MustSetViewport(width, 900, 1, false)
		p.MustNavigate(server.URL + "/stock").MustWaitLoad()
		text := strings.Join(strings.Fields(p.MustElement("main").MustText()), " ")
		for _, part := range []string{"SKU-1", "33", "7", "26", "damaged 2", "picked 5", "SKU-2", "10 min ago"} {
			if !strings.Contains(text, part) {
				t.Errorf("at %d pixels the page does not say %q:\n%s", width, part, text)
			}
		}
		if wide := p.MustEval(`() => document.documentElement.scrollWidth - document.documentElement.clientWidth`).Int(); wide > 0 {
			t.Errorf("the page is %d pixels wider than a screen of %d", wide, width)
		}
		if folder := os.Getenv("DOCKLINE_SCREENSHOTS"); folder != "" {
			p.MustScreenshot(filepath.Join(folder, map[int]string{1200: "stock-wide.png", 320: "stock-narrow.png"}[width]))
		}
	}
	p.MustSetViewport(1200, 900, 1, false)
	p.MustNavigate(server.URL + "/stock?item=SKU-2").MustWaitLoad()
	if text := p.MustElement("main").MustText(); strings.Contains(text, "SKU-1") || !strings.Contains(text, "SKU-2") {
		t.Errorf("one item's page says\n%s", text)
	}
}
