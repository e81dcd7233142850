package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/wms"
)

// FileSite works by files; every other site is simulated.
const FileSite = "dc-east"

// Site is one site: its agent, the line to the broker, and its warehouse system where that is one of files.
type Site struct {
	Name  string
	Agent *Process
	Line  *testenv.Line
	// WMS is nil at a simulated site, and when somebody has taken over from it.
	WMS *wms.WMS
	// Outbound is where the WMS drops its files, "" at a simulated site.
	Outbound string
	// DataDir is the agent's, IdentityDir holds its certificate.
	DataDir, IdentityDir string

	ledger  string
	opening []day.StockRow
	wms     wms.Config
	stopWMS func() error
	hand    *wms.Hand
}

// Held is how many events the running agent keeps because no Ack has covered them.
func (s *Site) Held(ctx context.Context) (uint64, error) {
	status, err := health.Ask(ctx, s.DataDir)
	return status.GetJournalEvents(), err
}

// TakeOver ends the WMS of a site of files for good and returns the hand that works there from now on. The WMS must have nothing to do.
func (s *Site) TakeOver() (*wms.Hand, error) {
	if s.WMS == nil || !s.WMS.Idle() {
		return nil, fmt.Errorf("%s: there is no WMS that rests", s.Name)
	}
	err := errors.Join(s.stopWMS(), s.WMS.Close())
	if s.WMS = nil; err != nil {
		return nil, err
	}
	s.hand, err = wms.TakeOver(s.wms)
	return s.hand, err
}

func (s *Site) close() error {
	s.Line.Close()
	switch {
	case s.WMS != nil:
		return s.WMS.Close()
	case s.hand != nil:
		return s.hand.Close()
	}
	return nil
}

// Ledger is what the site's dock says that it did.
func (s *Site) Ledger() ([]day.Record, error) { return day.ReadLedger(s.ledger) }

// addSite makes the site's key and certificate as a person would, and its configuration.
func (w *World) addSite(ctx context.Context, name string) (*Site, error) {
	line, err := testenv.OpenLine(fmt.Sprintf("127.0.0.1:%d", w.brokerPort))
	if err != nil {
		return nil, err
	}
	dir := w.dir(name)
	config, dataDir := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "data")
	identity := filepath.Join(dataDir, "identity")
	s := &Site{Name: name, Line: line, DataDir: dataDir, IdentityDir: identity}
	if err := w.run(ctx, "dockline-agent", "init", "--config", config, "--data-dir", dataDir, "--tenant", w.Config.Tenant, "--site", name); err != nil {
		return nil, err
	}
	if err := w.run(ctx, "dockline-collector", "site", "add", "--config", w.collectorConfig(), "--tenant", w.Config.Tenant, "--site", name,
		"--title", map[string]string{FileSite: "Distribution centre east"}[name], "--csr", filepath.Join(identity, "site.csr"), "--out", identity); err != nil {
		return nil, err
	}
	dock := day.DefaultConfig()
	dock.Site, dock.Seed = name, w.Config.Seed
	for _, l := range w.opening {
		if l.Site == name {
			quantity, err := event.ParseQuantity(l.Quantity.String())
			if err != nil {
				return nil, err
			}
			dock.Stock = append(dock.Stock, day.StockRow{Bin: l.Bin, Item: l.Item, Unit: l.Unit, Lot: l.Lot, Quantity: day.Micro(quantity)})
		}
	}
	s.opening = dock.Stock
	plugin, err := w.simSite(s, dock, dataDir)
	if name == FileSite {
		plugin, err = w.fileSite(ctx, s, dock, dir)
	}
	if err != nil {
		return nil, err
	}
	for _, more := range w.Config.Plugins[name] {
		plugin += fmt.Sprintf("  - id: %s\n    path: %q\n    config:\n", more.ID, executable(w.Config.Bin, "dockline-plugin-"+more.Program)) + indent(more.Config, "      ")
	}
	text := fmt.Sprintf(`site: {tenant: %s, id: %s}
data_dir: %q
mqtt: {url: "mqtts://%s"}
health: {listen: "127.0.0.1:0"}
uplink: {heartbeat: 2s}
plugins:
%s`, w.Config.Tenant, name, dataDir, line.Addr(), plugin)
	s.Agent = NewProcess("agent-"+name, w.dir("logs"), executable(w.Config.Bin, "dockline-agent"), "run", "--config", config)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if len(w.Config.Plugins[name]) > 0 { // a person wrote it: its faults are told before the day, which would wait for it in vain
		err = w.run(ctx, "dockline-agent", "config", "check", "--config", config)
	}
	return s, err
}

func (w *World) simSite(s *Site, dock day.Config, dataDir string) (string, error) {
	s.ledger = filepath.Join(dataDir, "plugins", "wms", "ledger.jsonl")
	var b strings.Builder
	fmt.Fprintf(&b, "  - id: wms\n    path: %q\n    config:\n      seed: %d\n      site: %s\n      movements_per_second: %v\n      stock:\n",
		executable(w.Config.Bin, "dockline-plugin-sim"), dock.Seed, dock.Site, w.Config.MovementsPerSecond)
	for _, row := range dock.Stock {
		fmt.Fprintf(&b, "        - {bin: %q, item: %q, unit: %q, lot: %q, quantity: %q}\n", row.Bin, row.Item, row.Unit, row.Lot, row.Quantity)
	}
	return b.String(), nil
}

func (w *World) fileSite(ctx context.Context, s *Site, dock day.Config, dir string) (string, error) {
	c := wms.Config{Inbound: filepath.Join(dir, "wms", "inbound"), Outbound: filepath.Join(dir, "wms", "outbound"), StateDir: filepath.Join(dir, "wms", "state"),
		Dock: dock, MovementsPerSecond: w.Config.MovementsPerSecond, Every: 300 * time.Millisecond, Format: wms.German}
	s.ledger, s.Outbound = wms.LedgerPath(c.StateDir), c.Outbound
	var err error
	if s.WMS, err = wms.Open(c); err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	running := s.WMS
	w.wait.Go(func() {
		err := running.Run(ctx)
		w.fault(err)
		ended <- err
	})
	s.wms, s.stopWMS = c, func() error { cancel(); return <-ended }
	return fmt.Sprintf("  - id: wms\n    path: %q\n    config:\n", executable(w.Config.Bin, "dockline-plugin-wms-file")) +
		indent(fmt.Sprintf(fileConfig, c.Outbound, c.Inbound, w.Config.FilesSettle), "      "), nil
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}

// fileConfig maps what the file WMS writes in its German format.
const fileConfig = `outbound: %q
inbound: %q
poll: 100ms
settle: %s
complete: {by: rename}
defaults:
  encoding: windows-1252
  delimiter: ";"
  number: {decimal: ","}
  date: ["dd.MM.yyyy HH:mm:ss.SSSSSS"]
  zone: UTC
files:
  - name: picks
    pattern: picks*.csv
    kind: 'short > 0 ? "pick.short" : "pick.confirmed"'
    key: [pick_id]
    columns: {pick_id: task, order: order, line: order_line, sku: item, qty: quantity, uom: unit, lot: lot, from_bin: bin, lpn: handling_unit,
      picked_at: occurred_at, movement: movement, operator: actor, short_qty: short, ordered_qty: ordered, reason: reason}
  - name: packs
    pattern: packs*.csv
    kind: pack.confirmed
    key: [pack_id]
    group: true
    columns: {order: order, line: order_line, sku: item, qty: quantity, uom: unit, lpn: handling_unit, packed_at: occurred_at, weight_kg: weight_kg}
  - name: ships
    pattern: ships*.csv
    kind: shipment.departed
    key: [shipment]
    group: true
    columns: {shipment: shipment, order: order, line: order_line, sku: item, qty: quantity, uom: unit, lot: lot, carrier: carrier, tracking: tracking, shipped_at: occurred_at}
  - name: counts
    pattern: counts*.csv
    kind: count.observed
    key: [count, bin, sku, lot]
    columns: {count: count, bin: bin, sku: item, lot: lot, qty: quantity, uom: unit, counted_at: occurred_at, movement: movement, operator: actor}
commands:
  release_order:
    file: release-{number}-{version}.csv
    columns: [{header: command, field: key}, {header: version, field: version}, {header: action, text: release}, {header: order, field: number},
      {header: line, field: order_line}, {header: sku, field: item, required: true}, {header: qty, field: quantity, required: true}, {header: uom, field: unit}]
  cancel_order:
    file: cancel-{number}-{version}.csv
    columns: [{header: command, field: key}, {header: version, field: version}, {header: action, text: cancel}, {header: order, field: number},
      {header: line}, {header: sku}, {header: qty}]
  request_count:
    file: count-{number}-{version}.csv
    columns: [{header: command, field: key}, {header: version, field: version}, {header: action, text: count}, {header: order, field: number},
      {header: line}, {header: sku, field: item}, {header: qty}, {header: bin, field: bin}, {header: lot, field: lot}]
`
