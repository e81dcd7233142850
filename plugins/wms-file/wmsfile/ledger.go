package wmsfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// applied is what became of one command.
type applied struct {
	Key     string `json:"key"`
	Version uint64 `json:"version"`
	State   string `json:"state"`
	File    string `json:"file,omitempty"`
	Text    string `json:"text,omitempty"`
	// Highest is the highest version that was applied, 0 for none.
	Highest uint64 `json:"highest,omitempty"`
}

const (
	stateWriting = "writing" // whole under its temporary name, perhaps renamed
	stateApplied = "applied"
	stateRefused = "refused"
)

// ledger is the file of commands applied: one JSON object a line, synced, the last of a key counts.
type ledger struct {
	path string
	held map[string]applied
}

func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path, held: map[string]applied{}}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the commands applied: %w", err)
	}
	count := 0
	for line := range bytes.Lines(raw) { // of any length
		var a applied
		if count++; json.Unmarshal(line, &a) == nil && a.Key != "" {
			l.held[a.Key] = a
		}
	}
	if count > 3*len(l.held)+1000 {
		return l, l.rewrite()
	}
	return l, nil
}

func (l *ledger) find(key string) (applied, bool) {
	a, ok := l.held[key]
	return a, ok
}

// put is durable when it returns.
func (l *ledger) put(a applied) error {
	if a.Highest = l.held[a.Key].Highest; a.State == stateApplied {
		a.Highest = a.Version
	}
	line, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("noting a command: %w", err)
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("noting a command: %w", err)
	}
	// The line end in front closes a line that a power loss cut.
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("noting a command: %w", err)
	}
	l.held[a.Key] = a
	return nil
}

func (l *ledger) rewrite() error {
	var b bytes.Buffer
	for _, a := range l.held {
		line, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("noting commands: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	return writeWhole(l.path, b.Bytes())
}
