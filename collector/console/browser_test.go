package console_test

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"

	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/browser"
)

// In a real browser a person comes from the list to an order's track and on to the event, on a screen of 320 pixels as well, and a list
// that stands open brings itself up to date. Nothing that the pages ask for is refused by their own policy.
func TestInABrowser(t *testing.T) {
	d := testenv.SQLite(t)
	day := viewtest.New(t, d)
	server := httptest.NewServer(console.New(console.Config{DB: d}))
	defer server.Close()
	p := browser.Open(t).MustPage().Timeout(90 * time.Second)
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
	browser.Shoot(t, p, "orders")

	// The page stands open while an event arrives.
	p.MustNavigate(server.URL + "/events").MustWaitLoad()
	day.Append(viewtest.Accepted("SO00099", 30))
	p.MustElementR("main td", "SO00099")

	for _, width := range []int{1200, 320} {
		p.MustSetViewport(width, 800, 1, false).MustNavigate(server.URL + "/orders").MustWaitLoad()
		open("SO00017", "Order SO00017")
		text("order.accepted", "pick.confirmed", "shipment.departed", "Exception 1", "Picked short", "goods issue", "confirmed")
		browser.Shoot(t, p, "track-"+map[int]string{1200: "wide", 320: "narrow"}[width])
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
		browser.Shoot(t, p, "narrow"+strings.ReplaceAll(path, "/", "-"))
	}
	if collapse := p.MustEval(`() => getComputedStyle(document.querySelector("table")).borderCollapse`).Str(); collapse != "collapse" {
		t.Error("the style sheet is not in force")
	}
	refused.Range(func(text, url any) bool {
		t.Errorf("the browser complains of %v: %v", url, text)
		return true
	})
}
