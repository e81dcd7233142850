package health_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/browser"
)

// The supervisor's page in a real browser, on a telephone of 320 pixels and on the wall: nothing to scroll sideways, big figures on the
// wall, every state in words beside its colour, and by itself up to date. Nothing that it asks for is refused by its own policy.
func TestInABrowser(t *testing.T) {
	bad := outage(time.Now())
	now := time.Now()
	well := &shown{facts: health.Facts{Now: now, Started: now.Add(-time.Hour), Connected: true, Greeted: true, LastAckAt: now, ClockKnown: true, JournalLimit: 2 << 30, JournalBytes: 3 << 20,
		DiskKnown: true, DiskFree: 81 << 30, Plugins: []*docklinev1.PluginHealth{{Id: "wms", State: "running", Devices: []*docklinev1.DeviceHealth{{Id: "outbound", Kind: "folder", Reachable: true, Text: "/srv/wms/outbound"}}}}}}
	p := browser.Open(t).MustPage().Timeout(90 * time.Second)
	var refused sync.Map
	go p.EachEvent(func(e *proto.LogEntryAdded) { refused.Store(e.Entry.Text, e.Entry.URL) })()
	url := map[string]string{"bad": serve(t, bad), "well": serve(t, well)}
	for name, address := range url {
		for screen, size := range map[string][2]int{"narrow": {320, 640}, "wall": {1920, 1080}, "desk": {1100, 800}} {
			p.MustSetViewport(size[0], size[1], 1, false).MustNavigate(address).MustWaitLoad()
			if wide := p.MustEval(`() => document.documentElement.scrollWidth`).Int(); wide > size[0] {
				t.Errorf("%s, %s: %d pixels wide on a screen of %d", name, screen, wide, size[0])
			}
			browser.Shoot(t, p, name+"-"+screen)
			if screen != "wall" {
				continue
			}
			if px := p.MustEval(`() => parseFloat(getComputedStyle(document.querySelector(".tile strong")).fontSize)`).Num(); px < 48 {
				t.Errorf("figures on the wall are %v pixels high", px)
			}
			if seen := p.MustEval(`() => document.querySelector(".tiles").getBoundingClientRect().bottom <= innerHeight`).Bool(); !seen {
				t.Error("the figures are below the edge of the wall's screen")
			}
		}
	}
	p.MustNavigate(url["well"]).MustWaitLoad()
	if text := p.MustElement("body").MustText(); !strings.Contains(text, "All is well") || !strings.Contains(text, "Nothing was refused") {
		t.Errorf("a site that is well says:\n%s", text)
	}
	arrived := p.WaitNavigation(proto.PageLifecycleEventNameLoad)
	well.facts.Connected = false
	well.facts.LineChanged = now.Add(-time.Minute)
	arrived() // by itself
	if text := p.MustElement("body").MustText(); !strings.Contains(text, "The broker cannot be reached") {
		t.Errorf("the page did not follow:\n%s", text)
	}
	p.MustEval(`() => { const m = document.querySelector(".mark"); if (m.textContent.trim() === "") throw new Error("a mark without a sign") }`)
	if err := (proto.EmulationSetEmulatedMedia{Media: "print"}).Call(p); err != nil {
		t.Fatal(err)
	}
	p.MustSetViewport(794, 1123, 1, false).MustNavigate(url["bad"] + "/?print=1").MustWaitLoad()
	browser.Shoot(t, p, "print")
	refused.Range(func(text, url any) bool {
		t.Errorf("the browser complains of %v: %v", url, text)
		return true
	})
}
