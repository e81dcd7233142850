package wmsfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// cursor is how far the plugin has come, as the host keeps it with the events. It holds the files that have been begun and are
// not known to be put away: what comes before them lies in the archive or the error folder.
type cursor struct {
	Version int `json:"v"`
	// Sequence counts the files taken whole.
	Sequence uint64 `json:"seq"`
	// Rewound says that what was put away behind Sequence is to be read again, because a person wants it.
	Rewound bool                 `json:"rewound,omitempty"`
	Files   []*taken             `json:"files,omitempty"`
	Streams map[string]*progress `json:"streams,omitempty"`
}

// taken is one file that was begun.
type taken struct {
	Name   string `json:"name"`
	Stream string `json:"stream"`
	// Hash is of the content, Config of the configuration it was read under: with another of either, Items means nothing.
	Hash   string `json:"hash"`
	Config string `json:"config"`
	// Items counts the events told so far; Done says that there are no more.
	Items    int    `json:"items"`
	Done     bool   `json:"done,omitempty"`
	Sequence uint64 `json:"seq,omitempty"`
}

// progress is how far one stream has told everything.
type progress struct {
	// Stamp is that of the newest file taken, Through what was told to the host; Movement the highest movement number.
	Stamp    time.Time `json:"stamp"`
	Through  time.Time `json:"through"`
	Movement uint64    `json:"movement,omitempty"`
	// Held are files that could not be read at all: until they are out of the error folder, the stream has a hole there.
	Held []held `json:"held,omitempty"`
}

type held struct {
	Name  string    `json:"name"`
	Stamp time.Time `json:"stamp"`
}

const cursorVersion = 1

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
	c.Files = slices.DeleteFunc(c.Files, func(t *taken) bool { return t == nil })
	return c, nil
}

func (c *cursor) encode() []byte {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("wmsfile: a cursor of plain fields cannot be written: " + err.Error())
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

// begun finds the entry of a file, or begins one.
func (c *cursor) begun(name string, s *stream, hash string) *taken {
	for _, t := range c.Files {
		if t.Name == name && t.Hash == hash && t.Stream == s.Name && t.Config == s.digest {
			return t
		}
	}
	// The same name with other content: the earlier file was put away, or has been written over.
	c.forget(name)
	t := &taken{Name: name, Stream: s.Name, Hash: hash, Config: s.digest}
	c.Files = append(c.Files, t)
	return t
}

func (c *cursor) forget(name string) {
	c.Files = slices.DeleteFunc(c.Files, func(t *taken) bool { return t.Name == name })
}

func (c *cursor) isDone(name string) bool {
	return slices.ContainsFunc(c.Files, func(t *taken) bool { return t.Name == name && t.Done })
}
