package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dockline/dockline/agent/journal"
)

// mishap does to a site's disk what is done to disks, and starts the agent on what is left. What was accepted and not yet told is lost then
// where its source cannot tell it again: sources that can begin again where the centre has everything.
func (s *site) mishap() error {
	s.lossy = true
	switch s.world.r.IntN(4) {
	case 0:
		s.world.fault(diskLost)
		return s.reborn("the disk is lost", func(string) error { return nil }, func() error { return remove(s.inboxPath()) })
	case 1:
		if s.snapshot != "" {
			return s.putBack()
		}
		return s.takeSnapshot()
	}
	return s.damage()
}

func (s *site) inboxPath() string { return filepath.Join(s.dir, "inbox.db") }

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// takeSnapshot copies the disk, as the host of a virtual machine does.
func (s *site) takeSnapshot() error {
	s.world.trace.add(s.world.now, "%s: the disk is copied", s.name)
	s.snapshot = filepath.Join(s.dir, "snapshot-"+fmt.Sprint(s.opened))
	if err := copyJournal(s.journalDir(), filepath.Join(s.snapshot, "journal")); err != nil {
		return err
	}
	return copyFile(s.inboxPath(), filepath.Join(s.snapshot, "inbox.db"))
}

func (s *site) putBack() error {
	s.world.fault(diskPutBack)
	return s.reborn("the disk is put back to its copy", func(to string) error { return copyJournal(filepath.Join(s.snapshot, "journal"), to) },
		func() error { return copyFile(filepath.Join(s.snapshot, "inbox.db"), s.inboxPath()) })
}

// copyJournal copies a folder with the times of its files: what is lost of a damaged one is dated by it.
func copyJournal(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		if err := os.Chtimes(filepath.Join(to, f.Name()), info.ModTime(), info.ModTime()); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	body, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, body, 0o600)
}

// damage ends the agent by a power cut that spoils one of its files.
func (s *site) damage() error {
	w := s.world
	was := s.journalDir()
	spoil := func(dir string) error {
		if err := copyJournal(was, dir); err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db"))
		if err != nil || len(files) == 0 {
			return err
		}
		slices.Sort(files)
		return s.spoil(files[w.r.IntN(len(files))])
	}
	inbox := func() error { return nil }
	if w.r.IntN(4) == 0 {
		inbox = func() error {
			w.trace.add(w.now, "%s: the inbox is torn", s.name)
			return os.Truncate(s.inboxPath(), 1000)
		}
	}
	return s.reborn("the power goes, and a file is spoiled", spoil, inbox)
}

// spoil flips a bit within a record, which its sum shows, or tears or wipes pages of the file, which is the end of the process that reads it.
func (s *site) spoil(path string) error {
	w := s.world
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	died := fmt.Errorf("the process that read it has ended: signal: segmentation fault")
	s.verdicts[path] = died
	size := os.Getpagesize()
	switch how := w.r.IntN(4); how {
	case 0:
		w.fault(fileTorn)
		body = body[:w.r.IntN(len(body))]
	case 1:
		w.fault(pageWiped)
		page := w.r.IntN(len(body) / size)
		clear(body[page*size : (page+1)*size])
	default:
		records := values(body, size)
		if len(records) == 0 {
			delete(s.verdicts, path)
			return nil
		}
		w.fault(bitFlipped)
		record := records[w.r.IntN(len(records))]
		record[w.r.IntN(len(record))] ^= 1 << w.r.IntN(8)
		s.verdicts[path] = fmt.Errorf("%w: a record", journal.ErrDamaged)
	}
	w.trace.add(w.now, "%s: %s is spoiled: %d bytes, %v", s.name, filepath.Base(path), len(body), s.verdicts[path])
	if err := os.WriteFile(path, body, 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, s.now(), s.now()) // what is lost of it is dated by it
}

// values are the records in the leaves of a bbolt file, as they lie there. A page begins with its number (8 bytes), flags (2), count (2) and
// how many pages follow it (4); a leaf goes on with flags, position, and the sizes of key and value (4 each) of every element.
func values(body []byte, size int) (all [][]byte) {
	const head, leaf, shortest = 16, 2, 13
	for at := 0; at+size <= len(body); at += size {
		page := body[at:]
		if binary.LittleEndian.Uint64(page) != uint64(at/size) || binary.LittleEndian.Uint16(page[8:]) != leaf {
			continue
		}
		for i := range int(binary.LittleEndian.Uint16(page[10:])) {
			element := page[head+16*i:]
			from := head + 16*i + int(binary.LittleEndian.Uint32(element[4:])) + int(binary.LittleEndian.Uint32(element[8:]))
			to := from + int(binary.LittleEndian.Uint32(element[12:]))
			if bucket := binary.LittleEndian.Uint32(element) != 0; !bucket && to <= len(page) && to-from > shortest {
				all = append(all, page[from:to])
			}
		}
	}
	return all
}
