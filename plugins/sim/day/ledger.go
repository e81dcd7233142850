package day

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

// Ledger is the dock's own record of what it did: JSON lines, synced before anything is handed over. A last line that a power cut
// left unfinished is taken away when the ledger is opened: nobody was told of it.
type Ledger struct {
	mu   sync.Mutex
	file *os.File
}

// OpenLedger opens or begins a ledger and returns what it holds.
func OpenLedger(path string) (*Ledger, []Record, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, nil, err
	}
	records, whole, err := readRecords(file)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	return &Ledger{file: file}, records, nil
}

// ReadLedger returns what a ledger holds, of a dock that may be at work.
func ReadLedger(path string) ([]Record, error) {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	records, _, err := readRecords(file)
	return records, err
}

// readRecords returns the whole records and where they end.
func readRecords(in io.Reader) (records []Record, whole int64, err error) {
	reader := bufio.NewReader(in)
	for {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return records, whole, nil
		}
		if err != nil {
			return nil, 0, err
		}
		var r Record
		if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil {
			return nil, 0, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		records = append(records, r)
		whole += int64(len(line))
	}
}

// Append writes a record down; it returns once the record is on the disk.
func (l *Ledger) Append(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return l.file.Sync()
}

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }
