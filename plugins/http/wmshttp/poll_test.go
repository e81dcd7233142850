package wmshttp_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

var morning = time.Date(2026, 7, 4, 8, 0, 0, 0, time.UTC)

// polls is a configuration that asks the system for one stream.
func polls(s *wms, stream string, more ...string) string {
	return "zone: UTC\npoll:\n  url: " + s.URL + "\n  every: 50ms\n" + strings.Join(more, "") + "  streams:\n    - " + stream + "\n"
}

// tally counts the events that are no declarations by their source key, and the declarations and dead letters.
func tally(h *host) (keys map[string]int, declared, letters int) {
	keys = map[string]int{}
	for _, e := range h.events {
		switch {
		case e.GetErrorDeclaration() != nil:
			declared++
		case e.GetDeadLetter() != nil:
			letters++
		default:
			keys[e.GetSourceKey()]++
		}
	}
	return keys, declared, letters
}

// once waits until so many records were told, and holds that none was told twice.
func (h *host) once(t *testing.T, want int) {
	t.Helper()
	h.until(t, fmt.Sprintf("%d records told", want), func() bool {
		keys, _, _ := tally(h)
		return len(keys) >= want
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, n := range first(tally(h)) {
		if n != 1 {
			t.Errorf("%s was told %d times", key, n)
		}
	}
}

func first[A, B, C any](a A, _ B, _ C) A { return a }

// ways are the ways to ask for what is new.
var ways = map[string]string{
	"time":        byClock,
	"coarse time": strings.Replace(byClock, "string(since)", `string(since).substring(0, 19) + "Z"`, 1),
	"time in pages": `{name: picks, path: '"/picks"', query: '{"since": string(since), "page": page, "size": "7"}', items: body.items, pages: {style: number, size: 7}, clock: {changed: timestamp(item.changed_at), id: string(item.id)}, ` +
		pickMapping + `}`,
	"pages":   `{name: picks, path: '"/picks"', query: '{"page": page, "size": "7"}', items: body.items, pages: {style: number, size: 7}, ` + pickMapping + `}`,
	"offset":  `{name: picks, path: '"/picks"', query: '{"offset": page, "size": "7"}', items: body.items, pages: {style: offset, size: 7}, ` + pickMapping + `}`,
	"next":    `{name: picks, path: '"/picks"', query: '{"cursor": page, "size": "7"}', items: body.items, pages: {style: next, next: 'body.more ? body.next : ""'}, ` + pickMapping + `}`,
	"cursor":  `{name: picks, path: '"/picks"', query: '{"cursor": cursor, "size": "7"}', items: body.items, next: body.next, more: body.more, ` + pickMapping + `}`,
	"in one":  `{name: picks, path: '"/picks"', query: '{"size": "1000"}', items: body.items, ` + pickMapping + `}`,
	"details": strings.Replace(strings.Replace(byClock, "kind: pick.confirmed", `detail: {path: '"/picks/" + string(item.id)', absent: [404]}, kind: pick.confirmed`, 1), "sku: item", "sku: item, detail.bin: bin", 1),
}

// Whatever way a system is asked in: each record is told once, over failures in the middle of a page, answers that break off and restarts at every point.
//
// Shows: S35
func TestEveryRecordIsToldOnce(t *testing.T) {
	for name, stream := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWMS(t)
			s.add(40, morning)
			var calls atomic.Int64
			s.failing(func(w http.ResponseWriter, r *http.Request) bool {
				switch n := calls.Add(1); {
				case n%5 == 2: // the connection goes away in the middle of an answer
					w.Header().Set("Content-Length", "1000")
					_, _ = w.Write([]byte(`{"items":[{"id":`))
					panic(http.ErrAbortHandler)
				case n == 4:
					w.Header().Set("Content-Type", "text/html")
					_, _ = w.Write([]byte("<html>maintenance</html>"))
					return true
				}
				return false
			})
			h, dir := newHost(), t.TempDir()
			r := run(t, h, dir, polls(s, stream), false)
			h.until(t, "begun", func() bool { return len(h.events) > 0 })
			r.stop()
			r = run(t, h, dir, polls(s, stream), false)
			s.add(9, morning)
			h.once(t, 49)
			if e := h.all()[0]; name == "details" && e.GetPick().GetLines()[0].GetBin() != "A-01" {
				t.Errorf("without its detail: %v", e)
			}
			r.stop()
			h.mu.Lock()
			if _, declared, letters := tally(h); declared > 0 || letters > 0 {
				t.Errorf("%d declarations, %d dead letters", declared, letters)
			}
			h.mu.Unlock()
		})
	}
}

// A record that was corrected is told anew and the former taken back; one that is cancelled is taken back; both once.
func TestCorrectedRecordsTakeBackWhatWasTold(t *testing.T) {
	s := newWMS(t)
	s.add(20, morning)
	h := newHost()
	run(t, h, t.TempDir(), polls(s, strings.Replace(byClock, "kind: pick.confirmed", `deleted: 'row["state"] == "CANCELLED"', kind: pick.confirmed`, 1)), false)
	h.once(t, 20)
	s.change(3, morning.Add(time.Minute), func(p *pick) { p.Qty = 7 })
	s.change(4, morning.Add(time.Minute), func(p *pick) { p.State = "CANCELLED" })
	h.until(t, "taken back", func() bool { _, declared, _ := tally(h); return declared == 2 })
	ids := map[string]string{}
	for _, e := range h.all() {
		ids[event.IDOf(e)] = e.GetSourceKey()
	}
	for _, e := range h.all() {
		d := e.GetErrorDeclaration()
		if d == nil {
			continue
		}
		reason := map[string]string{"picks/3": "incorrect_data", "picks/4": "did_not_occur"}[ids[d.GetEventId()]]
		if d.GetReason() != reason || reason == "incorrect_data" && (len(d.GetCorrectiveEventIds()) != 1 || ids[d.GetCorrectiveEventIds()[0]] != "picks/3") {
			t.Errorf("declared %v of %s", d, ids[d.GetEventId()])
		}
	}
}

// Rows change while a list is read by pages, and so slip from a page not read yet to one that was: none is missed.
func TestRowsThatSlipBetweenPagesAreFound(t *testing.T) {
	s := newWMS(t)
	s.add(30, morning)
	moved := 0
	s.failing(func(w http.ResponseWriter, r *http.Request) bool {
		// Between the first and the second page of the first reading the first rows change: all others move up, over the page's edge.
		if r.FormValue("page") == "2" && moved == 0 {
			for moved < 3 {
				moved++
				s.change(moved, morning.Add(time.Hour), func(p *pick) { p.Qty = 9 })
			}
		}
		return false
	})
	h := newHost()
	run(t, h, t.TempDir(), polls(s, ways["time in pages"]), false)
	h.until(t, "all told", func() bool { keys, _, _ := tally(h); return len(keys) == 30 })
	h.until(t, "corrected", func() bool { _, declared, _ := tally(h); return declared == 3 })
}

// The system's clock is ahead of ours, or one record's is: what comes later with an earlier time is still told.
func TestAClockThatIsAheadHidesNothing(t *testing.T) {
	s := newWMS(t)
	s.add(5, time.Now().Add(-time.Minute))
	s.change(5, time.Now().Add(48*time.Hour), func(*pick) {})
	h := newHost()
	run(t, h, t.TempDir(), polls(s, byClock), false)
	h.once(t, 5)
	s.add(3, time.Now())
	h.once(t, 8)
}

// A system that asks to be left alone is left alone for as long, and shown as busy; one that refuses, or answers otherwise than configured, is shown as
// that. Nothing is lost by any of it.
func TestTroubleIsNamed(t *testing.T) {
	for name, trouble := range map[string]struct {
		code   string
		answer func(w http.ResponseWriter)
	}{
		"busy":     {"http_busy", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "2"); w.WriteHeader(429) }},
		"refused":  {"http_rights", func(w http.ResponseWriter) { w.WriteHeader(403) }},
		"no JSON":  {"http_schema", func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }},
		"another":  {"http_schema", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"results":[]}`)) }},
		"no list":  {"http_schema", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"items":7}`)) }},
		"no times": {"http_schema", func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"items":[{"id":1,"changed_at":null}]}`)) }},
		"error":    {"http_error", func(w http.ResponseWriter) { w.WriteHeader(500) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWMS(t)
			s.add(5, morning)
			var bad atomic.Bool
			var at []time.Time
			bad.Store(true)
			s.failing(func(w http.ResponseWriter, _ *http.Request) bool {
				s.mu.Lock()
				at = append(at, time.Now())
				s.mu.Unlock()
				if bad.Load() {
					trouble.answer(w)
				}
				return bad.Load()
			})
			h := newHost()
			run(t, h, t.TempDir(), polls(s, byClock), false)
			h.until(t, "shown", func() bool { return h.has(trouble.code) })
			bad.Store(false)
			h.once(t, 5)
			h.until(t, "over", func() bool { return !h.has(trouble.code) })
			s.mu.Lock()
			defer s.mu.Unlock()
			if name == "busy" && at[1].Sub(at[0]) < 2*time.Second {
				t.Errorf("asked again after %s", at[1].Sub(at[0]))
			}
		})
	}
}

// A system that is away is a device that cannot be reached.
func TestASystemThatIsAwayIsShown(t *testing.T) {
	s := newWMS(t)
	config := polls(s, byClock)
	s.Close()
	h := newHost()
	run(t, h, t.TempDir(), config, false)
	h.until(t, "shown", func() bool {
		return len(h.devices) == 1 && !h.devices[0].GetReachable() && strings.Contains(h.devices[0].GetText(), "cannot be reached")
	})
}

// A field that turns null or changes its form makes dead letters of the records that need it, and of no other; mended records are told.
func TestAFieldThatTurnsNullIsShown(t *testing.T) {
	s := newWMS(t)
	s.add(10, morning)
	s.change(4, morning.Add(4*time.Second), func(p *pick) { p.Sku = nil })
	s.change(5, morning.Add(5*time.Second), func(p *pick) { p.Sku = map[string]any{"code": "SKU5"}; p.Qty = []any{1} })
	h := newHost()
	run(t, h, t.TempDir(), polls(s, byClock), false)
	h.until(t, "read", func() bool { keys, _, letters := tally(h); return len(keys) == 9 && letters == 1 })
	s.change(4, morning.Add(time.Minute), func(p *pick) { p.Sku = "SKU4" })
	h.until(t, "mended", func() bool { keys, _, _ := tally(h); return len(keys) == 10 })
}

// A system that keeps a cursor may forget it: it is read from the beginning, and nothing is told twice.
func TestAForgottenCursorTellsNothingTwice(t *testing.T) {
	s := newWMS(t)
	s.add(10, morning)
	h, dir := newHost(), t.TempDir()
	stream := strings.Replace(ways["cursor"], "more: body.more,", "more: body.more, forgotten: [410],", 1)
	r := run(t, h, dir, polls(s, stream), false)
	h.once(t, 10)
	r.stop()
	var forgot atomic.Bool
	s.failing(func(w http.ResponseWriter, r *http.Request) bool {
		if r.FormValue("cursor") != "" && !forgot.Swap(true) {
			w.WriteHeader(410)
			return true
		}
		return false
	})
	s.add(5, morning)
	run(t, h, dir, polls(s, stream), false)
	h.once(t, 15)
	if !forgot.Load() {
		t.Error("the cursor was not used")
	}
}

// Who asks is proved in each of the ways; a token that is over is exchanged.
func TestWhoAsksIsProved(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", filepath.ToSlash(path))
	}
	password, key := file("password", "secret"), file("key", "key-7")
	for name, way := range map[string]struct {
		auth string
		ok   func(r *http.Request) bool
	}{
		"basic":  {"{user: dock, password_file: " + password + "}", func(r *http.Request) bool { u, p, _ := r.BasicAuth(); return u == "dock" && p == "secret" }},
		"bearer": {"{bearer_file: " + key + "}", func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer key-7" }},
		"header": {"{api_key: {header: X-Key, file: " + key + "}}", func(r *http.Request) bool { return r.Header.Get("X-Key") == "key-7" }},
		"query":  {"{api_key: {query: apikey, file: " + key + "}}", func(r *http.Request) bool { return r.FormValue("apikey") == "key-7" }},
		"oauth2": {"{oauth2: {token_url: \"URL/token\", client_id: dock, client_secret_file: " + password + ", scope: read}}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWMS(t)
			s.add(5, morning)
			tokens := 0
			s.failing(func(w http.ResponseWriter, r *http.Request) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				if r.URL.Path == "/token" {
					u, p, _ := r.BasicAuth()
					if tokens++; u != "dock" || p != "secret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read" {
						w.WriteHeader(401)
						return true
					}
					reply(w, map[string]any{"access_token": fmt.Sprint("t", tokens), "expires_in": 3600})
					return true
				}
				ok := way.ok
				if ok == nil { // the first token is over before it was used
					ok = func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer t2" }
				}
				if !ok(r) {
					w.WriteHeader(401)
					return true
				}
				return false
			})
			h := newHost()
			run(t, h, t.TempDir(), polls(s, byClock, "  auth: "+strings.Replace(way.auth, "URL", s.URL, 1)+"\n"), false)
			h.once(t, 5)
		})
	}
}

// What nothing has changed of is not sent again: the system says so by its ETag.
func TestAnETagSavesTheAnswer(t *testing.T) {
	s := newWMS(t)
	h := newHost()
	run(t, h, t.TempDir(), polls(s, shipStream), false)
	h.once(t, 1)
	h.until(t, "complete", func() bool { return h.through["ships"] != nil })
	testenv.Eventually(t, 3*time.Minute, "asked again", func() bool { return s.asked("GET /ships") >= 3 })
	if e := h.all()[0]; len(h.all()) != 1 || len(e.GetShipment().GetLines()) != 2 || e.GetSubject() != "S1" {
		t.Errorf("told %v", e)
	}
}
