package tryton_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/connector/tryton"
)

// way is the line to Tryton, which can be made to fail.
type way struct {
	web     *http.Server
	address string
	handler http.Handler

	mu     sync.Mutex
	suffix string
	nth    int
	strike func(w http.ResponseWriter, r *http.Request, forward http.Handler)
}

func openWay(t *testing.T, d *door) *way {
	t.Helper()
	target, err := url.Parse(d.db.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target.Host})
	way := &way{address: "127.0.0.1:0"}
	way.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strike := way.due(peek(r)); strike != nil {
			strike(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	})
	way.start(t)
	t.Cleanup(way.stop)
	return way
}

func (w *way) start(t *testing.T) {
	l, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	w.address, w.web = l.Addr().String(), &http.Server{Handler: w.handler}
	go w.web.Serve(l)
}

func (w *way) stop() { w.web.Close() }

func (w *way) connect(t *testing.T, d *door) *tryton.Connector {
	t.Helper()
	target, err := url.Parse(d.db.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := d.settings(t)
	s.URL = "http://" + w.address + target.Path
	c, err := tryton.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type strike = func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// next makes the next call of a method fail.
func (w *way) next(suffix string, s strike) { w.arm(suffix, 1, s) }

func (w *way) arm(suffix string, nth int, s strike) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.suffix, w.nth, w.strike = suffix, nth, s
}

// due returns what happens to this call; "" as suffix stands for every call that writes.
func (w *way) due(method string) strike {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strike == nil || w.suffix == "" && !writing(method) || !strings.HasSuffix(method, w.suffix) {
		return nil
	}
	if w.nth--; w.nth > 0 {
		return nil
	}
	s := w.strike
	w.strike = nil
	return s
}

// waits says whether the failure has not struck yet.
func (w *way) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.strike != nil
}

func writing(method string) bool {
	reads := []string{"search", "read", "search_read", "get_preferences", "login", "version"}
	return method != "" && !slices.Contains(reads, method[strings.LastIndexByte(method, '.')+1:])
}

func loseAnswer(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func endSession(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.WriteHeader(http.StatusUnauthorized)
}

// injections are the ways in which the conformance suite makes a call fail.
var injections = map[connectortest.Injection]strike{
	connectortest.LoseAnswer: loseAnswer,
	connectortest.ServerError: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	connectortest.Hang: func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		<-r.Context().Done()
	},
	connectortest.Throttle: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	},
}

// peek reads the method of a call and leaves the request as it was.
func peek(r *http.Request) string {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	var call struct{ Method string }
	if json.Unmarshal(text, &call) != nil {
		return ""
	}
	return call.Method
}
