package wmsfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/event"
)

// stream is one configured sort of file: what the files of one pattern tell, in order of their stamps.
type stream struct {
	File
	mapping    *mapping.Mapping
	digest     string
	movesStock bool
	maxBytes   int64
	outbound   string
	// records: the form has records; columns are what is asked of each, bound the mapping tied to them.
	records bool
	columns []string
	bound   *mapping.Binding
	// sets and exchange are those of a file in X12; partner is nil where nothing is exchanged, but a sample tried.
	sets     []*edMapping
	exchange *Exchange
	partner  *partner
}

func newStream(s *setup, f File, compiled *mapping.Mapping) *stream {
	out := &stream{File: f, mapping: compiled, digest: digestOf(f), maxBytes: int64(s.MaxMB) << 20, outbound: s.Outbound, exchange: &s.X12}
	if compiled != nil {
		out.movesStock = slices.ContainsFunc(compiled.Kinds(), event.MovesStock)
	}
	if f.MovesStock != nil {
		out.movesStock = *f.MovesStock
	}
	return out
}

// folded is a name as names are compared: without regard to case, since what was PICK1.CSV yesterday is pick1.csv after an update of the WMS, and whether a system writes an
// accent with its letter or behind it.
func folded(name string) string { return norm.NFC.String(strings.ToLower(name)) }

func matches(pattern, name string) bool {
	ok, err := filepath.Match(folded(pattern), folded(name))
	return ok && err == nil
}

// wholeBytes is how large a file may be that is kept in memory between the two looks that are taken at each: one to know it by its hash, one to read it.
const wholeBytes = 8 << 20

// content is a file to be read: in memory where it is small, else opened anew for each look.
type content struct {
	name string
	// data is all of a small file, or how a larger one begins; size is how much there is of it.
	data []byte
	size int64
	// again opens a file that is not in memory.
	again func() (io.ReadCloser, error)
	// stamp is the file's modification time.
	stamp time.Time
	hash  string
}

func newContent(name string, data []byte, stamp time.Time) content {
	sum := sha256.Sum256(data)
	return content{name: strings.ToValidUTF8(name, "?"), data: data, size: int64(len(data)), stamp: stamp.UTC().Truncate(time.Microsecond), hash: hex.EncodeToString(sum[:])}
}

// inMemory is a small file; its Len keeps a reader from taking more memory than that.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func (c content) open() (io.ReadCloser, error) {
	if c.again == nil {
		return inMemory{bytes.NewReader(c.data)}, nil
	}
	return c.again()
}

// readContent takes the first look at a file: its size, its hash, and all of it where it is small.
func readContent(name string, stamp time.Time, open func() (io.ReadCloser, error)) (content, error) {
	in, err := open()
	if err != nil {
		return content{}, err
	}
	defer in.Close()
	head, err := io.ReadAll(io.LimitReader(in, wholeBytes+1))
	if err != nil {
		return content{}, err
	}
	c := newContent(name, head, stamp)
	if len(head) <= wholeBytes {
		return c, nil
	}
	sum := sha256.New()
	sum.Write(head)
	more, err := io.Copy(sum, in)
	if err != nil {
		return content{}, err
	}
	c.data, c.size, c.hash, c.again = bytes.Clone(head[:maxRaw]), int64(len(head))+more, hex.EncodeToString(sum.Sum(nil)), open
	return c, nil
}
