package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins/sim/day"
)

// ledgerFile is the dock's ledger in the plugin's data folder.
const ledgerFile = "ledger.jsonl"

// floor is the dock with its ledger; Source and Sink work on one.
type floor struct {
	mu        sync.Mutex
	dock      *day.Dock
	ledger    *day.Ledger
	movements []day.Movement
	// work is told that a command came in.
	work chan struct{}
}

func openFloor(c day.Config, dataDir string) (*floor, error) {
	ledger, records, err := day.OpenLedger(filepath.Join(dataDir, ledgerFile))
	if err != nil {
		return nil, err
	}
	f := &floor{dock: day.NewDock(c), ledger: ledger, work: make(chan struct{}, 1)}
	for i, r := range records {
		if err := f.dock.Apply(r); err != nil {
			return nil, fmt.Errorf("ledger record %d: %w", i+1, err)
		}
		if r.Movement != nil {
			f.movements = append(f.movements, *r.Movement)
		}
	}
	return f, nil
}

// command carries one out, or answers it as it was answered before.
func (f *floor) command(c day.Command) (day.Command, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.dock.Answered(c.Key); ok && known.Version >= c.Version {
		return known, nil
	}
	c.Refusal = f.dock.Refusal(c)
	r := day.Record{Command: &c}
	if err := f.ledger.Append(r); err != nil {
		return c, err
	}
	if err := f.dock.Apply(r); err != nil {
		return c, err
	}
	select {
	case f.work <- struct{}{}:
	default:
	}
	return c, nil
}

func (f *floor) answered(key string) (day.Command, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dock.Answered(key)
}

// after returns the movements that follow a number, from the ledger.
func (f *floor) after(number uint64, most int) []day.Movement {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number >= uint64(len(f.movements)) {
		return nil
	}
	rest := f.movements[number:]
	return rest[:min(most, len(rest))]
}

// since is the number of the last movement before a time, and how many there are after it.
func (f *floor) since(at time.Time) (last, after uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.movements {
		if !m.At.Before(at) {
			break
		}
		last = m.Number
	}
	return last, uint64(len(f.movements)) - last
}

// happen lets the next thing happen and writes it down; false where there is nothing to do.
func (f *floor) happen(at time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.dock.Next(at)
	if !ok {
		return false, nil
	}
	r := day.Record{Movement: &m}
	if err := f.ledger.Append(r); err != nil {
		return false, err
	}
	f.movements = append(f.movements, m)
	return true, f.dock.Apply(r)
}
