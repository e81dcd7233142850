package wmsfile

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/dockline/dockline/plugins/mapping"
)

// maxMembers bounds how many files one archive may hold.
const maxMembers = 1000

// parts are what is to be read of a file: itself, what gzip has packed, or the members of a zip archive. Whether they are sound, and no bigger than a file may be, is seen
// before anything of them is read: so an archive that is broken at its end is refused as a whole. An error is the disk's.
func (c content) parts(most int64) ([]content, *mapping.Fault, error) {
	switch {
	case bytes.HasPrefix(c.data, []byte{0x1f, 0x8b}):
		part, err := c.part(c.name, most, func(in io.Reader) (io.ReadCloser, error) { return gzip.NewReader(in) })
		return c.sound([]content{part}, err, most)
	case bytes.HasPrefix(c.data, []byte("PK\x03\x04")), bytes.HasPrefix(c.data, []byte("PK\x05\x06")):
		parts, err := c.members(most)
		return c.sound(parts, err, most)
	}
	return []content{c}, nil, nil
}

var errManyMembers = errors.New("too many files within it")

// sound puts what is wrong with an archive into words.
func (c content) sound(parts []content, err error, most int64) ([]content, *mapping.Fault, error) {
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return nil, nil, err
	case errors.Is(err, errTooBig):
		f := dataFault("file_too_big", "", fmt.Sprintf("unpacked it has more than %d MB; split the export, or raise max_mb", most>>20))
		return nil, &f, nil
	case err != nil:
		f := dataFault("archive_broken", "", fmt.Sprintf("it cannot be unpacked (%v): it was cut off or damaged; have it sent again", err))
		return nil, &f, nil
	case len(parts) == 0:
		f := dataFault("file_empty", "", "the archive holds no file; was the export empty?")
		return nil, &f, nil
	}
	return parts, nil, nil
}

// part looks once at what is packed. It bears the archive's hash: that is what a file is known by.
func (c content) part(name string, most int64, unpack func(io.Reader) (io.ReadCloser, error)) (content, error) {
	out, err := readContent(name, c.stamp, func() (io.ReadCloser, error) {
		in, err := c.open()
		if err != nil {
			return nil, err
		}
		unpacked, err := unpack(in)
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		return &bounded{in: unpacked, left: most, outer: in}, nil
	})
	out.hash = c.hash
	return out, err
}

// members are the files of a zip archive, in their order.
func (c content) members(most int64) ([]content, error) {
	in, err := c.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	at, ok := in.(io.ReaderAt)
	if !ok {
		return nil, errors.New("it cannot be read in parts")
	}
	archive, err := zip.NewReader(at, c.size)
	if err != nil {
		return nil, err
	}
	var out []content
	left := most
	for i, f := range archive.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if len(out) == maxMembers {
			return nil, errManyMembers
		}
		part, err := c.part(c.name+"/"+f.Name, left, func(in io.Reader) (io.ReadCloser, error) { return openMember(in, c.size, i) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		left -= part.size
		out = append(out, part)
	}
	return out, nil
}

func openMember(in io.Reader, size int64, i int) (io.ReadCloser, error) {
	archive, err := zip.NewReader(in.(io.ReaderAt), size)
	if err != nil {
		return nil, err
	}
	if i >= len(archive.File) {
		return nil, io.ErrUnexpectedEOF
	}
	return archive.File[i].Open()
}

// bounded ends with errTooBig behind what a file may have: a small archive can hold the zeros of a whole disk.
type bounded struct {
	in    io.ReadCloser
	outer io.Closer
	left  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooBig
	}
	return n, err
}

func (b *bounded) Close() error { return errors.Join(b.in.Close(), b.outer.Close()) }
