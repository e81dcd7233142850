// Package wms is a warehouse system that speaks files: it reads releases from its inbound folder, lets a seeded dock work, and drops
// CSV files about picks, packs, shipments and counts into its outbound folder. Its ledger is written before any file.
package wms

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins/sim/day"
)

// Config says where the WMS keeps and exchanges its files, and how it writes them.
type Config struct {
	// Inbound and Outbound are the folders that it shares with the agent; StateDir is its own.
	Inbound, Outbound, StateDir string
	Dock                        day.Config
	// MovementsPerSecond is the dock's pace; 0 is as fast as it goes.
	MovementsPerSecond float64
	// Every is how long movements are gathered before they are written as files.
	Every  time.Duration
	Format Format
}

// LedgerPath is where a WMS with this state folder keeps its ledger.
func LedgerPath(stateDir string) string { return filepath.Join(stateDir, "ledger.jsonl") }

// WMS is one site's warehouse system.
type WMS struct {
	config Config
	ledger *day.Ledger

	mu      sync.Mutex
	dock    *day.Dock
	pending []day.Movement
	// dropped is the number of the last movement that stands in a file.
	dropped uint64
	dropAt  time.Time
	nextAt  time.Time
}

// Open starts where the state folder's ledger ends.
func Open(c Config) (*WMS, error) {
	for _, dir := range []string{c.Inbound, filepath.Join(c.Inbound, "done"), c.Outbound, c.StateDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	ledger, records, err := day.OpenLedger(LedgerPath(c.StateDir))
	if err != nil {
		return nil, err
	}
	w := &WMS{config: c, ledger: ledger, dock: day.NewDock(c.Dock)}
	if w.dropped, err = readMark(c.StateDir); err != nil {
		return nil, err
	}
	for i, r := range records {
		if err := w.dock.Apply(r); err != nil {
			return nil, fmt.Errorf("ledger record %d: %w", i+1, err)
		}
		if r.Movement != nil && r.Movement.Number > w.dropped {
			w.pending = append(w.pending, *r.Movement)
		}
	}
	return w, nil
}

// Close closes the ledger.
func (w *WMS) Close() error { return w.ledger.Close() }

// Run works until ctx ends.
func (w *WMS) Run(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := w.Step(now); err != nil {
				return err
			}
		}
	}
}

// Step takes what came in, lets happen what is due by now, and drops files where it is time to.
func (w *WMS) Step(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.takeReleases(); err != nil {
		return err
	}
	for range 200 {
		if w.config.MovementsPerSecond > 0 && now.Before(w.nextAt) {
			break
		}
		m, ok := w.dock.Next(now)
		if !ok {
			break
		}
		if err := w.record(day.Record{Movement: &m}); err != nil {
			return err
		}
		w.pending = append(w.pending, m)
		if w.config.MovementsPerSecond > 0 {
			pause := time.Duration(float64(time.Second) / w.config.MovementsPerSecond)
			w.nextAt = maxTime(w.nextAt, now.Add(-pause)).Add(pause)
		}
	}
	if len(w.pending) == 0 || now.Sub(w.dropAt) < w.config.Every {
		return nil
	}
	w.dropAt = now
	return w.drop()
}

// Idle says whether everything that came in is done and dropped.
func (w *WMS) Idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dock.Idle() && len(w.pending) == 0
}

// Stock is what the WMS believes to have in its bins.
func (w *WMS) Stock() []day.StockRow {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dock.Stock()
}

// record writes the ledger first, then lets it happen.
func (w *WMS) record(r day.Record) error {
	if err := w.ledger.Append(r); err != nil {
		return err
	}
	return w.dock.Apply(r)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
