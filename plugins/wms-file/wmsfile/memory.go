package wmsfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// memory knows the content of files that were taken, so that one dropped again, under whatever name, is put away without a word.
// No promise rests on it: without it the events are told again, with the same ids.
type memory struct {
	path  string
	known map[string]remembered
	order []string
	last  uint64
	// fresh says that there was none: the data folder is new, or was lost.
	fresh   bool
	unsaved []remembered
	lines   int
}

// remembered is one file that was taken.
type remembered struct {
	Key      string    `json:"key"`
	Name     string    `json:"name"`
	At       time.Time `json:"at"`
	Sequence uint64    `json:"seq"`
}

// maxRemembered is how many files are known at once.
const maxRemembered = 10_000

func memoryKey(s *stream, hash string) string { return s.Name + "/" + s.digest + "/" + hash }

func openMemory(dir string) (*memory, error) {
	m := &memory{path: filepath.Join(dir, "taken.jsonl"), known: map[string]remembered{}}
	raw, err := os.ReadFile(m.path)
	if errors.Is(err, os.ErrNotExist) {
		m.fresh = true
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was taken: %w", err)
	}
	for line := range bytes.Lines(raw) {
		var r remembered
		if json.Unmarshal(line, &r) != nil {
			continue // a line cut by a power loss
		}
		m.lines++
		m.put(r)
	}
	return m, nil
}

func (m *memory) put(r remembered) {
	m.last = max(m.last, r.Sequence)
	if _, ok := m.known[r.Key]; !ok {
		m.order = append(m.order, r.Key)
	}
	m.known[r.Key] = r
	if len(m.order) > maxRemembered {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}

func (m *memory) find(s *stream, hash string) (remembered, bool) {
	r, ok := m.known[memoryKey(s, hash)]
	return r, ok
}

func (m *memory) add(r remembered) {
	m.put(r)
	m.unsaved = append(m.unsaved, r)
}

// save writes what was added. Now and then it writes the file anew, without what is forgotten.
func (m *memory) save() error {
	if len(m.unsaved) == 0 {
		return nil
	}
	anew := m.lines > 2*maxRemembered
	entries := m.unsaved
	if anew {
		entries = nil
		for _, key := range m.order {
			entries = append(entries, m.known[key])
		}
	}
	var b bytes.Buffer
	b.WriteByte('\n') // behind a line that a power loss cut
	for _, r := range entries {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("writing what was taken: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	if err := m.write(b.Bytes(), anew); err != nil {
		return fmt.Errorf("writing what was taken: %w", err)
	}
	m.lines += len(m.unsaved)
	if anew {
		m.lines = len(entries)
	}
	m.unsaved, m.fresh = nil, false
	return nil
}

func (m *memory) write(raw []byte, anew bool) error {
	if anew {
		return writeWhole(m.path, raw)
	}
	f, err := os.OpenFile(m.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}
