package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/testenv"
)

func ask(t *testing.T, h http.Handler, r *http.Request, status int) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("%s %s: %d, want %d: %s", r.Method, r.URL, w.Code, status, w.Body)
	}
	if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
		t.Errorf("%s: the policy is %q", r.URL, p)
	}
	return w.Body.String()
}

func page(t *testing.T, h http.Handler, path string, status int) string {
	t.Helper()
	return ask(t, h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil), status)
}

func contains(t *testing.T, where, html string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(html, part) {
			t.Errorf("%s does not have %q:\n%s", where, part, html)
		}
	}
}

// Every page is there on either database, and says what is in the tables.
func TestPages(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		day := viewtest.New(t, d)
		h := console.New(console.Config{DB: d})
		for path, parts := range map[string][]string{
			"/":                                {"Never connected.", ">East</a>", "dc-east", "2 orders", "1 open exception<", "start dockline-agent there"},
			"/orders":                          {`href="/orders/SO00017"`, "Müller &amp; Söhne", "shipped 1", "accepted 1"},
			"/orders?status=shipped":           {`href="/orders/SO00017"`},
			"/orders/SO00017":                  {"retail 2026-2", "within the limit", "order.promised_at", "2026-11-25T14:00:00Z", "pick.confirmed", "shipment.departed", "Picked short", "goods issue", "crm status", "Bolt M8"},
			"/postings":                        {"goods issue", "SO00017/SH1", "confirmed 1"},
			"/postings?target=crm":             {"crm status"},
			"/exceptions":                      {"decide whether the rest is still wanted", `href="/orders/SO00017"`, "unresolved 1"},
			"/exceptions?state=":               {"Picked short"},
			"/events":                          {"order.accepted", "shipment.departed", "centre, wms"},
			"/assets/console.css":              {"max-width: 44rem"},
			"/events/" + day.Events[3].GetId(): {"JJD0001", "confirmed", `href="/orders/SO00017"`},
		} {
			contains(t, path, page(t, h, path, http.StatusOK), parts...)
		}
		if html := page(t, h, "/postings?target=crm", 200); strings.Contains(html, "goods issue") {
			t.Error("the filter by target lets others through")
		}
		if html := page(t, h, "/exceptions?state=resolved", 200); strings.Contains(html, "Picked short") {
			t.Error("the filter by state lets others through")
		}
		contains(t, "an absent order", page(t, h, "/orders/SO9", http.StatusNotFound), "no such order")
		page(t, h, "/events/nonesuch", http.StatusNotFound)
		page(t, h, "/nonesuch", http.StatusNotFound)
	})
}

// The track of an order leads from the event to the document in the order of time.
func TestTrackIsInOrderOfTime(t *testing.T) {
	d := testenv.SQLite(t)
	viewtest.New(t, d)
	html := page(t, console.New(console.Config{DB: d}), "/orders/"+viewtest.Order, 200)
	_, html, _ = strings.Cut(html, `<ol class="track">`)
	last := 0
	for _, part := range []string{">order.accepted<", ">pick.confirmed<", ">shipment.departed<", "planned, from", "Exception 1", "badge good\">confirmed</span> <span class=\"document\">"} {
		i := strings.Index(html[last:], part)
		if i < 0 {
			t.Fatalf("%q is not after what came before it:\n%s", part, html)
		}
		last += i
	}
}

// What others wrote is text wherever it is shown, and links to it lead there.
func TestAwkwardNumber(t *testing.T) {
	d := testenv.SQLite(t)
	viewtest.New(t, d)
	h := console.New(console.Config{DB: d})
	path := "/orders/" + url.PathEscape(viewtest.Awkward)
	for _, where := range []string{"/orders", path, "/events"} {
		html := page(t, h, where, 200)
		if strings.Contains(html, "<b>&\"") || !strings.Contains(html, "SO/2 &lt;b&gt;") {
			t.Errorf("%s shows the number as it is:\n%s", where, html)
		}
	}
	contains(t, "the list", page(t, h, "/orders", 200), `href="`+strings.ReplaceAll(path, "&", "&amp;")+`"`)
}

func TestTenants(t *testing.T) {
	d := testenv.SQLite(t)
	h := console.New(console.Config{DB: d})
	contains(t, "an empty database", page(t, h, "/", 200), "No site has been added yet")
	viewtest.New(t, d)
	if _, err := (&fleet.Fleet{DB: d}).AddSite(t.Context(), fleet.Registration{Tenant: "other", ID: "x"}); err != nil {
		t.Fatal(err)
	}
	contains(t, "the first tenant", page(t, h, "/orders", 200), `href="/orders/SO00017?tenant=acme"`, `href="/?tenant=other"`)
	for _, path := range []string{"/", "/orders", "/events", "/exceptions", "/postings"} {
		if html := page(t, h, path+"?tenant=other", 200); strings.Contains(html, "SO00017") || strings.Contains(html, "dc-east") {
			t.Errorf("%s shows another tenant's:\n%s", path, html)
		}
	}
	page(t, h, "/orders/SO00017?tenant=other", http.StatusNotFound)
	page(t, h, "/?tenant=nobody", http.StatusNotFound)
}

func TestToken(t *testing.T) {
	d := testenv.SQLite(t)
	viewtest.New(t, d)
	h := console.New(console.Config{DB: d, Token: "s3cret"})
	for password, status := range map[string]int{"": 401, "other": 401, "s3cret": 200} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
		r.SetBasicAuth("anybody", password)
		if html := ask(t, h, r, status); strings.Contains(html, "SO00017") != (status == 200) {
			t.Errorf("%q is shown %s", password, html)
		}
	}
}

// Switches of a drill are shown and turned; a form of another site turns nothing; without a drill there is no such page.
func TestDrill(t *testing.T) {
	var on atomic.Bool
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/switches/cut" {
			on.Store(r.URL.Query().Get("on") == "true")
			return
		}
		fmt.Fprintf(w, `[{"name":"cut","title":"Cut the line to dc-east","on":%v}]`, on.Load())
	}))
	d := testenv.SQLite(t)
	h := console.New(console.Config{DB: d, Drill: far.URL})
	contains(t, "the page", page(t, h, "/drill", 200), "Cut the line to dc-east", `value="true"`, `action="/drill/cut"`)
	turn := func(value, site string, status int) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/drill/cut", strings.NewReader("on="+value))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		ask(t, h, r, status)
	}
	turn("true", "cross-site", http.StatusForbidden)
	if on.Load() {
		t.Error("a form of another site has turned the switch")
	}
	turn("true", "same-origin", http.StatusSeeOther)
	contains(t, "the page", page(t, h, "/drill", 200), "Turn off", `value="false"`)
	turn("false", "same-origin", http.StatusSeeOther)
	if on.Load() {
		t.Error("the switch is still on")
	}
	far.Close()
	contains(t, "without a server", page(t, h, "/drill", http.StatusBadGateway), "does not answer")
	page(t, console.New(console.Config{DB: d}), "/drill", http.StatusNotFound)
}
