package retention

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// Schema names the form of archives. A later form has another name; this one stays readable.
const Schema = "dockline.archive/1"

// longestLine bounds what is read as one line: a row with an event of the greatest size, several times over.
const longestLine = 16 << 20

// writer writes an archive under another name, which it loses when it is whole and synced.
type writer struct {
	path string
	file *os.File
	sum  hash.Hash
	zip  *zstd.Encoder
	out  *bufio.Writer
	rows int64
}

func newWriter(path string) (*writer, error) {
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{path: path, file: file, sum: sha256.New()}
	w.zip, err = zstd.NewWriter(io.MultiWriter(file, w.sum), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w.out = bufio.NewWriterSize(w.zip, 1<<16)
	return w, nil
}

func (w *writer) line(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	w.out.Write(text)
	return w.out.WriteByte('\n')
}

// group writes what belongs to one group.
func (w *writer) group(part int64, g *group, rows []row) error {
	if err := w.line(line{Record: "group", Part: part, Class: g.class, Keys: g.keys, Events: int64(len(g.events)), Rows: int64(len(rows)), Digest: digest(rows)}); err != nil {
		return err
	}
	e := &encoder{bodies: make(map[int64][]byte)}
	for _, one := range rows {
		l, err := e.encode(one)
		if err != nil {
			return err
		}
		if err := w.line(l); err != nil {
			return err
		}
		w.rows++
	}
	return nil
}

// seal ends the file, syncs it and gives it its name. It returns its SHA-256 and size.
func (w *writer) seal() (sum string, size int64, err error) {
	if err := errors.Join(w.out.Flush(), w.zip.Close(), w.file.Sync()); err != nil {
		return "", 0, err
	}
	info, err := w.file.Stat()
	if err = errors.Join(err, w.file.Close()); err != nil {
		return "", 0, err
	}
	if err := christen(w.path+".part", w.path); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(w.sum.Sum(nil)), info.Size(), syncFolder(filepath.Dir(w.path))
}

// drop gives up what is not whole.
func (w *writer) drop() {
	w.zip.Close()
	w.file.Close()
	os.Remove(w.path + ".part")
}

// christen gives a file its name, and never that of another one: what an archive holds is nowhere else.
func christen(part, path string) error {
	err := os.Link(part, path)
	switch {
	case err == nil:
		if err = os.Remove(part); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) { // a file system without links
		return cmp.Or(err, fmt.Errorf("%s: %w", path, fs.ErrExist))
	}
	return os.Rename(part, path)
}

// syncFolder makes a name that was given in a folder survive a power cut; Windows does so by itself.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// part is a group as an archive has it.
type part struct {
	line
	rows []row
}

// read goes through an archive of which the SHA-256 is sum, and calls f for each group. It looks at the whole file first: nothing is done by an
// archive that is damaged further on.
func read(path, sum string, f func(*part) error) error {
	is, _, err := sumOf(path)
	if err != nil {
		return err
	}
	if is != sum {
		return fmt.Errorf("%w: %s has the SHA-256 %s, its manifest says %s", ErrDamaged, path, is, sum)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unzip, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	if err != nil {
		return err
	}
	defer unzip.Close()
	return readLines(path, unzip, f)
}

func readLines(path string, from io.Reader, f func(*part) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 1<<16), longestLine)
	next := func() (*line, error) {
		if !lines.Scan() {
			return nil, errors.Join(fmt.Errorf("%w: %s ends before its last line", ErrDamaged, path), lines.Err())
		}
		l := &line{}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(l); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
		}
		return l, nil
	}
	head, err := next()
	if err != nil {
		return err
	}
	if head.Record != "archive" || head.Schema != Schema {
		return fmt.Errorf("%w: %s is %q of form %q; this version reads %q", ErrDamaged, path, head.Record, head.Schema, Schema)
	}
	for {
		l, err := next()
		if err != nil {
			return err
		}
		if l.Record == "end" {
			return nil
		}
		p := &part{line: *l}
		events := make(map[int64][]byte)
		for range l.Rows {
			if l, err = next(); err != nil {
				return err
			}
			one, err := decode(l, events)
			if err != nil {
				return err
			}
			p.rows = append(p.rows, one)
		}
		if digest(p.rows) != p.Digest {
			return fmt.Errorf("%w: group %d of %s does not hold what it says", ErrDamaged, p.Part, path)
		}
		if err := f(p); err != nil {
			return err
		}
	}
}

func sumOf(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	h := sha256.New()
	size, err = io.Copy(h, file)
	return hex.EncodeToString(h.Sum(nil)), size, err
}
