package wmshttp_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/http/wmshttp"
)

// quiet is the plugin without its log.
func quiet() *wmshttp.Plugin {
	p := wmshttp.New()
	p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	return p
}

func newPlugin() plugins.Plugin {
	p := quiet()
	return plugins.Plugin{Source: p, Sink: p}
}

// pick is a record of the WMS.
type pick struct {
	ID      int            `json:"id"`
	Order   map[string]any `json:"order"`
	Sku     any            `json:"sku"`
	Qty     any            `json:"qty"`
	At      string         `json:"at"`
	State   string         `json:"state,omitempty"`
	Changed time.Time      `json:"changed_at"`
}

// wms is a system with a REST interface: picks by time of change, by page and by cursor, shipments with their lines, and work that is handed to it. Fail
// may answer in its place.
type wms struct {
	*httptest.Server
	mu    sync.Mutex
	picks []pick
	// work is what was handed over, by number and version, and how often.
	work  map[string]int
	calls []string
	fail  func(w http.ResponseWriter, r *http.Request) bool
}

func newWMS(t testing.TB) *wms {
	t.Helper()
	s := &wms{work: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /picks", s.list)
	mux.HandleFunc("GET /picks/{id}", s.one)
	mux.HandleFunc("GET /ships", s.ships)
	mux.HandleFunc("GET /work/{number}", s.found)
	mux.HandleFunc("POST /work", s.take)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls = append(s.calls, r.Method+" "+r.URL.Path)
		fail := s.fail
		s.mu.Unlock()
		if fail == nil || !fail(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// failing sets what answers in the place of the system.
func (s *wms) failing(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// add puts picks into the system, changed a second apart from a time on.
func (s *wms) add(n int, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		i := len(s.picks) + 1
		s.picks = append(s.picks, pick{ID: i, Order: map[string]any{"number": fmt.Sprintf("SO%d", i/3), "line": strconv.Itoa(i % 3)}, Sku: fmt.Sprintf("SKU%d", i%7), Qty: json.Number("2.50"),
			At: "2026-07-04T08:00:00Z", Changed: from.Add(time.Duration(i) * time.Second)})
	}
}

// change changes a pick.
func (s *wms) change(id int, at time.Time, how func(*pick)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(&s.picks[id-1])
	s.picks[id-1].Changed = at
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.FormValue(name))
	if err != nil {
		return otherwise
	}
	return n
}

// list gives picks in the order of change: since (to the second) and after; page and size; offset and size; or cursor.
func (s *wms) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.picks)
	slices.SortStableFunc(all, func(a, b pick) int {
		if c := a.Changed.Compare(b.Changed); c != 0 {
			return c
		}
		return a.ID - b.ID
	})
	size := number(r, "size", 100)
	if text := r.FormValue("since"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			http.Error(w, `{"message":"since is no time"}`, http.StatusBadRequest)
			return
		}
		after := number(r, "after", 0)
		all = slices.DeleteFunc(all, func(p pick) bool { return p.Changed.Before(since) || p.Changed.Equal(since) && p.ID <= after })
	}
	from := number(r, "offset", 0)
	if page := number(r, "page", 0); page > 0 {
		from = (page - 1) * size
	}
	cursor := r.FormValue("cursor")
	if cursor != "" {
		from = number(r, "cursor", 0)
	}
	from = min(from, len(all))
	end := min(from+size, len(all))
	reply(w, map[string]any{"items": all[from:end], "next": strconv.Itoa(end), "more": end < len(all)})
}

func (s *wms) one(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := strconv.Atoi(r.PathValue("id"))
	if id < 1 || id > len(s.picks) {
		http.NotFound(w, r)
		return
	}
	reply(w, map[string]any{"id": id, "bin": fmt.Sprintf("A-%02d", id)})
}

func (s *wms) ships(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"one"`)
	if r.Header.Get("If-None-Match") == `"one"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	reply(w, []any{map[string]any{"shipment": "S1", "left": "2026-07-04T09:00:00Z", "lines": []any{
		map[string]any{"order": "SO1", "sku": "A", "qty": 1}, map[string]any{"order": "SO1", "sku": "B", "qty": 2}}}})
}

func (s *wms) take(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Number  string `json:"number"`
		Version int    `json:"version"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, `{"message":"no JSON"}`, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work[fmt.Sprintf("%s/%d", body.Number, body.Version)]++
	reply(w, map[string]any{"id": 1})
}

func (s *wms) found(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	highest := 0
	for key := range s.work {
		if rest, ok := strings.CutPrefix(key, r.PathValue("number")+"/"); ok {
			n, _ := strconv.Atoi(rest)
			highest = max(highest, n)
		}
	}
	if highest == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	reply(w, map[string]any{"version": highest})
}

// effects is how often work was handed over.
func (s *wms) effects() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, times := range s.work {
		n += times
	}
	return n
}

// asked is how often a request was made, as "GET /picks".
func (s *wms) asked(request string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if call == request {
			n++
		}
	}
	return n
}

const (
	pickMapping  = `kind: pick.confirmed, key: id, columns: {id: task, order.number: order, order.line: order_line, sku: item, qty: quantity, at: occurred_at}`
	byClock      = `{name: picks, path: '"/picks"', query: '{"since": string(since), "after": after, "size": "7"}', items: body.items, clock: {changed: timestamp(item.changed_at), id: string(item.id), size: 7, overlap: 1m}, ` + pickMapping + `}`
	shipStream   = `{name: ships, path: '"/ships"', items: body, conditional: true, records: "lines[]", kind: shipment.departed, key: ../shipment, group: true, columns: {../shipment: shipment, ../left: occurred_at, order: order, sku: item, qty: quantity}}`
	workSections = `
  cancel_order:
    path: '"/work"'
    body: '{"number": work.number, "version": work.version, "reason": work.reason}'
    find: {path: '"/work/" + escape(work.number)', absent: [404], version: item.version}
`
)
