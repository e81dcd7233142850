package wmshttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/http/wmshttp"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	tenant = "acme"
	site   = "dc-east"
	source = "partner"
)

// host keeps what a source gives it, as the agent does: events and cursor in one step, answered by an ack. It can hold the acks back, as a journal that
// is full does.
type host struct {
	mu         sync.Mutex
	events     []*docklinev1.Event
	cursor     []byte
	last       uint64
	through    map[string]*docklinev1.CompleteThrough
	conditions []*docklinev1.Condition
	devices    []*docklinev1.DeviceHealth
	onAck      func(*docklinev1.CaptureAck)
	full       bool
	waiting    []*docklinev1.CaptureAck
	changed    chan struct{}
}

func newHost() *host {
	return &host{changed: make(chan struct{}), through: map[string]*docklinev1.CompleteThrough{}}
}

// note wakes whoever waits; the lock is held.
func (h *host) note() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *host) Emit(_ context.Context, b *docklinev1.CaptureBatch) error {
	h.mu.Lock()
	h.last++
	b.Batch = h.last
	ack := &docklinev1.CaptureAck{Batch: h.last, Cursor: b.GetCursor()}
	if h.full {
		h.waiting = append(h.waiting, ack)
		h.note()
		h.mu.Unlock()
		return nil
	}
	for _, e := range b.GetEvents() {
		h.events = append(h.events, proto.CloneOf(e))
	}
	if len(b.GetCursor()) > 0 {
		h.cursor = bytes.Clone(b.GetCursor())
	}
	for _, t := range b.GetCompleteThrough() {
		h.through[t.GetStream()] = t
	}
	onAck := h.onAck
	h.note()
	h.mu.Unlock()
	onAck(ack)
	return nil
}

func (h *host) OnAck(f func(*docklinev1.CaptureAck)) { h.onAck = f }
func (h *host) Flush(context.Context) error          { return nil }
func (h *host) Report(c ...*docklinev1.Condition) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conditions = c
	h.note()
	return nil
}
func (h *host) Devices(d ...*docklinev1.DeviceHealth) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.devices = d
	h.note()
	return nil
}

// until waits for a state of the host.
func (h *host) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		h.mu.Lock()
		ok, changed := done(), h.changed
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			h.mu.Lock()
			defer h.mu.Unlock()
			t.Fatalf("not %s; %d events, conditions %v, devices %v", what, len(h.events), h.conditions, h.devices)
		}
	}
}

// has is whether there is such a condition. The lock is held.
func (h *host) has(code string) bool {
	for _, c := range h.conditions {
		if c.GetCode() == code {
			return true
		}
	}
	return false
}

// named is an event with the id that an agent gives it.
func named(e *docklinev1.Event) *docklinev1.Event {
	e = proto.CloneOf(e)
	if e.GetId() != event.WorldwideID(tenant, source, e.GetSourceKey()) {
		e.Id = event.ID(event.Cause{Tenant: tenant, Site: site, Source: source, SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), ContentHash: e.GetContentHash(),
			Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
	}
	e.Tenant, e.Site, e.Source = tenant, site, source
	return e
}

// all are the events so far, named.
func (h *host) all() []*docklinev1.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*docklinev1.Event, len(h.events))
	for i, e := range h.events {
		out[i] = named(e)
	}
	return out
}

// running is a plugin that captures.
type running struct {
	t       testing.TB
	host    *host
	address string
	dir     string
	config  string
	stop    func()
}

// run starts the plugin over a host and a data folder, and waits until it listens, if it does.
func run(t testing.TB, h *host, dir, config string, listens bool) *running {
	t.Helper()
	p := quiet()
	bound := make(chan string, 1)
	p.Bound = func(address string) { bound <- address }
	return runPlugin(t, p, h, dir, config, listens, bound)
}

func runPlugin(t testing.TB, p *wmshttp.Plugin, h *host, dir, config string, listens bool, bound chan string) *running {
	t.Helper()
	if faults := p.Check([]byte(config), source); len(faults) > 0 {
		t.Fatalf("configuration: %v\n%s", faults, config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	h.mu.Lock()
	cursor := h.cursor
	h.last = 0 // each capture counts its batches from 1
	h.mu.Unlock()
	go func() {
		ended <- p.Capture(ctx, plugins.Start{Config: []byte(config), Cursor: cursor, DataDir: dir, ID: source, Tenant: tenant, Site: site}, h)
	}()
	var once sync.Once
	r := &running{t: t, host: h, dir: dir, config: config}
	r.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the capture ended with %v", err)
				}
			case <-time.After(2 * time.Minute):
				t.Error("the capture does not end")
			}
		})
	}
	t.Cleanup(r.stop)
	if listens {
		select {
		case r.address = <-bound:
		case err := <-ended:
			t.Fatalf("the capture ended: %v", err)
		case <-time.After(2 * time.Minute):
			t.Fatal("it does not listen")
		}
	}
	return r
}

// got is an answer.
type got struct {
	status int
	header http.Header
	body   []byte
}

func (g got) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(g.body, v); err != nil {
		t.Fatalf("%d %s: %v", g.status, g.body, err)
	}
}

// send makes a request; headers are pairs.
func (r *running) send(method, path string, body io.Reader, headers ...string) got {
	r.t.Helper()
	g, err := r.try(method, path, body, headers...)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return g
}

func (r *running) try(method, path string, body io.Reader, headers ...string) (got, error) {
	req, err := http.NewRequest(method, "http://"+r.address+path, body)
	if err != nil {
		return got{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return got{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return got{resp.StatusCode, resp.Header, raw}, err
}

func text(s string) io.Reader { return bytes.NewReader([]byte(s)) }

var year2030 = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
