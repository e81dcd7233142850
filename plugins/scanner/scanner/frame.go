package scanner

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Kinds of frames: how a reader says where a scan begins and ends.
const (
	frameLines  = "lines"   // ends with CR, LF or both
	frameSTX    = "stx_etx" // between STX and ETX, or as configured
	frameLength = "length"  // behind its length, two bytes, the higher first
)

// halfFor is how long a frame may stay half: what follows later is the beginning of another.
const halfFor = 5 * time.Second

// framer cuts a stream of bytes into scans. It holds no more than one frame, whatever is sent.
type framer struct {
	kind       string
	begin, end byte
	most       int

	held    []byte
	inside  bool // stx_etx: STX has come
	skip    bool // the frame is too long: all up to its end is dropped
	need    int  // length: bytes that are still due
	last    time.Time
	garbage int // bytes that belonged to no frame
}

func newFramer(c Frame) *framer {
	return &framer{kind: c.Type, begin: c.begin(), end: c.end(), most: c.Longest}
}

// feed takes what has been read, and gives each whole scan to take.
func (f *framer) feed(now time.Time, data []byte, take func([]byte)) {
	if f.half() && now.Sub(f.last) > halfFor {
		f.reset()
	}
	f.last = now
	for len(data) > 0 {
		switch f.kind {
		case frameLength:
			data = f.length(data, take)
		case frameSTX:
			data = f.between(data, take)
		default:
			data = f.line(data, take)
		}
	}
}

// half says that a frame has begun.
func (f *framer) half() bool { return len(f.held) > 0 || f.inside || f.skip || f.need > 0 }

// reset drops a frame that stays half; a reader that was unplugged in the middle of a scan leaves one.
func (f *framer) reset() {
	f.garbage += len(f.held)
	f.held, f.inside, f.skip, f.need = f.held[:0], false, false, 0
}

func (f *framer) hold(data []byte) {
	if f.skip || len(f.held)+len(data) > f.most {
		f.garbage += len(f.held) + len(data)
		f.held, f.skip = f.held[:0], true
		return
	}
	f.held = append(f.held, data...)
}

func (f *framer) done(take func([]byte)) {
	if !f.skip && len(f.held) > 0 {
		take(bytes.Clone(f.held))
	}
	f.held, f.skip, f.inside = f.held[:0], false, false
}

func (f *framer) line(data []byte, take func([]byte)) []byte {
	at := bytes.IndexAny(data, "\r\n")
	if at < 0 {
		f.hold(data)
		return nil
	}
	f.hold(data[:at])
	f.done(take)
	return data[at+1:]
}

func (f *framer) between(data []byte, take func([]byte)) []byte {
	if !f.inside {
		at := bytes.IndexByte(data, f.begin)
		if at < 0 {
			f.garbage += len(bytes.Trim(data, "\r\n"))
			return nil
		}
		f.garbage += len(bytes.Trim(data[:at], "\r\n"))
		f.inside = true
		return data[at+1:]
	}
	at := bytes.IndexByte(data, f.end)
	again := bytes.IndexByte(data, f.begin)
	switch {
	case f.begin != f.end && again >= 0 && (at < 0 || again < at): // the frame before lost its end
		f.garbage += len(f.held) + again
		f.held, f.skip = f.held[:0], false
		return data[again+1:]
	case at < 0:
		f.hold(data)
		return nil
	}
	f.hold(data[:at])
	f.done(take)
	return data[at+1:]
}

func (f *framer) length(data []byte, take func([]byte)) []byte {
	if f.need == 0 {
		n := min(2-len(f.held), len(data))
		f.held, data = append(f.held, data[:n]...), data[n:]
		if len(f.held) < 2 {
			return nil
		}
		f.need = int(binary.BigEndian.Uint16(f.held))
		f.held = f.held[:0]
		f.skip = f.need > f.most
		return data
	}
	n := min(f.need, len(data))
	f.hold(data[:n])
	if f.need -= n; f.need == 0 {
		f.done(take)
	}
	return data[n:]
}
