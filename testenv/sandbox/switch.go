package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// switches are what a test, or a person at the sandbox, turns over beside the faults that come by chance. None of it concerns an operator.
type switches struct {
	denied, reshaped bool
	before           func()
}

// Deny takes the account of every integration its rights, until it is called with false.
func (i *Injector) Deny(denied bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.switches.denied = denied
}

// Reshape has every answer to a read come in another shape, as after an upgrade that renamed its parts, until it is called with false.
func (i *Injector) Reshape(reshaped bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.switches.reshaped = reshaped
}

// Before has something done once, when the next request that writes has arrived and before it is looked at; nil takes it back. It says whether the one
// before was done.
func (i *Injector) Before(do func()) (was bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	was = i.switches.before == nil
	i.switches.before = do
	return was
}

// switched is what is in force for a request; what is to be done before it is taken out.
func (i *Injector) switched(r *http.Request) (s switches) {
	if r.Header.Get(OperatorHeader) != "" {
		return s
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if s = i.switches; r.Method == http.MethodGet {
		s.before = nil
	} else {
		i.switches.before = nil
	}
	return s
}

// serve answers as the switches have it.
func (i *Injector) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	s := i.switched(r)
	if s.before != nil {
		s.before()
	}
	switch {
	case s.denied:
		WriteError(w, http.StatusForbidden, "not_authorised", "the account may not do that")
	case s.reshaped && r.Method == http.MethodGet:
		kept := &keeper{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(kept, r)
		var body map[string]any
		if kept.status != http.StatusOK || json.Unmarshal(kept.body.Bytes(), &body) != nil {
			w.WriteHeader(kept.status)
			_, _ = w.Write(kept.body.Bytes()) // a client that has gone is no concern of the sandbox
			return
		}
		if items, list := body["items"]; list {
			delete(body, "items")
			body["entries"] = items
		} else {
			body = map[string]any{"record": body}
		}
		Write(w, http.StatusOK, body)
	default:
		next.ServeHTTP(w, r)
	}
}

// keeper keeps an answer to be written otherwise.
type keeper struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keeper) Header() http.Header         { return k.header }
func (k *keeper) Write(b []byte) (int, error) { return k.body.Write(b) }
func (k *keeper) WriteHeader(status int)      { k.status = status }
