package eventlog

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dockline/dockline/proto/wire"
)

const (
	// maxEventBytes is what no event may exceed as it is sent. A journal takes 768 KiB.
	maxEventBytes = 1 << 20
	// maxParts is how many parts (lines, above all) the payloads of one envelope may have. An empty part is two bytes on the line and a few
	// hundred in memory, so that what a pack unfolds to says little of what it costs to read it. An honest part takes thirty bytes at least;
	// a journal's largest pack has less than twenty-five thousand.
	maxParts = 100_000
)

// parts counts the fields of an event's own messages: of its payload those that are lines, quantities, names.
func parts(raw []byte) (n int) {
	for len(raw) > 0 {
		_, kind, tag := protowire.ConsumeTag(raw)
		if tag < 0 {
			return n // it cannot be decoded, and says so itself
		}
		size := protowire.ConsumeFieldValue(0, kind, raw[tag:])
		if size < 0 {
			return n
		}
		if kind == protowire.BytesType {
			if inner, ok := protowire.ConsumeBytes(raw[tag:]); ok > 0 {
				n += fields(inner)
			}
		}
		raw = raw[tag+size:]
	}
	return n
}

// fields counts those of a message that are messages or texts themselves; what is no message at all counts as none.
func fields(message []byte) (n int) {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return 0
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return 0
		}
		if kind == protowire.BytesType {
			n++
		}
		message = message[tag+size:]
	}
	return n
}

// tooHeavy says of a pack that reading it would cost more memory than any honest one does.
func tooHeavy(raws [][]byte) error {
	n := 0
	for _, raw := range raws {
		if n += parts(raw); n > maxParts {
			return fmt.Errorf("%w: its events have more than %d lines and parts, no agent packs so many", wire.ErrPack, maxParts)
		}
	}
	return nil
}
