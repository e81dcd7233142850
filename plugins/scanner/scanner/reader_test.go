package scanner_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/scanner/scanner"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// patience is how long anything may take on a machine that is busy with other things.
const patience = 2 * time.Minute

// host takes events as an agent does. It can keep its answers to itself, and be gone.
type host struct {
	mu         sync.Mutex
	held       bool
	gone       bool
	refuse     string
	number     uint64
	unanswered []*docklinev1.CaptureAck
	events     []*docklinev1.Event
	onAck      func(*docklinev1.CaptureAck)
	conditions []*docklinev1.Condition
	devices    []*docklinev1.DeviceHealth
	answers    sync.Mutex // one ack at a time, in their order
	log        journal
	clock      *clock // nil: the system's
}

// clock is one that a test puts on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { return c.on(0) }

func (c *clock) on(by time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
	return c.now
}

// journal is what the plugin logs.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (h *host) Emit(ctx context.Context, b *docklinev1.CaptureBatch) error {
	h.mu.Lock()
	if ctx.Err() != nil {
		h.mu.Unlock()
		return ctx.Err()
	}
	h.number++
	for _, e := range b.GetEvents() {
		h.events = append(h.events, proto.CloneOf(e))
	}
	ack := &docklinev1.CaptureAck{Batch: h.number}
	if h.refuse != "" && len(b.GetEvents()) > 0 {
		ack.Refused = []*docklinev1.RefusedEvent{{Text: h.refuse}}
	}
	h.unanswered = append(h.unanswered, ack)
	held := h.held
	h.mu.Unlock()
	if !held {
		go h.answer()
	}
	return nil
}

// answer gives all acks that are due.
func (h *host) answer() {
	h.answers.Lock()
	defer h.answers.Unlock()
	h.mu.Lock()
	due, onAck := h.unanswered, h.onAck
	h.unanswered = nil
	h.mu.Unlock()
	for _, ack := range due {
		onAck(ack)
	}
}

func (h *host) hold(is bool) {
	h.mu.Lock()
	h.held = is
	h.mu.Unlock()
	if !is {
		h.answer()
	}
}

func (h *host) OnAck(f func(*docklinev1.CaptureAck)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onAck = f
}

func (h *host) Flush(ctx context.Context) error {
	for {
		h.mu.Lock()
		gone, due := h.gone, len(h.unanswered)
		h.mu.Unlock()
		switch {
		case gone:
			return errors.New("the host has gone")
		case due == 0:
			h.answers.Lock()   // the last of them is through
			h.answers.Unlock() //nolint:staticcheck // only waited for
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func (h *host) Report(c ...*docklinev1.Condition) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conditions = c
	return nil
}

func (h *host) Devices(d ...*docklinev1.DeviceHealth) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.devices = d
	return nil
}

func (h *host) seen() []*docklinev1.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*docklinev1.Event(nil), h.events...)
}

// until waits for a state.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	testenv.Eventually(t, patience, what, is)
}

func (h *host) untilCondition(t *testing.T, code string) {
	t.Helper()
	until(t, "condition "+code, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range h.conditions {
			if c.GetCode() == code && len(c.GetText()) > 30 {
				return true
			}
		}
		return false
	})
}

// device waits until a device is as it should be, and gives what is said of it.
func (h *host) device(t testing.TB, id string, reachable bool) (text string) {
	t.Helper()
	until(t, fmt.Sprintf("%s reachable: %v", id, reachable), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, d := range h.devices {
			if d.GetId() == id && d.GetReachable() == reachable {
				text = d.GetText()
				return true
			}
		}
		return false
	})
	return text
}

// lastSeen is the last scan of a reader that called an input.
func (h *host) lastSeen(input string) (at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.devices {
		if d.GetId() == input {
			at = d.GetLastSeenAt().AsTime()
		}
	}
	return at
}

const pickFlow = `
flows:
  - name: pick
    start: order
    timeout: 1h
    states:
      order: {prompt: "Order?", on: [{pattern: '^(SO[0-9]+)$', take: {order: group.1}, next: item}]}
      item: {prompt: "Item?", on: [{ai: "01", take: {gtin: ai.01, lot: ai.10}, set: {quantity: "2"}, emit: picked, next: order}]}
    events: {picked: {kind: pick.confirmed, constants: {unit: EA}}}
`

// started runs the plugin until stop is called or the test ends.
func started(t testing.TB, h *host, dataDir, config string) (stop func()) {
	t.Helper()
	p := scanner.New()
	p.Log = slog.New(slog.NewTextHandler(&h.log, nil))
	if h.clock != nil {
		p.Now = h.clock.Now
	}
	for _, f := range p.Check([]byte(config), "scan") {
		t.Fatalf("line %d, %s: %s", f.GetLine(), f.GetPath(), f.GetText())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- p.Capture(ctx, plugins.Start{Config: []byte(config), DataDir: dataDir, ID: "scan"}, h)
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the capture ended with %v", err)
				}
			case <-time.After(patience):
				t.Error("the capture does not end")
			}
		})
	}
	t.Cleanup(func() {
		h.mu.Lock()
		h.gone = true // nobody waits for what it holds back
		h.mu.Unlock()
		stop()
	})
	return stop
}

// reader is a person's reader on a line.
type reader struct {
	t     *testing.T
	line  io.ReadWriteCloser
	heard *bufio.Scanner
}

func newReader(t *testing.T, line io.ReadWriteCloser) *reader {
	t.Cleanup(func() { _ = line.Close() })
	return &reader{t, line, bufio.NewScanner(line)}
}

func dialled(t *testing.T, address string) *reader {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return newReader(t, conn)
}

func (r *reader) scan(codes ...string) {
	r.t.Helper()
	for _, code := range codes {
		if _, err := io.WriteString(r.line, code+"\r"); err != nil {
			r.t.Fatalf("scan %q: %v", code, err)
		}
	}
}

// hears reads feedback until a word comes, and fails where one comes that must not.
func (r *reader) hears(word string, never ...string) string {
	r.t.Helper()
	for r.heard.Scan() {
		text := r.heard.Text()
		for _, not := range never {
			if strings.Contains(text, not) {
				r.t.Fatalf("heard %q before %s", text, word)
			}
		}
		if strings.Contains(text, word) {
			return text
		}
	}
	r.t.Fatalf("%s was not heard: %v; last was %q", word, r.heard.Err(), r.heard.Text())
	return ""
}
