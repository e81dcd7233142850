package tryton

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Way is the way to a Tryton, on which calls can be made to fail: one chosen call by Arm, or as Faults says some of those that write.
// While it is stopped connections are refused.
type Way struct {
	*sandbox.Server
	path   string
	faults *sandbox.Injector

	mu    sync.Mutex
	armed []*armed
}

// armed is a strike that waits for its call.
type armed struct {
	suffix string
	nth    int
	strike Strike
}

// AnyCall stands for the methods of all calls, also of those that only read.
const AnyCall = "any call"

// Strike is what happens to a call in place of forwarding it.
type Strike func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// OpenWay makes a way to the database at an address; Start opens it. The seed decides which calls Faults strikes.
func OpenWay(database string, seed uint64) (*Way, error) {
	target, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	forward.ErrorLog = log.New(io.Discard, "", 0)
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) } // as the server's own end would look
	way := &Way{path: target.Path, faults: sandbox.NewInjector(seed, sandbox.Faults{})}
	failing := way.faults.Fail(forward)
	way.Server = sandbox.NewServer("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := methodOf(r)
		switch strike := way.due(method); {
		case strike != nil:
			strike(w, r, forward)
		case writes(method):
			failing.ServeHTTP(w, r)
		default:
			forward.ServeHTTP(w, r)
		}
	}))
	return way, nil
}

// DatabaseURL is the database's address on this way.
func (w *Way) DatabaseURL() string { return w.URL() + w.path }

// Faults says how often calls that write fail; a posting takes several.
func (w *Way) Faults() *sandbox.Injector { return w.faults }

// Arm lets the nth call from now on whose method ends in suffix meet a strike; "" stands for every call that writes, AnyCall for every one. Strikes with
// different suffixes wait side by side; a nil strike takes back one that has not struck yet.
func (w *Way) Arm(suffix string, nth int, s Strike) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = slices.DeleteFunc(w.armed, func(a *armed) bool { return a.suffix == suffix })
	if s != nil {
		w.armed = append(w.armed, &armed{suffix, nth, s})
	}
}

// Armed names the suffixes of the strikes that wait for their calls.
func (w *Way) Armed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, a := range w.armed {
		out = append(out, a.suffix)
	}
	return out
}

func (w *Way) due(method string) Strike {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, a := range w.armed {
		if a.suffix == "" && !writes(method) || a.suffix != AnyCall && !strings.HasSuffix(method, a.suffix) {
			continue
		}
		if a.nth--; a.nth > 0 {
			continue
		}
		w.armed = slices.Delete(w.armed, i, i+1)
		return a.strike
	}
	return nil
}

// LoseAnswer lets Tryton do what was asked and breaks the connection.
func LoseAnswer(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// LoseCall breaks the connection before Tryton hears of the call.
func LoseCall(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// Meanwhile does something while the call is at Tryton, which goes on with it whoever has gone; nobody hears the answer.
func Meanwhile(do func()) Strike {
	return func(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }() // Tryton's end is as good as an answer that nobody hears
			forward.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		}()
		do()
		<-done
		panic(http.ErrAbortHandler)
	}
}

func writes(method string) bool {
	reads := []string{"search", "read", "search_read", "get_preferences", "login", "version"}
	return method != "" && !slices.Contains(reads, method[strings.LastIndexByte(method, '.')+1:])
}

// methodOf reads the method of a call and leaves the request as it was.
func methodOf(r *http.Request) string {
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
