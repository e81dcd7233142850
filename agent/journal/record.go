package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Every value in an epoch file is a record: format (1 byte), CRC-32C of all that follows (4, big endian), time in
// Unix microseconds (8), body. bbolt sums its meta pages only, so without this a flipped bit would travel on.
const (
	recordFormat = 1
	recordHeader = 1 + 4 + 8
)

// ErrDamaged marks what does not read as it was written.
var ErrDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// makeRecord wraps body; at is when its first event was captured, or zero.
func makeRecord(at time.Time, body []byte) []byte {
	r := make([]byte, recordHeader+len(body))
	r[0] = recordFormat
	if !at.IsZero() {
		binary.BigEndian.PutUint64(r[5:], uint64(at.UnixMicro()))
	}
	copy(r[recordHeader:], body)
	binary.BigEndian.PutUint32(r[1:], crc32.Checksum(r[5:], castagnoli))
	return r
}

// openRecord returns time and body of a record; body shares its memory.
func openRecord(r []byte) (at time.Time, body []byte, err error) {
	if len(r) < recordHeader || r[0] != recordFormat || binary.BigEndian.Uint32(r[1:]) != crc32.Checksum(r[5:], castagnoli) {
		return time.Time{}, nil, ErrDamaged
	}
	return recordTime(r), r[recordHeader:], nil
}

// recordTime reads the time without checking the record; zero if there is none.
func recordTime(r []byte) time.Time {
	if len(r) < recordHeader {
		return time.Time{}
	}
	if micros := int64(binary.BigEndian.Uint64(r[5:])); micros != 0 {
		return time.UnixMicro(micros).UTC()
	}
	return time.Time{}
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func keySeq(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// state is the record "state" of an epoch file, rewritten by every commit.
type state struct {
	// last is the highest Seq given.
	last uint64
	// acked is the watermark up to which the collector has acknowledged.
	acked uint64
	// captured counts all events accepted since the folder began.
	captured uint64
	// incarnation is the collector's database that acked belongs to.
	incarnation string
	// days are captured by day; they have records of their own, and the map is never changed.
	days dayCounts
}

func (s state) record() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.last)
	b = binary.BigEndian.AppendUint64(b, s.acked)
	b = binary.BigEndian.AppendUint64(b, s.captured)
	return makeRecord(time.Time{}, append(b, s.incarnation...))
}

func readState(r []byte) (state, error) {
	_, b, err := openRecord(r)
	if err != nil || len(b) < 24 {
		return state{}, ErrDamaged
	}
	return state{
		last:        binary.BigEndian.Uint64(b),
		acked:       binary.BigEndian.Uint64(b[8:]),
		captured:    binary.BigEndian.Uint64(b[16:]),
		incarnation: string(b[24:]),
	}, nil
}
