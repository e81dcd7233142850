package scanner

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// heard is a host that answers at once and keeps events.
type heard struct {
	plugins.Stream
	events chan *docklinev1.Event
	onAck  func(*docklinev1.CaptureAck)
}

func (h *heard) Emit(_ context.Context, b *docklinev1.CaptureBatch) error {
	for _, e := range b.GetEvents() {
		h.events <- e
	}
	h.onAck(&docklinev1.CaptureAck{})
	return nil
}
func (h *heard) OnAck(f func(*docklinev1.CaptureAck))      { h.onAck = f }
func (h *heard) Flush(context.Context) error               { return nil }
func (h *heard) Report(...*docklinev1.Condition) error     { return nil }
func (h *heard) Devices(...*docklinev1.DeviceHealth) error { return nil }

// Recorded key events, out of a pipe in the place of the device, make an event.
func TestKeyboardReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "event0")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	keyboard, err := os.OpenFile(path, os.O_RDWR, 0) // held open: a keyboard does not end
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	p := &Plugin{Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	config := fmt.Sprintf(`inputs: [{id: shelf, wedge: {device: %q}}]
flows:
  - name: move
    start: item
    states:
      item: {on: [{ai: "01", take: {gtin: ai.01, lot: ai.10}, next: to}]}
      to: {on: [{pattern: '^BIN-([A-Z0-9-]+)$', take: {to_bin: group.1}, set: {quantity: "1", bin: DOCK}, emit: moved, next: item}]}
    events: {moved: {kind: stock.moved, constants: {unit: EA}}}
`, path)
	h := &heard{events: make(chan *docklinev1.Event, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	dir := t.TempDir()
	go func() { ended <- p.Capture(ctx, plugins.Start{Config: []byte(config), DataDir: dir}, h) }()
	if _, err := keyboard.Write(keys(eventSize, "]C1010401234567890110A7\x1d11260100\nBIN-A-01\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-h.events:
		if got := short(e); got != "stock.moved 04012345678901 [ 04012345678901 x1 lot A7 bin DOCK>A-01 unit ]" {
			t.Errorf("typed %s", got)
		}
	case <-time.After(2 * time.Minute):
		t.Error("no event came")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
