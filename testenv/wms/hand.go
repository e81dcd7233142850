package wms

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dockline/dockline/plugins/sim/day"
)

// Hand is a person at the dock in place of the WMS, on its folders and its ledger: he decides what happens and which files tell of
// it. As the WMS does, he writes the ledger first. The WMS itself must not run.
type Hand struct {
	config Config
	ledger *day.Ledger
	mu     sync.Mutex
	last   uint64
}

// TakeOver opens the ledger and the folders of a WMS that has been closed.
func TakeOver(c Config) (*Hand, error) {
	ledger, records, err := day.OpenLedger(LedgerPath(c.StateDir))
	if err != nil {
		return nil, err
	}
	h := &Hand{config: c, ledger: ledger}
	for _, r := range records {
		if r.Movement != nil {
			h.last = r.Movement.Number
		}
	}
	return h, nil
}

// Close closes the ledger.
func (h *Hand) Close() error { return h.ledger.Close() }

// Releases takes in what the centre sent and returns the orders that it released.
func (h *Hand) Releases() ([]day.Order, error) {
	found, err := filepath.Glob(filepath.Join(h.config.Inbound, "*.csv"))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	var orders []day.Order
	for _, path := range found {
		commands, err := readCommands(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, c := range commands {
			if err := h.ledger.Append(day.Record{Command: &c}); err != nil {
				return nil, err
			}
			if c.Release != nil {
				orders = append(orders, *c.Release)
			}
		}
		if err := os.Rename(path, filepath.Join(h.config.Inbound, "done", filepath.Base(path))); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// Do lets something happen: it is numbered and stands in the ledger. No file tells of it yet.
func (h *Hand) Do(m day.Movement) (day.Movement, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.Number = h.last + 1
	if err := h.ledger.Append(day.Record{Movement: &m}); err != nil {
		return m, err
	}
	h.last = m.Number
	return m, nil
}

// Rows are the rows of a file that tells of movements of one kind.
func (h *Hand) Rows(movements ...day.Movement) [][]string {
	var rows [][]string
	for _, m := range movements {
		rows = append(rows, h.config.Format.rows(m)...)
	}
	return rows
}

// Text is a whole file of such rows, as the WMS would write it.
func (h *Hand) Text(kind day.Kind, rows [][]string) ([]byte, error) {
	return h.config.Format.encode(kind, rows)
}

// Drop puts a file into the outbound folder. It must not be there yet.
func (h *Hand) Drop(name string, text []byte) error {
	if !h.Taken(name) {
		return fmt.Errorf("%s is there already", name)
	}
	return h.config.put(name, text)
}

// Taken says whether a file that was dropped has left the outbound folder.
func (h *Hand) Taken(name string) bool {
	_, err := os.Stat(filepath.Join(h.config.Outbound, name))
	return errors.Is(err, os.ErrNotExist)
}
