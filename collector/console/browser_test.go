package console_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/proto"

	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/testenv"
)

const chromium = "/usr/bin/chromium"

func browser(t *testing.T) *rod.Browser {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		testenv.SkipServer(t, "chromium", err.Error())
	}
	l := launcher.New().Bin(chromium).NoSandbox(true).Leakless(false).UserDataDir(t.TempDir()).Set("disable-background-networking").Set("disable-dev-shm-usage")
	address, err := l.Launch()
	if err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	b := rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		l.Kill()
		t.Fatalf("connect to chromium: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			l.Kill()
		}
		l.Cleanup()
	})
	return b
}

// In a real browser a person comes from the list to an order's track and on to the event, on a screen of 320 pixels as well, and a list
// that stands open brings itself up to date. Nothing that the pages ask for is refused by their own policy.
func TestInABrowser(t *testing.T) {
	d := testenv.SQLite(t)
	day := viewtest.New(t, d)
	server := httptest.NewServer(console.New(console.Config{DB: d}))
	defer server.Close()
	p := browser(t).MustPage().Timeout(90 * time.Second)
	var refused sync.Map
	go p.EachEvent(func(e *proto.LogEntryAdded) { refused.Store(e.Entry.Text, e.Entry.URL) })()
	text := func(want ...string) {
		t.Helper()
		found := p.MustElement("main").MustText()
		for _, w := range want {
			if !strings.Contains(found, w) {
				t.Errorf("%s does not show %q:\n%s", p.MustInfo().URL, w, found)
			}
		}
	}

	open := func(link, title string) {
		t.Helper()
		arrived := p.WaitNavigation(proto.PageLifecycleEventNameLoad)
		p.MustElementR("main a", link).MustEval(`() => this.click()`)
		arrived()
		p.MustElementR("h1", title)
	}

	p.MustSetViewport(1200, 900, 1, false).MustNavigate(server.URL + "/orders").MustWaitLoad()
	text("SO00017", "shipped", "Müller & Söhne", `SO/2 <b>&"x"`)
	shoot(t, p, "orders")

	// The page stands open while an event arrives.
	p.MustNavigate(server.URL + "/events").MustWaitLoad()
	day.Append(viewtest.Accepted("SO00099", 30))
	p.MustElementR("main td", "SO00099")

	for _, width := range []int{1200, 320} {
		p.MustSetViewport(width, 800, 1, false).MustNavigate(server.URL + "/orders").MustWaitLoad()
		open("SO00017", "Order SO00017")
		text("order.accepted", "pick.confirmed", "shipment.departed", "Exception 1", "Picked short", "goods issue", "confirmed")
		shoot(t, p, "track-"+map[int]string{1200: "wide", 320: "narrow"}[width])
		if wide := p.MustEval(`() => document.documentElement.scrollWidth`).Int(); wide > width {
			t.Errorf("the track is %d pixels wide on a screen of %d", wide, width)
		}
		open("shipment.departed", "Event")
		text("JJD0001", "Told to the site")
	}
	for _, path := range []string{"/", "/orders", "/postings", "/exceptions", "/events"} {
		p.MustNavigate(server.URL + path).MustWaitLoad()
		if wide := p.MustEval(`() => document.documentElement.scrollWidth`).Int(); wide > 320 {
			t.Errorf("%s is %d pixels wide on a screen of 320", path, wide)
		}
		shoot(t, p, "narrow"+strings.ReplaceAll(path, "/", "-"))
	}
	if collapse := p.MustEval(`() => getComputedStyle(document.querySelector("table")).borderCollapse`).Str(); collapse != "collapse" {
		t.Error("the style sheet is not in force")
	}
	refused.Range(func(text, url any) bool {
		t.Errorf("the browser complains of %v: %v", url, text)
		return true
	})
}

// shoot keeps a picture in the folder that DOCKLINE_SCREENSHOTS names.
func shoot(t *testing.T, p *rod.Page, name string) {
	t.Helper()
	if folder := os.Getenv("DOCKLINE_SCREENSHOTS"); folder != "" {
		p.MustScreenshotFullPage(filepath.Join(folder, name+".png"))
	}
}
