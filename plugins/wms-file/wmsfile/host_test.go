package wmsfile

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// host keeps what a source gives it, as the agent does: events and cursor in one step. It can fail at a chosen batch, before or
// after that batch has become durable.
type host struct {
	mu         sync.Mutex
	events     []*docklinev1.Event
	cursor     []byte
	through    map[string]*docklinev1.CompleteThrough
	conditions []*docklinev1.Condition
	devices    []*docklinev1.DeviceHealth
	batches    int
	failAt     int
	durable    bool
}

var errCrash = errors.New("the process ended here")

func (h *host) Emit(_ context.Context, b *docklinev1.CaptureBatch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches++
	crash := h.failAt > 0 && h.batches == h.failAt
	if crash && !h.durable {
		return errCrash
	}
	for _, e := range b.GetEvents() {
		h.events = append(h.events, proto.CloneOf(e))
	}
	if len(b.GetCursor()) > 0 {
		h.cursor = slices.Clone(b.GetCursor())
	}
	for _, t := range b.GetCompleteThrough() {
		if h.through == nil {
			h.through = map[string]*docklinev1.CompleteThrough{}
		}
		h.through[t.GetStream()] = t
	}
	if crash {
		return errCrash
	}
	return nil
}

func (h *host) OnAck(func(*docklinev1.CaptureAck)) {}
func (h *host) Flush(context.Context) error        { return nil }
func (h *host) Report(c ...*docklinev1.Condition) error {
	h.conditions = c
	return nil
}
func (h *host) Devices(d ...*docklinev1.DeviceHealth) error {
	h.devices = d
	return nil
}

// ids are those of the events, sorted, each once; dead letters only where wanted.
func (h *host) ids(refused bool) []string {
	var out []string
	for _, e := range h.events {
		if (e.GetDeadLetter() != nil) == refused {
			out = append(out, idOf(e))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func idOf(e *docklinev1.Event) string {
	return event.ID(event.Cause{Tenant: "t", Site: "s", Source: "wms", SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(), ContentHash: e.GetContentHash(),
		Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
}

func (h *host) letters() []*docklinev1.DeadLetter {
	var out []*docklinev1.DeadLetter
	for _, e := range h.events {
		if l := e.GetDeadLetter(); l != nil {
			out = append(out, l)
		}
	}
	return out
}

// site is a WMS's folders with the plugin on them.
type site struct {
	t       testing.TB
	host    *host
	config  string
	root    string
	dataDir string
	clock   time.Time
	capture *capture
}

const testConfig = `
outbound: ROOT/out
complete: {by: rename}
defaults: {delimiter: ";", zone: UTC}
files:
  - name: picks
    pattern: picks*.csv
    kind: 'short > 0 ? "pick.short" : "pick.confirmed"'
    key: [id]
    columns: {id: task, order: order, sku: item, qty: quantity, short: short, at: occurred_at, bin: bin, mov: movement}
  - name: ships
    pattern: ships*.csv
    kind: shipment.departed
    key: [ship]
    group: true
    columns: {ship: shipment, order: order, sku: item, qty: quantity, at: occurred_at}
`

const pickHeader = "id;order;sku;qty;short;at;bin;mov\n"

func newSite(t testing.TB, config string) *site {
	t.Helper()
	root := t.TempDir()
	s := &site{t: t, host: &host{}, root: root, config: strings.ReplaceAll(config, "ROOT", filepath.ToSlash(root)), dataDir: filepath.Join(root, "data"),
		clock: time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC)}
	for _, dir := range []string{"out", "in", "data"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// start begins a run of the plugin with the cursor that the host holds.
func (s *site) start() {
	s.t.Helper()
	s.begin()
	if err := s.capture.reread(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// begin makes a run that has not looked at anything yet.
func (s *site) begin() {
	s.t.Helper()
	set, faults := load([]byte(s.config))
	if len(faults) > 0 {
		s.t.Fatal(faults)
	}
	with, err := openPartner(s.dataDir, func() time.Time { return s.clock })
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := newCapture(set, plugins.Start{Cursor: s.host.cursor, DataDir: s.dataDir}, with, localInbox(set.Inbound), nil, s.host, func() time.Time { return s.clock }, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.capture = c
}

// drop writes a file as the WMS does, with a time of its own.
func (s *site) drop(name, data string) {
	s.t.Helper()
	path := filepath.Join(s.root, "out", name)
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.clock = s.clock.Add(time.Second)
	if err := os.Chtimes(path, s.clock, s.clock); err != nil {
		s.t.Fatal(err)
	}
}

// step runs the plugin once and gives what ended it.
func (s *site) step() error {
	s.t.Helper()
	if s.capture == nil {
		s.start()
	}
	return s.capture.step(context.Background())
}

func (s *site) mustStep() {
	s.t.Helper()
	if err := s.step(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) list(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(s.root, filepath.FromSlash(dir)))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

func (s *site) read(path string) string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(path)))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}
