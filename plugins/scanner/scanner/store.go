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

// store keeps each reader's half done work in a file of its own, over a restart.
type store struct {
	dir string

	mu    sync.Mutex
	kept  map[string]*work // as it was found, until the reader comes
	there map[string]bool  // readers that have a file
}

const storeSuffix = ".work.json"

// openStore reads what there is. A file that cannot be read is told in bad and removed.
func openStore(dataDir string) (s *store, bad []string, err error) {
	s = &store{dir: filepath.Join(dataDir, "work"), kept: map[string]*work{}, there: map[string]bool{}}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, err
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
		s.kept[id], s.there[id] = w, true
	}
	return s, bad, nil
}

// clear drops all that was kept, and says whose it was.
func (s *store) clear() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.kept {
		ids = append(ids, id)
		_ = os.Remove(s.path(id))
	}
	s.kept, s.there = map[string]*work{}, map[string]bool{}
	return ids
}

// take gives what was kept of a reader, once.
func (s *store) take(id string) *work {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.kept[id]
	delete(s.kept, id)
	return w
}

// waiting are the events that were sent and not answered when the plugin ended, by reader.
func (s *store) waiting() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]byte{}
	for id, w := range s.kept {
		if len(w.Waiting) > 0 {
			all[id] = w.Waiting
			w.Waiting = nil
		}
	}
	return all
}

// settle takes note that the event of a reader that has not come back was answered.
func (s *store) settle(id string) error {
	s.mu.Lock()
	w := s.kept[id]
	s.mu.Unlock()
	if w == nil {
		return nil
	}
	return s.put(id, *w, true)
}

func (s *store) path(id string) string { return filepath.Join(s.dir, url.PathEscape(id)+storeSuffix) }

// put writes a reader's work, or removes it where there is none. An event that is on its way is on the disk before it goes. Each reader calls it from
// one goroutine, so that no reader waits for another's disk.
func (s *store) put(id string, w work, some bool) error {
	s.mu.Lock()
	was := s.there[id]
	if delete(s.there, id); some {
		s.there[id] = true
	}
	s.mu.Unlock()
	if !some {
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
	if len(w.Waiting) > 0 {
		err = errors.Join(err, f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(half, s.path(id))
}
