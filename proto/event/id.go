package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"maps"
	"slices"
	"strconv"
)

// Cause is what an event's id is made of. The same cause read again, from the same file or a restored disk, is the same event.
type Cause struct {
	Tenant string
	// Site is empty for a fact from the centre.
	Site string
	// Source is the plugin's configured id, or the connector's name.
	Source string
	// SourceKey is the source's own key of the record.
	SourceKey string
	// Revision is the source's revision of the key; where it is empty ContentHash stands in for it.
	Revision    string
	ContentHash []byte
	// Kind is the business name of the kind.
	Kind string
	// Ordinal tells apart several events that one record gave, from 0.
	Ordinal uint32
}

// ID is the event id of a cause: hex SHA-256 over tenant, site, source, source key, revision (or else the content hash in
// hex), kind and ordinal (in decimal), each as UTF-8 behind its length in 8 bytes, big endian.
func ID(c Cause) string {
	revision := c.Revision
	if revision == "" {
		revision = hex.EncodeToString(c.ContentHash)
	}
	ordinal := strconv.FormatUint(uint64(c.Ordinal), 10)
	return hex.EncodeToString(hashOf(c.Tenant, c.Site, c.Source, c.SourceKey, revision, c.Kind, ordinal))
}

// WorldwideID is the id of an event whose source key is unique in the world, as that of an EPCIS event is: it is one event by whatever road it comes
// from that source, through a site or straight to the centre, and whoever names it need not know its kind.
func WorldwideID(tenant, source, key string) string {
	return ID(Cause{Tenant: tenant, Source: source, SourceKey: key, Kind: "epcis"})
}

// ContentHash is a SHA-256 of a record's mapped cells by field name. The order of columns does not matter, nor do columns
// that are not mapped.
func ContentHash(cells map[string]string) []byte {
	return ContentHashSorted(func(yield func(name, cell string) bool) {
		for _, name := range slices.Sorted(maps.Keys(cells)) {
			if !yield(name, cells[name]) {
				return
			}
		}
	})
}

// ContentHashSorted is ContentHash of cells that come in the order of their names, for who makes many.
func ContentHashSorted(cells iter.Seq2[string, string]) []byte {
	all := make([]byte, 0, 1<<10)
	for name, cell := range cells {
		all = appendPart(appendPart(all, name), cell)
	}
	sum := sha256.Sum256(all)
	return sum[:]
}

// CorrelationID is shared by every event, posting and command of one order, and is their W3C trace id: 32 hex digits.
func CorrelationID(tenant, order string) string {
	return hex.EncodeToString(hashOf(tenant, kindOrder, order)[:16])
}

// Traceparent is the W3C trace context of one step of a business case. The trace id is the correlation id, or is derived
// from it where it is not 32 lower-case hex digits; spanSeed names the step, most often by its event id or posting key.
func Traceparent(correlationID, spanSeed string) string {
	if !isTraceID(correlationID) {
		correlationID = hex.EncodeToString(hashOf("trace", correlationID)[:16])
	}
	return "00-" + correlationID + "-" + hex.EncodeToString(hashOf("span", spanSeed)[:8]) + "-01"
}

func isTraceID(s string) bool {
	if len(s) != 32 {
		return false
	}
	zero := true
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !zero
}

func hashOf(parts ...string) []byte {
	all := make([]byte, 0, 512)
	for _, part := range parts {
		all = appendPart(all, part)
	}
	sum := sha256.Sum256(all)
	return sum[:]
}

// appendPart keeps parts apart: without the length, ("a", "bc") and ("ab", "c") would be one cause.
func appendPart(all []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint64(all, uint64(len(part))), part...)
}
