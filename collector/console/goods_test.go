package console_test

import (
	"net/http/httptest"
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

// underWay tells of a shipment in three parcels of which one is lost, of a return that is partly credited and of goods that came damaged, and
// folds all of it.
func underWay(t *testing.T, d *db.DB) {
	t.Helper()
	line := func(order, quantity string) *docklinev1.Line { return L(order, "1", "SKU-1", quantity) }
	departed := Departed(300, "S1", "BOL-77", []string{"JJD0101", "JJD0102", "JJD0103"}, line("SO7", "10"))
	late := Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_DELAYED, 4000, "x1", Names{Tracking: "JJD0103"}, "snow on the A9")
	late.GetTransport().Eta, late.GetTransport().FormerEta = At(90000), At(50000)
	events := []*docklinev1.Event{Accepted("SO7", "1", line("", "10")), Pick(10, "p1", In(line("SO7", "10"), "B-01", "")),
		Load(docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, 200, "l1", "S1"), departed,
		Milestone(400, "m1", Names{BillOfLading: "BOL-77"}, "picked_up"), late, Proof(8000, "d1", Names{Tracking: "JJD0101"}),
		Said(docklinev1.EventKind_EVENT_KIND_TRANSPORT_LOST, 9000, "x2", Names{Tracking: "JJD0102"}, "not in the trailer"),
		RMA(docklinev1.EventKind_EVENT_KIND_RETURN_AUTHORISED, 10000, "R1", "1", "SO7", line("SO7", "3")),
		Back(docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, 11000, "b1", "R1", "RC1", line("SO7", "3")),
		Back(docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, 12000, "b2", "R1", "RC1", Seen(line("SO7", "1"), "damaged", "CL-5"), Seen(line("SO7", "2"), "good", "")),
		Credit(13000, "CM1", "SO7", []string{"R1"}, line("SO7", "2")),
		Back(docklinev1.EventKind_EVENT_KIND_RETURN_RECEIVED, 14000, "b9", "", "RC9", line("", "1")),
		Inbound(docklinev1.EventKind_EVENT_KIND_INBOUND_ADVISED, 1, "a1", &docklinev1.Inbound{Advice: "ASN1", PurchaseOrder: "PO7", Supplier: "Nordwind", Lines: []*docklinev1.Line{line("PO7", "8")}}),
		Inbound(docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, 600, "g1", &docklinev1.Inbound{Number: "G1", PurchaseOrder: "PO7", Lines: []*docklinev1.Line{Seen(line("PO7", "6"), "damaged", "")}}),
	}
	viewtest.New(t, d).Append(events...)
	w := &reconcile.Worker{DB: d, Policy: policy.Default(), Now: func() time.Time { return Morning.Add(6 * time.Hour) }}
	for {
		n, err := w.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// TestGoodsUnderWayInABrowser: from the order to its shipment, its parcels, who signed and what is lost; to its return; and to what a supplier
// sent; also on a screen of 320 pixels.
//
// Shows: S60
func TestGoodsUnderWayInABrowser(t *testing.T) {
	d := testenv.SQLite(t)
	underWay(t, d)
	server := httptest.NewServer(console.New(console.Config{DB: d}))
	defer server.Close()
	p := browser.Open(t).MustPage().Timeout(90 * time.Second)
	for _, width := range []int{1200, 320} {
		p.MustSetViewport(width, 900, 1, false)
		for _, page := range []struct {
			path string
			want []string
		}{
			{"/orders/SO7", []string{"shipment S1", "return R1", "partially delivered"}},
			{"/shipments", []string{"S1", "partially delivered", "SO7", "parcel lost"}},
			{"/returns", []string{"R1", "partially credited", "damaged"}},
			{"/blind-returns", []string{"RC9", "received"}},
			{"/inbound", []string{"PO7", "partially received", "damaged"}},
			{"/shipments/dc-east/S1", []string{"BOL-77", "JJD0101", "delivered", "JJD0102", "lost", "JJD0103", "Goods In", "Harbour road 1", "snow on the A9", "not in the trailer", "TR-7", "seal 8812", "delivery.proved",
				"transport.milestone", "load.loaded", "For claims", "loaded: nothing is posted"}},
			{"/returns/R1", []string{"CL-5", "CM1", "SO7", "3", "return.inspected", "credited"}},
			{"/blind-returns/dc-east/RC9", []string{"received", "return.received"}},
			{"/inbound/dc-east/PO7", []string{"Nordwind", "ASN1", "no claim", "SKU-1", "receipt.received", "goods came damaged"}},
		} {
			p.MustNavigate(server.URL + page.path).MustWaitLoad()
			found := p.MustElement("main").MustText()
			for _, want := range page.want {
				if !strings.Contains(found, want) {
					t.Errorf("%s on %d pixels does not show %q:\n%s", page.path, width, want, found)
				}
			}
			if wide := p.MustEval(`() => document.documentElement.scrollWidth`).Int(); wide > width {
				t.Errorf("%s is %d pixels wide on a screen of %d", page.path, wide, width)
			}
			browser.Shoot(t, p, strings.ReplaceAll("goods"+page.path, "/", "-")+map[int]string{1200: "-wide", 320: "-narrow"}[width])
		}
	}
	p.MustNavigate(server.URL + "/orders/SO7").MustWaitLoad()
	p.MustElementR("main a", "shipment S1").MustEval(`() => this.click()`)
	p.MustElementR("h1", "Shipment S1")
	p.MustElementR("main a", "delivery.proved")
}

// TestGoodsThatNobodyKnows are a page that says so.
func TestGoodsThatNobodyKnows(t *testing.T) {
	server := httptest.NewServer(console.New(console.Config{DB: testenv.SQLite(t)}))
	defer server.Close()
	for _, path := range []string{"/shipments/dc-east/S9", "/returns/R9", "/inbound/dc-east/PO9", "/blind-returns/dc-east/RC1"} {
		answer, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 404 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}
