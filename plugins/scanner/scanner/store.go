package scanner

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// store keeps each reader's work in a file of its own, over a restart: what is half done, and the event that the journal has not answered.
type store struct {
	dir string

	mu    sync.Mutex
	there map[string]bool // readers that have a file
}

const storeSuffix = ".work.json"

// openStore reads what there is. A file that cannot be read is told in bad and removed.
func openStore(dataDir string) (s *store, kept map[string]*work, bad []string, err error) {
	s, kept = &store{dir: filepath.Join(dataDir, "work"), there: map[string]bool{}}, map[string]*work{}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, nil, nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, entry := range entries {
		path := filepath.Join(s.dir, entry.Name())
		name, ours := strings.CutSuffix(entry.Name(), storeSuffix)
		if !ours {
			_ = os.Remove(path) // half written when the plugin ended
			continue
		}
		id, err := url.PathUnescape(name)
		text, readErr := os.ReadFile(path)
		w := &work{}
		if errors.Join(err, readErr, json.Unmarshal(text, w)) != nil {
			bad = append(bad, id)
			_ = os.Remove(path)
			continue
		}
		kept[id], s.there[id] = w, true
	}
	return s, kept, bad, nil
}

func (s *store) path(id string) string { return filepath.Join(s.dir, url.PathEscape(id)+storeSuffix) }

// put writes a reader's work, synced, or removes it where w is nil. Each reader calls it from one goroutine, so that no reader waits for another's disk.
func (s *store) put(id string, w *work) error {
	s.mu.Lock()
	was := s.there[id]
	if delete(s.there, id); w != nil {
		s.there[id] = true
	}
	s.mu.Unlock()
	if w == nil {
		if !was {
			return nil
		}
		if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	half := s.path(id) + ".half"
	f, err := os.OpenFile(half, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(half, s.path(id))
}
