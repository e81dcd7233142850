package wmsfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// mounts knows of each folder which share it lay on. A share that is not mounted shows the empty folder that it is mounted over: as if every file were gone, and nothing came
// any longer.
type mounts struct {
	path string
	// mustHold is a file that each folder must have, where one is configured.
	mustHold string

	mu    sync.Mutex
	known map[string]string // where the share is mounted, by folder
}

// openMounts reads what was seen before the start: that the system came up without the share is the commonest case. What cannot be read is seen anew.
func openMounts(dir, mustHold string) *mounts {
	m := &mounts{path: filepath.Join(dir, "mounts.json"), mustHold: mustHold, known: map[string]string{}}
	if raw, err := os.ReadFile(m.path); err == nil && json.Unmarshal(raw, &m.known) != nil || m.known == nil {
		m.known = map[string]string{}
	}
	return m
}

// check says why a folder is not the one that it was; nil where it is, or where nothing is known of it.
func (m *mounts) check(folder string) error {
	if err := isFolder(folder); err != nil {
		return err
	}
	if m.mustHold != "" {
		if _, err := os.Stat(filepath.Join(folder, m.mustHold)); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("it does not hold %s, which must_hold asks for: mount the share, or put that file there if this is the folder", m.mustHold)
		} else if err != nil {
			return err
		}
	}
	at, err := mountPoint(folder)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.known[folder]
	if was == at {
		return nil
	}
	if len(at) < len(was) && strings.HasPrefix(was, at) {
		empty, err := isEmpty(folder)
		if err != nil {
			return err
		}
		if empty {
			return fmt.Errorf("the share that was mounted at %s is not; mount it. If the folder is to be on this machine from now on, put a file into it", was)
		}
		return nil // somebody uses it as it is; the share may come back
	}
	m.known[folder] = at
	raw, err := json.Marshal(m.known)
	if err != nil {
		return err
	}
	return writeWhole(m.path, raw)
}

func isEmpty(folder string) (bool, error) {
	d, err := os.Open(folder)
	if err != nil {
		return false, err
	}
	defer d.Close()
	names, _ := d.Readdirnames(1) // its end is an error too
	return len(names) == 0, nil
}

// onShare is an inbound folder that may be one of a share: into the folder under a share that is not mounted nothing is written.
type onShare struct {
	inbox
	folder string
	mounts *mounts
}

func (o onShare) check() error { return o.mounts.check(o.folder) }

func (o onShare) write(name string, raw []byte) error {
	if err := o.check(); err != nil {
		return fmt.Errorf("the inbound folder %s is not there: %w", o.folder, err)
	}
	return o.inbox.write(name, raw)
}
