package wmsfile_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/wms"
)

// kept is a host's end of a capture that keeps everything.
type kept struct {
	mu     sync.Mutex
	events []*docklinev1.Event
}

func (k *kept) Emit(_ context.Context, b *docklinev1.CaptureBatch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, b.GetEvents()...)
	return nil
}
func (k *kept) OnAck(func(*docklinev1.CaptureAck))        {}
func (k *kept) Flush(context.Context) error               { return nil }
func (k *kept) Report(...*docklinev1.Condition) error     { return nil }
func (k *kept) Devices(...*docklinev1.DeviceHealth) error { return nil }

func (k *kept) all() []*docklinev1.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.events)
}

var dayFormats = map[string]struct {
	format   wms.Format
	defaults string
	complete string
}{
	"plain":  {wms.Plain, `{delimiter: ",", zone: UTC}`, "rename"},
	"german": {wms.German, `{delimiter: ";", encoding: windows-1252, number: {decimal: ",", group: "."}, date: "dd.MM.yyyy HH:mm:ss", zone: UTC}`, "marker"},
}

// A day of a WMS: what goes in by the sink and comes out by the source is what the WMS's own ledger says, line by line.
func TestDayOfAWMS(t *testing.T) {
	for name, f := range dayFormats {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c := wms.Config{Inbound: filepath.Join(root, "in"), Outbound: filepath.Join(root, "out"), StateDir: filepath.Join(root, "wms"), Dock: day.DefaultConfig(), Format: f.format}
			c.Format.DoneMarker = f.complete == "marker"
			c.Dock.Site, c.Dock.Seed = "dc-east", 7
			c.Dock.ShortPercent, c.Dock.CountPercent, c.Dock.PartialPercent = 20, 20, 30
			for i := range 12 {
				c.Dock.Stock = append(c.Dock.Stock, day.StockRow{Bin: fmt.Sprintf("A-%02d", i), Item: fmt.Sprintf("SKU-%d", i), Unit: "kg", Lot: strings.Repeat("L", i%2), Quantity: day.Units(10_000) + 500_000})
			}
			w, err := wms.Open(c)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			sample, err := os.ReadFile("../sample.yaml")
			if err != nil {
				t.Fatal(err)
			}
			p, config := wmsfile.New(), dayConfig(string(sample), c, f.defaults, f.complete)
			p.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			if faults := p.Check([]byte(config), "wms"); len(faults) > 0 {
				t.Fatal(faults)
			}
			start := plugins.Start{Config: []byte(config), DataDir: t.TempDir(), ID: "wms"}
			if err := p.Open(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			releaseOrders(t, p, 30)
			work(t, w)
			records, err := day.ReadLedger(wms.LedgerPath(c.StateDir))
			if err != nil {
				t.Fatal(err)
			}
			want := ledgerLines(records)
			if len(want) < 200 {
				t.Fatalf("only %d lines in the ledger", len(want))
			}
			got := capture(t, p, start, len(want))
			if !slices.Equal(got, want) {
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Fatalf("line %d: got %s, want %s", i, got[i], want[i])
					}
				}
				t.Errorf("%d lines, the ledger has %d", len(got), len(want))
			}
		})
	}
}

// dayConfig is the sample with this world's folders and format.
func dayConfig(sample string, c wms.Config, defaults, complete string) string {
	_, files, _ := strings.Cut(sample, "\nfiles:")
	files, commands, _ := strings.Cut(files, "\ncommands:")
	// The WMS reads its work with semicolons, whatever it writes.
	commands = strings.NewReplacer("-{version}.csv", "-{version}.csv\n    delimiter: \";\"").Replace(commands)
	return fmt.Sprintf("outbound: %q\ninbound: %q\npoll: 50ms\ncomplete: {by: %s}\ndefaults: %s\nfiles:%s\ncommands:%s", c.Outbound, c.Inbound, complete, defaults, files, commands)
}

func releaseOrders(t *testing.T, p *wmsfile.Plugin, n int) {
	t.Helper()
	for i := range n {
		order := &docklinev1.Order{Number: fmt.Sprintf("SO%05d", i), Customer: "K1"}
		for l := range 1 + i%8 {
			order.Lines = append(order.Lines, &docklinev1.Line{OrderLine: fmt.Sprint(10 * (l + 1)), Item: fmt.Sprintf("SKU-%d", (i+l)%12), Quantity: &docklinev1.Quantity{Value: fmt.Sprintf("%d.5", 2+l), Unit: "kg"}})
		}
		r, err := p.Deliver(t.Context(), &docklinev1.Command{Key: "release/" + order.Number, Version: 1, Work: &docklinev1.Command_ReleaseOrder{ReleaseOrder: &docklinev1.ReleaseOrder{Order: order}}})
		if err != nil || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
			t.Fatal(r, err)
		}
	}
}

// work lets the WMS do what it was told.
func work(t *testing.T, w *wms.WMS) {
	t.Helper()
	at := time.Date(2026, 7, 4, 8, 0, 0, 0, time.UTC)
	for range 1000 {
		if err := w.Step(at); err != nil {
			t.Fatal(err)
		}
		if at = at.Add(time.Second); w.Idle() {
			return
		}
	}
	t.Fatal("the WMS does not come to an end")
}

func row(kind, id, order, line, item, quantity, lot, bin string, short bool, movement uint64) string {
	return strings.Join([]string{kind, id, order, line, item, quantity, lot, bin, fmt.Sprint(short), fmt.Sprint(movement)}, "|")
}

func ledgerLines(records []day.Record) []string {
	var out []string
	for _, r := range records {
		if r.Movement == nil {
			continue
		}
		m := r.Movement
		number := m.Number
		if m.Kind == day.Pack || m.Kind == day.Ship {
			number = 0 // has no column there
		}
		for _, l := range m.Lines {
			bin := ""
			if m.Kind == day.Pick || m.Kind == day.Count {
				bin = l.Bin
			}
			id, lot := m.ID, l.Lot
			if m.Kind == day.Pack {
				id, lot = "", ""
			}
			out = append(out, row(string(m.Kind), id, m.Order, l.OrderLine, l.Item, l.Quantity.String(), lot, bin, m.Kind == day.Pick && l.Short(), number))
		}
	}
	slices.Sort(out)
	return out
}

func eventLines(events []*docklinev1.Event) []string {
	var out []string
	for _, e := range events {
		kind, id, lines := "", "", []*docklinev1.Line(nil)
		switch {
		case e.GetPick() != nil:
			kind, id, lines = "pick", e.GetPick().GetTask(), e.GetPick().GetLines()
		case e.GetPack() != nil:
			kind, lines = "pack", e.GetPack().GetLines()
		case e.GetShipment() != nil:
			kind, id, lines = "ship", e.GetShipment().GetNumber(), e.GetShipment().GetLines()
		case e.GetCount() != nil:
			kind, id, lines = "count", e.GetCount().GetNumber(), e.GetCount().GetLines()
		default:
			out = append(out, "unexpected "+event.KindName(e.GetKind())+" "+e.GetDeadLetter().GetText())
		}
		for _, l := range lines {
			out = append(out, row(kind, id, l.GetOrder(), l.GetOrderLine(), l.GetItem(), l.GetQuantity().GetValue(), l.GetLot(), l.GetBin(), e.GetKind() == docklinev1.EventKind_EVENT_KIND_PICK_SHORT, e.GetMovement()))
		}
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// capture runs the source until that many lines have come.
func capture(t *testing.T, p *wmsfile.Plugin, start plugins.Start, lines int) []string {
	t.Helper()
	k, ended := &kept{}, make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- p.Capture(ctx, start, k) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); len(eventLines(k.all())) < lines; {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("capture ended: %v", err)
		case <-deadline:
			cancel()
			return eventLines(k.all())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("capture: %v", err)
	}
	return eventLines(k.all())
}
