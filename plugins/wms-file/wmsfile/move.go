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
// result is written before the file moves, so that no file lies there without one. It says where it lies then, nowhere where it did not move; with an error, where its
// result may lie already.
func (s *setup) move(f finished) (at spot, err error) {
	from := filepath.Join(s.Outbound, f.file.name)
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return spot{}, nil // put away by a run that ended right then, or taken away by a person
	}
	if err != nil {
		return spot{}, err
	}
	if info.Size() != f.file.size || !info.ModTime().Equal(f.file.mod) {
		return spot{}, nil // written again since: it will be read again
	}
	at.dir = s.Archive
	if f.result.bad() {
		at.dir = s.Errors
	}
	if err := os.MkdirAll(at.dir, 0o755); err != nil {
		return spot{}, err
	}
	if at.name, err = freeName(at.dir, f.file.name, f.result.Sequence); err != nil {
		return spot{}, err
	}
	if err := f.describe(at); err != nil {
		return at, err
	}
	// The WMS may have put its next file there while the result was written.
	if now, err := os.Stat(from); err != nil || !sameFile(now, info) {
		return at.unless(undescribe(localStore{}, at, err))
	}
	if s.Complete.By == byMarker {
		// First, so that no marker stays behind and calls the next file of this name complete.
		if err := os.Remove(filepath.Join(s.Outbound, f.file.marker(s))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return at, err
		}
	}
	moved, err := relocate(from, filepath.Join(at.dir, at.name), info)
	switch {
	case err != nil:
		return at, err
	case !moved:
		return at.unless(undescribe(localStore{}, at, nil))
	}
	return at, nil
}

// spot is a name in a folder.
type spot struct {
	dir, name string
}

// unless is nowhere, or with an error where something may still lie.
func (p spot) unless(err error) (spot, error) {
	if err != nil {
		return p, err
	}
	return spot{}, nil
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// undescribe takes away the result of a file that did not come; err is why, or nil where another file lies in its place.
func undescribe(in store, at spot, err error) error {
	for _, beside := range []string{at.name + resultSuffix, at.name + ".txt", insert(at.name, "rejected")} {
		path := in.join(at.dir, beside)
		if left := errors.Join(in.gone(path), in.gone(path+".tmp")); left != nil {
			return errors.Join(err, left)
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // taken away by a person
	}
	return err
}

// paper is a file that is written for a person beside one that was put away.
type paper struct {
	name string
	raw  []byte
}

// papers are the result and, for a bad file, what a person needs; the result last.
func (f finished) papers(name string) (all []paper, err error) {
	if f.result.bad() {
		rejected := ""
		if f.result.rejected != nil {
			rejected = insert(name, "rejected")
			all = append(all, paper{rejected, f.result.rejected})
		}
		all = append(all, paper{name + ".txt", []byte(f.result.words(f.file.stream, rejected))})
	}
	raw, err := json.MarshalIndent(f.result, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the result: %w", err)
	}
	return append(all, paper{name + resultSuffix, append(raw, '\n')}), nil
}

func (f finished) describe(at spot) error {
	all, err := f.papers(at.name)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := writeWhole(filepath.Join(at.dir, p.name), p.raw); err != nil {
			return err
		}
	}
	return nil
}

// freeName is the file's own name, or with the file's number in it where that is taken: WMS exports use names again.
func freeName(dir, name string, sequence uint64) (string, error) {
	for n := 0; n < 1000; n++ {
		free := name
		if n == 1 {
			free = insert(name, fmt.Sprint(sequence))
		} else if n > 1 {
			free = insert(name, fmt.Sprintf("%d-%d", sequence, n))
		}
		if _, err := os.Lstat(filepath.Join(dir, free)); errors.Is(err, os.ErrNotExist) {
			return free, nil
		} else if err != nil {
			return "", err // a share that is away has no free names either
		}
	}
	return "", fmt.Errorf("%s has a thousand files of the name %s; take some away", dir, name)
}

// insert puts a word before a name's ending, so that the name still fits the pattern.
func insert(name, word string) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + word + ext
}

// relocate renames, or copies where the archive is on another file system. It says whether the file that moved is the one that was
// read: a rename takes whatever has the name, and a WMS may have given it to its next file a moment ago. Such a file goes back. What is refused because somebody holds the file is
// not copied: the file would stay, and be copied again with each look.
func relocate(from, to string, read os.FileInfo) (moved bool, err error) {
	err = os.Rename(from, to)
	if err == nil {
		if now, err := os.Stat(to); err != nil || sameFile(now, read) {
			return true, err
		}
		return false, giveBack(to, from)
	}
	if !errors.Is(err, otherVolume) {
		return false, err
	}
	if err := copyFile(from, to); err != nil {
		return false, errors.Join(err, gone(to))
	}
	if now, err := os.Stat(from); err != nil || !sameFile(now, read) {
		return false, errors.Join(err, os.Remove(to))
	}
	if err := os.Remove(from); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, errors.Join(err, os.Remove(to)) // one that cannot be taken away is not put away either
	}
	return true, nil
}

// gone removes what may be there.
func gone(path string) error { return localStore{}.gone(path) }

// giveBack puts a file that nobody has read back where it was, or beside the one that has the name by now.
func giveBack(from, to string) error {
	err := os.Link(from, to) // unlike a rename it never takes the place of another
	if err == nil {
		return os.Remove(from)
	}
	// Somebody has the name, or there are no such links, as on most shares: then under a name that no WMS gives.
	dir, name := filepath.Split(to)
	beside, err := besideName(localStore{}, dir, name)
	if err == nil {
		err = os.Rename(from, filepath.Join(dir, beside))
	}
	if err != nil {
		return fmt.Errorf("giving back %s, which was written again: %w", name, err)
	}
	return nil
}

// besideName is a free name for a file that is given back, which its pattern fits.
func besideName(in store, dir, name string) (string, error) {
	for n := 1; n < 1000; n++ {
		free := insert(name, fmt.Sprintf("again-%d", n))
		if _, err := in.stat(in.join(dir, free)); errors.Is(err, os.ErrNotExist) {
			return free, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", errors.New("no name is free")
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	temporary := to + ".tmp"
	out, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // of any size
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Rename(temporary, to)
	}
	if err != nil {
		return errors.Join(err, gone(temporary))
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
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return nil
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
