// Package sandbox is what the sandbox ERP and CRM have in common: a store of JSON lines, faults on purpose, and a server that
// can be stopped and started again at the same address.
package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Ledger is an append-only file of JSON lines. One line is one transaction: whole or, after a kill in the middle, not there.
// It survives a kill of the process, not a loss of power.
type Ledger struct {
	file *os.File
}

// OpenLedger makes the folder and the file where they are absent, and gives every line to apply, oldest first. A torn last
// line is cut off.
func OpenLedger(path string, apply func(line []byte) error) (*Ledger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	whole, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	end := bytes.LastIndexByte(whole, '\n') + 1
	number := 0
	for line := range bytes.Lines(whole[:end]) {
		number++
		if err := apply(line); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", path, number, err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(int64(end)); err != nil {
		file.Close()
		return nil, err
	}
	if _, err := file.Seek(int64(end), 0); err != nil {
		file.Close()
		return nil, err
	}
	return &Ledger{file: file}, nil
}

// Append writes one line.
func (l *Ledger) Append(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = l.file.Write(append(line, '\n'))
	return err
}

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }
