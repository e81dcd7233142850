package wmssql

import (
	"encoding/json"
	"fmt"
	"time"
)

// cursor is what the host keeps with the events: how far each stream was read, and the number of the batch.
type cursor struct {
	Version int                  `json:"version"`
	Batch   uint64               `json:"batch"`
	Streams map[string]*progress `json:"streams"`
	// Slot is how far the slot was followed, for streams that come by replication.
	Slot *slotCursor `json:"slot,omitempty"`
	// Again: what was told since then is to be told again, and so forgotten at the start.
	Again time.Time `json:"again,omitzero"`
}

// progress is how far a stream was read.
type progress struct {
	// Begun: a reading came to its end once; before, everything is read from the beginning.
	Begun bool `json:"begun,omitempty"`
	// Open is the database's horizon at the beginning of the last thorough reading that came to its end: every row of a transaction that was
	// over by then was read. Seen is when the last reading of any sort began.
	Open time.Time `json:"open,omitzero"`
	Seen time.Time `json:"seen,omitzero"`
	// Row is the same as Open for databases that tell a watermark.
	Row string `json:"row,omitempty"`
	// Marks are the highest watermarks as of times: what is below one was given out before.
	Marks []mark `json:"marks,omitempty"`
	// Now is the reading that is going on.
	Now *reading `json:"now,omitempty"`
	// Through is what was last said to be complete.
	Through time.Time `json:"through,omitzero"`
	// Movement is the highest movement number told.
	Movement uint64 `json:"movement,omitempty"`
	// Copied: the stream's table was read whole, and its slot tells what has changed since. Watched is from when on deletions are known, Truncated when
	// the table was last emptied at one go. Published is which table it is, and what publishes it.
	Copied    bool      `json:"copied,omitempty"`
	Watched   time.Time `json:"watched,omitzero"`
	Truncated time.Time `json:"truncated,omitzero"`
	Published string    `json:"published,omitempty"`
}

// reading is one way through a stream's rows.
type reading struct {
	// Thorough: it began at the last horizon, not only a little before the last reading.
	Thorough bool      `json:"thorough,omitempty"`
	Open     time.Time `json:"open,omitzero"`
	Seen     time.Time `json:"seen,omitzero"`
	Row      string    `json:"row,omitempty"`
	At       *place    `json:"at,omitempty"`
}

// mark says that a watermark was the highest at a time.
type mark struct {
	Time      time.Time `json:"time"`
	Watermark string    `json:"watermark"`
}

const (
	cursorVersion = 1
	// maxMarks bounds those of a stream; the older half is then thinned.
	maxMarks = 64
)

func parseCursor(raw []byte) (*cursor, error) {
	c := &cursor{Version: cursorVersion, Streams: map[string]*progress{}}
	if len(raw) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("reading the cursor: %w", err)
	}
	if c.Version != cursorVersion {
		return nil, fmt.Errorf("the cursor is of version %d, this plugin knows %d; install the version that wrote it", c.Version, cursorVersion)
	}
	if c.Streams == nil {
		c.Streams = map[string]*progress{}
	}
	return c, nil
}

func (c *cursor) encode() []byte {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("wmssql: a cursor of plain fields cannot be written: " + err.Error())
	}
	return raw
}

func (c *cursor) progress(stream string) *progress {
	p := c.Streams[stream]
	if p == nil {
		p = &progress{}
		c.Streams[stream] = p
	}
	return p
}

// noteMark adds one, and keeps them few: what is between two marks is only read again.
func (p *progress) noteMark(m mark) {
	if n := len(p.Marks); n > 0 && p.Marks[n-1].Watermark == m.Watermark {
		return // it was so before, which says more
	}
	p.Marks = append(p.Marks, m)
	if len(p.Marks) <= maxMarks {
		return
	}
	kept := p.Marks[:0]
	for i, m := range p.Marks {
		if i >= maxMarks/2 || i%2 == 0 {
			kept = append(kept, m)
		}
	}
	p.Marks = kept
}

// below gives the watermark of the newest mark that is not younger than a time; false where there is none.
func (p *progress) below(at time.Time) (string, bool) {
	found := -1
	for i, m := range p.Marks {
		if !m.Time.After(at) {
			found = i
		}
	}
	if found < 0 {
		return "", false
	}
	return p.Marks[found].Watermark, true
}

// forgetMarks drops those that no reading can begin at any longer.
func (p *progress) forgetMarks(at time.Time) {
	for len(p.Marks) > 1 && !p.Marks[1].Time.After(at) {
		p.Marks = p.Marks[1:]
	}
}
