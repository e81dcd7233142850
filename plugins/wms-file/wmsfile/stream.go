package wmsfile

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
}

func newStream(s *setup, f File, compiled *mapping.Mapping) *stream {
	out := &stream{File: f, mapping: compiled, digest: digestOf(f), maxBytes: int64(s.MaxMB) << 20, outbound: s.Outbound}
	out.movesStock = slices.ContainsFunc(compiled.Kinds(), event.MovesStock)
	if f.MovesStock != nil {
		out.movesStock = *f.MovesStock
	}
	return out
}

// matches compares without regard to case: what was PICK1.CSV yesterday is pick1.csv after an update of the WMS.
func matches(pattern, name string) bool {
	ok, err := filepath.Match(strings.ToLower(pattern), strings.ToLower(name))
	return ok && err == nil
}

// content is a whole file in memory.
type content struct {
	name string
	data []byte
	// stamp is the file's modification time.
	stamp time.Time
	hash  string
}

func newContent(name string, data []byte, stamp time.Time) content {
	sum := sha256.Sum256(data)
	return content{strings.ToValidUTF8(name, "?"), data, stamp.UTC().Truncate(time.Microsecond), hex.EncodeToString(sum[:])}
}
