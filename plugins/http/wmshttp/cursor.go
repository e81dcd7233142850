package wmshttp

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
	// Again: what was told since then is to be told again, and so forgotten at the start.
	Again time.Time `json:"again,omitzero"`
}

// progress is how far a stream was read.
type progress struct {
	// High is the latest time of the last reading that came to its end; Since and After are where the present one goes on.
	High  time.Time `json:"high,omitzero"`
	Since time.Time `json:"since,omitzero"`
	After string    `json:"after,omitempty"`
	// Next is the system's own cursor.
	Next string `json:"next,omitempty"`
	// ETag and Modified are of the last answer that was told.
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
	// Through is what was last said to be complete.
	Through time.Time `json:"through,omitzero"`
}

const (
	cursorVersion = 1
	// maxMark bounds what a system's cursor, id or tag may have: cursors travel in every envelope.
	maxMark = 2 << 10
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
		panic("wmshttp: a cursor of plain fields cannot be written: " + err.Error())
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

// rewound is a cursor from which everything since a time is told again.
func (c *cursor) rewound(since time.Time) *cursor {
	for _, p := range c.Streams {
		if p.High.After(since) {
			p.High = since
		}
		p.Since, p.After, p.Next, p.ETag, p.Modified = time.Time{}, "", "", "", ""
	}
	c.Again = since
	return c
}
