package wmsfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const resultSuffix = ".result.json"

// move puts a file that is told and durable into the archive, or into the error folder with a text and its refused lines. The
// result is written before the file moves, so that no file lies there without one. It says under which name.
func (s *setup) move(f finished) (name string, err error) {
	from := filepath.Join(s.Outbound, f.file.name)
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return f.file.name, nil // put away by a run that ended right then, or taken away by a person
	}
	if err != nil {
		return "", err
	}
	if info.Size() != f.file.size || !info.ModTime().Equal(f.file.mod) {
		return f.file.name, nil // written again since: it will be read again
	}
	dir := s.Archive
	if f.result.bad() {
		dir = s.Errors
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	name = freeName(dir, f.file.name, f.result.Sequence)
	if err := s.describe(dir, name, f); err != nil {
		return "", err
	}
	// The WMS may have put its next file there while the result was written.
	if now, err := os.Stat(from); err != nil || !sameFile(now, info) {
		return f.file.name, s.undescribe(dir, name, err)
	}
	if s.Complete.By == byMarker {
		// First, so that no marker stays behind and calls the next file of this name complete.
		if err := os.Remove(from + s.Complete.Marker); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	moved, err := relocate(from, filepath.Join(dir, name), info)
	switch {
	case err != nil:
		return "", err
	case !moved:
		return f.file.name, s.undescribe(dir, name, nil)
	}
	return name, nil
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// undescribe takes away the result of a file that did not come; err is why, or nil where another file lies in its place.
func (s *setup) undescribe(dir, name string, err error) error {
	for _, beside := range []string{name + resultSuffix, name + ".txt", insert(name, "rejected")} {
		if gone := os.Remove(filepath.Join(dir, beside)); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			return errors.Join(err, gone)
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // taken away by a person
	}
	return err
}

// describe writes the result and, for a bad file, what a person needs.
func (s *setup) describe(dir, name string, f finished) error {
	if f.result.bad() {
		rejected := ""
		if f.result.rejected != nil {
			rejected = insert(name, "rejected")
			if err := writeWhole(filepath.Join(dir, rejected), f.result.rejected); err != nil {
				return err
			}
		}
		words := f.result.words(f.file.stream, rejected)
		if err := writeWhole(filepath.Join(dir, name+".txt"), []byte(words)); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(f.result, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return writeWhole(filepath.Join(dir, name+resultSuffix), append(raw, '\n'))
}

// freeName is the file's own name, or with the file's number in it where that is taken: WMS exports use names again.
func freeName(dir, name string, sequence uint64) string {
	for n := 0; ; n++ {
		free := name
		if n == 1 {
			free = insert(name, fmt.Sprint(sequence))
		} else if n > 1 {
			free = insert(name, fmt.Sprintf("%d-%d", sequence, n))
		}
		if _, err := os.Lstat(filepath.Join(dir, free)); errors.Is(err, os.ErrNotExist) {
			return free
		}
		if n > 1000 {
			return free // the move will say what is wrong
		}
	}
}

// insert puts a word before a name's ending, so that the name still fits the pattern.
func insert(name, word string) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + word + ext
}

// relocate renames, or copies where the archive is on another file system. It says whether the file that moved is the one that was
// read: a rename takes whatever has the name, and a WMS may have given it to its next file a moment ago. Such a file goes back.
func relocate(from, to string, read os.FileInfo) (moved bool, err error) {
	err = os.Rename(from, to)
	if err == nil {
		if now, err := os.Stat(to); err != nil || sameFile(now, read) {
			return true, err
		}
		return false, giveBack(to, from)
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return false, err
	}
	if err := copyFile(from, to); err != nil {
		return false, err
	}
	if now, err := os.Stat(from); err != nil || !sameFile(now, read) {
		return false, errors.Join(err, os.Remove(to))
	}
	return true, os.Remove(from)
}

// giveBack puts a file that nobody has read back where it was, or beside the one that has the name by now.
func giveBack(from, to string) error {
	dir, name := filepath.Split(to)
	for n := 1; n < 1000; n++ {
		err := os.Link(from, to) // unlike a rename it never takes the place of another
		if err == nil {
			return os.Remove(from)
		}
		if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("giving back %s, which was written again: %w", name, err)
		}
		to = filepath.Join(dir, insert(name, fmt.Sprintf("again-%d", n)))
	}
	return fmt.Errorf("giving back %s, which was written again: no name is free", name)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if err := writeWhole(to, raw); err != nil {
		return err
	}
	if info, err := in.Stat(); err == nil {
		return os.Chtimes(to, info.ModTime(), info.ModTime())
	}
	return nil
}

// writeWhole writes a file so that it is there whole or not at all, also after a power loss.
func writeWhole(path string, raw []byte) error {
	temporary := path + ".tmp"
	if err := writeSynced(temporary, raw); err != nil {
		os.Remove(temporary)
		return err
	}
	return os.Rename(temporary, path)
}

func writeSynced(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(raw); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
