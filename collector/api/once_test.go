package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// taking are APIs of several collectors on a database, that take orders in.
type taking struct {
	t   *testing.T
	d   *db.DB
	now time.Time
}

func (w *taking) api(process string) http.Handler {
	log := &eventlog.Log{DB: w.d, Keys: func(e *docklinev1.Event) []eventlog.Touch {
		var touches []eventlog.Touch
		for _, touch := range state.Keys(e, policy.Default().MappingOf(viewtest.Tenant)) {
			touches = append(touches, eventlog.Touch(touch))
		}
		return touches
	}}
	return api.New(api.Config{DB: w.d, Now: func() time.Time { return w.now }, Process: process, Submissions: collector.NewIntake(log, func() time.Time { return w.now }, nil)})
}

func post(t *testing.T, h http.Handler, path, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set(api.KeyHeader, key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const anOrder = `{"number":"PO-1","customer":"C-1001","channel":"shop","lines":[{"item":"SKU-1","quantity":2}]}`

// submitted is how many orders were handed in, and how often that was recorded.
func (w *taking) submitted() (events, acts int) {
	w.t.Helper()
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		if err := tx.QueryRow(w.t.Context(), `SELECT count(*) FROM event WHERE source LIKE 'api%'`).Scan(&events); err != nil {
			return err
		}
		list, err := audit.List(w.t.Context(), tx, viewtest.Tenant, audit.Filter{})
		acts = len(list)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return events, acts
}

// A request that changes something needs a key (400), is done once however often it is sent and to whichever collector (409 while it is under way,
// the first answer afterwards), and a key stands for one request (422). What was refused may be corrected under its key. What a collector that has
// died left under way is done anew, at once.
//
// Shows: S2, S32
func TestARequestIsDoneOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &taking{t: t, d: d, now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}
		viewtest.New(t, d)
		h, other := w.api("run-1"), w.api("run-2")
		want := func(what string, got *httptest.ResponseRecorder, status int, text string, events int) {
			t.Helper()
			if n, acts := w.submitted(); got.Code != status || !strings.Contains(got.Body.String(), text) || n != events || acts != events {
				t.Errorf("%s: %d %s with %d orders and %d acts, want %d %s with %d", what, got.Code, got.Body, n, acts, status, text, events)
			}
		}
		want("no key", post(t, h, "/api/v1/orders", "", anOrder), http.StatusBadRequest, api.KeyHeader, 0)
		want("a key too long", post(t, h, "/api/v1/orders", strings.Repeat("k", 256), anOrder), http.StatusBadRequest, "255", 0)
		want("a field that there is not", post(t, h, "/api/v1/orders", "k1", `{"number":"PO-1","colour":"red"}`), http.StatusUnprocessableEntity, `"field":"colour"`, 0)
		want("the first, corrected", post(t, h, "/api/v1/orders", "k1", anOrder), http.StatusCreated, `"known":false`, 1)
		first := post(t, other, "/api/v1/orders", "k1", anOrder)
		for range 10 {
			again := post(t, other, "/api/v1/orders", "k1", anOrder)
			if want("again", again, http.StatusCreated, `"known":false`, 1); again.Header().Get(api.ReplayedHeader) != "true" || again.Body.String() != first.Body.String() ||
				again.Header().Get("Location") != "/api/v1/submissions/PO-1?channel=shop&customer=C-1001&tenant=acme" {
				t.Errorf("again: %v %s", again.Header(), again.Body)
			}
		}
		changed := strings.Replace(anOrder, `"quantity":2`, `"quantity":3`, 1)
		want("another body", post(t, other, "/api/v1/orders", "k1", changed), http.StatusUnprocessableEntity, "another request", 1)
		want("the same order under another key", post(t, h, "/api/v1/orders", "k2", strings.Replace(anOrder, `"quantity":2`, `"quantity":"2"`, 1)), http.StatusCreated, `"known":true`, 1)
		want("another order under its number", post(t, h, "/api/v1/orders", "k3", changed), http.StatusConflict, "a number of its own", 1)
		want("of another customer", post(t, h, "/api/v1/orders", "k4", strings.Replace(anOrder, "C-1001", "C-1002", 1)), http.StatusCreated, `"known":false`, 2)

		under := func(process string) { // as a collector leaves it that was killed
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE api_request SET status = 0, process = ? WHERE request_key = 'k4'`, process)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		fourth := strings.Replace(anOrder, "C-1001", "C-1002", 1)
		under("run-1")
		waiting := post(t, h, "/api/v1/orders", "k4", fourth)
		if want("under way", waiting, http.StatusConflict, "under way", 2); waiting.Header().Get("Retry-After") == "" {
			t.Error("409 does not say when to ask again")
		}
		want("another body meanwhile", post(t, h, "/api/v1/orders", "k4", anOrder), http.StatusUnprocessableEntity, "another request", 2)
		want("by a collector that finds the other gone", post(t, other, "/api/v1/orders", "k4", fourth), http.StatusCreated, `"known":true`, 2)
		under("run-1")
		w.now = w.now.Add(3 * time.Minute)
		want("when it is surely gone", post(t, h, "/api/v1/orders", "k4", fourth), http.StatusCreated, `"known":true`, 2)
		w.now = w.now.Add(25 * time.Hour)
		want("the next day", post(t, h, "/api/v1/orders", "k1", strings.Replace(anOrder, "PO-1", "PO-9", 1)), http.StatusCreated, `"known":false`, 3)
	})
}

// Twenty send one order at once, to two collectors: one takes it in, and all are told so, or to ask again.
//
// Shows: S2
func TestManySendOneOrderAtOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &taking{t: t, d: d, now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}
		viewtest.New(t, d)
		apis := []http.Handler{w.api("run-1"), w.api("run-2")}
		var wait sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for i := range 20 {
			wait.Go(func() {
				key := "one"
				if i%4 == 3 { // who lost his key has another one
					key = fmt.Sprint("key ", i)
				}
				got := post(t, apis[i%2], "/api/v1/orders", key, anOrder)
				mu.Lock()
				defer mu.Unlock()
				codes[got.Code]++
				if got.Code != http.StatusCreated && got.Code != http.StatusConflict {
					t.Errorf("%d %s", got.Code, got.Body)
				}
			})
		}
		wait.Wait()
		if events, acts := w.submitted(); events != 1 || acts != 1 || codes[http.StatusCreated] < 6 {
			t.Errorf("%d orders, %d acts, answers %v", events, acts, codes)
		}
	})
}

// What is wrong with an order is said field by field, with what would be right; who may not hand in orders is told so.
func TestBadOrders(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &taking{t: t, d: d, now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}
		viewtest.New(t, d)
		h := w.api("")
		for body, fields := range map[string]map[string]string{
			`{}`:                           {"number": "customer's own number", "customer": "system of record", "lines": "at least one"},
			`{"number":7}`:                 {"number": "is a number; write text in quotes"},
			`{"number":"PO-1","lines":{}}`: {"lines": "write a list in brackets"},
			`{"number":"PO-1","customer":"C","channel":"my shop","lines":[{"item":"A","quantity":0},{"quantity":"many"},{"item":"B","quantity":1,"unit_price":"-1"}]}`: {
				"channel": "letters, digits", "lines[0].quantity": "above 0", "lines[1].item": "give item or gtin", "lines[1].quantity": "like 2 or 1.5", "lines[2].unit_price": "from 0"},
			`{"number":"PO-1","customer":"C","lines":[{"line":"1","item":"A","quantity":1},{"line":"1","item":"B","quantity":1}]}`: {"lines[1].line": "another line too"},
			`{"number":"PO-1 ","customer":"C","lines":[{"line":"2","item":"A","quantity":1},{"item":" B","quantity":1}]}`: {
				"number": "begins or ends with a blank", "lines[1].line": "another line too", "lines[1].item": "begins or ends with a blank"},
			`{"number":"PO-1","customer":"C","ordered_at":"yesterday","lines":[{"item":"A","quantity":1}]}`: {"ordered_at, promised_at": "2026-03-01T06:00:00Z"},
			`{"number":"PO-1","customer":"C","lines":[{"item":"A","colour":"red","quantity":1}]}`:           {"colour": "not known here"},
			`{"number":`:            {"": "ends too early"},
			`{"number" "PO-1"}`:     {"": "no JSON from byte"},
			anOrder + ` {"more":1}`: {"": "one order at a time"},
			`{"number":"PO-\ud800","customer":"C","lines":[{"item":"A","quantity":1}]}`: {"number": "U+FFFD"},
		} {
			tree := decode(t, post(t, h, "/api/v1/orders", "k", body), body, http.StatusUnprocessableEntity)
			got := map[string]string{}
			for i := range at(t, tree, "errors").([]any) {
				got[at(t, tree, "errors", i, "field").(string)] = at(t, tree, "errors", i, "detail").(string)
			}
			if len(got) != len(fields) {
				t.Errorf("%s: %v, want %v", body, got, slices.Sorted(maps.Keys(fields)))
			}
			for field, text := range fields {
				if !strings.Contains(got[field], text) {
					t.Errorf("%s: %s is %q, want %q", body, field, got[field], text)
				}
			}
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/orders", strings.NewReader(anOrder))
		r.Header.Set(api.KeyHeader, "k")
		form := httptest.NewRecorder()
		h.ServeHTTP(form, r)
		decode(t, form, "a form", http.StatusUnsupportedMediaType)
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			by := people.Change{Tenant: viewtest.Tenant, By: "ines", Now: w.now}
			if err := by.Add(t.Context(), tx, people.User{Name: "ines"}); err != nil {
				return err
			}
			return by.Add(t.Context(), tx, people.User{Name: "vera", Roles: []string{"viewer"}})
		}); err != nil {
			t.Fatal(err)
		}
		for by, status := range map[string]int{"vera": http.StatusForbidden, "api": http.StatusForbidden, "ines": http.StatusCreated} {
			got := post(t, h, "/api/v1/orders", by, strings.Replace(anOrder, "{", `{"by":"`+by+`",`, 1))
			if got.Code != status || status == http.StatusForbidden && !strings.Contains(got.Body.String(), "order.act") {
				t.Errorf("by %s: %d %s", by, got.Code, got.Body)
			}
		}
	})
}

// What is no text is refused before it could become another number, or an error of the database: in bodies, addresses and keys.
func TestWhatIsNoText(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := &taking{t: t, d: d, now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}
		viewtest.New(t, d)
		h := w.api("")
		for body, says := range map[string]string{"{\"number\":\"PO-\xc4\"}": "from byte 14 on", "\xff": "from byte 0 on"} {
			if got := post(t, h, "/api/v1/orders", "k", body); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), says) {
				t.Errorf("%q: %d %s, want %s", body, got.Code, got.Body, says)
			}
		}
		if got := post(t, h, "/api/v1/orders", "k\xff", anOrder); got.Code != http.StatusBadRequest {
			t.Errorf("a key: %d %s", got.Code, got.Body)
		}
		for _, path := range []string{"orders/%00", "orders/%ff", "orders?after=%00", "orders?after=%ff", "search?q=%00", "sites/%00", "receipts?site=%ff", "decisions?key=%00", "events/%00", "stock/atp?item=%00",
			"submissions/%00", "orders?limit=5;after=1", "orders?after=%zz"} {
			got := httptest.NewRecorder()
			h.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/"+path, nil))
			if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "The address") {
				t.Errorf("%s: %d %s", path, got.Code, got.Body)
			}
		}
		if events, _ := w.submitted(); events != 0 {
			t.Errorf("%d orders were handed in", events)
		}
	})
}
