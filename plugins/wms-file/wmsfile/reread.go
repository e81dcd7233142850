package wmsfile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// put is a file that was put away.
type put struct {
	path   string
	result Result
}

// awayError is a folder that is needed and cannot be read: what is to be done waits for it.
type awayError struct{ err error }

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// recover rereads once. While the archive cannot be read nothing else is done: what it holds would never be told again.
func (c *capture) recover(ctx context.Context) error {
	if c.whole {
		return nil
	}
	if err := c.reread(ctx); err != nil {
		return err
	}
	c.whole = true
	return nil
}

// reread tells again what was taken after the cursor: the host has given back an older one, because a disk was lost or restored.
// A new beginning (no cursor) tells nothing again: whoever wants that moves the files back.
func (c *capture) reread(ctx context.Context) error {
	lost := c.cursor.Sequence > 0 && (c.memory.fresh || c.memory.last > c.cursor.Sequence)
	if !lost && !c.cursor.Rewound {
		return nil
	}
	files, err := c.later()
	if err != nil {
		return &awayError{err}
	}
	if len(files) > 0 {
		c.log.Warn("the cursor is older than the archive: reading again what was taken after it", "files", len(files))
	}
	for _, f := range files {
		if err := c.rereadOne(ctx, f); err != nil {
			return err
		}
	}
	if c.cursor.Rewound {
		c.cursor.Rewound, c.dirty = false, true
	}
	return c.settle(ctx, nil)
}

// rewind is the cursor from which the files taken since a time are read again, and what they are.
func rewind(in store, s *setup, raw []byte, since time.Time) (cursor []byte, what string, err error) {
	cur, err := parseCursor(raw)
	if err != nil {
		return nil, "", err
	}
	first, count := uint64(0), 0
	files, err := putAway(in, s, 0)
	if err != nil {
		return nil, "", err
	}
	for _, f := range files {
		if f.result.TakenAt.Before(since) {
			continue
		}
		if count++; first == 0 {
			first = f.result.Sequence
		}
		// What the cursor still says of it would leave out what was told before.
		cur.Files = slices.DeleteFunc(cur.Files, func(t *taken) bool { return t.Name == f.result.File && t.Hash == f.result.SHA256 })
	}
	if count > 0 {
		cur.Sequence = min(cur.Sequence, first-1)
	}
	// Also where nothing lies before: sequence 0 alone would be a new beginning.
	cur.Rewound = true
	return cur.encode(), fmt.Sprintf("%d files that were taken since %s", count, since.UTC().Format(time.RFC3339)), nil
}

func (c *capture) rereadOne(ctx context.Context, f put) error {
	at := slices.IndexFunc(c.setup.streams, func(s *stream) bool { return s.Name == f.result.Stream })
	info, err := c.store.stat(f.path)
	if at >= 0 && err != nil && !errors.Is(err, os.ErrNotExist) {
		return &awayError{err}
	}
	if at < 0 || err != nil {
		c.log.Warn("cannot read again", "file", f.path, "stream", f.result.Stream, "err", err)
		return nil
	}
	s := c.setup.streams[at]
	// Under the name and time that it had: they are part of what its dead letters say.
	file := found{name: f.result.File, size: info.Size(), mod: info.ModTime(), stream: s}
	if !f.result.Modified.After(f.result.TakenAt) { // else the server's clock was ahead
		file.stamp = f.result.Modified
	}
	body, err := loadFile(c.store, f.path, file)
	if err != nil {
		return &awayError{err}
	}
	body.name, body.stamp = f.result.File, f.result.Modified
	if body.hash != f.result.SHA256 {
		c.log.Warn("file in the archive has changed: not read again", "file", f.path, "stream", f.result.Stream)
		return nil
	}
	entry := c.cursor.begun(f.result.File, s, body.hash)
	entry.Sequence = f.result.Sequence
	var res Result
	if err := c.tell(ctx, file, body, nil, entry, &res); err != nil {
		return err
	}
	if res.broken != nil {
		return &awayError{res.broken}
	}
	c.cursor.Sequence = max(c.cursor.Sequence, f.result.Sequence)
	c.cursor.forget(f.result.File)
	return nil
}

// later lists what was put away after the cursor, in order.
func (c *capture) later() ([]put, error) { return putAway(c.store, c.seconds.s, c.cursor.Sequence) }

func readAll(in store, path string) ([]byte, error) {
	f, err := in.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// putAway lists what was put away with a sequence above after, in order.
func putAway(in store, s *setup, after uint64) ([]put, error) {
	if _, err := in.stat(s.Outbound); err != nil {
		return nil, err // a share that is not there says of its folders that they are not either
	}
	var out []put
	for _, dir := range []string{s.Archive, s.Errors} {
		entries, err := in.names(dir)
		if info, stat := in.stat(dir); errors.Is(err, os.ErrNotExist) || stat == nil && !info.IsDir() {
			continue // nothing has been put away there
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e, resultSuffix)
			if !ok {
				continue
			}
			raw, err := readAll(in, in.join(dir, e))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			p := put{path: in.join(dir, name)}
			if err != nil || json.Unmarshal(raw, &p.result) != nil || p.result.Repeated != "" || p.result.Sequence <= after {
				continue
			}
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b put) int { return cmp.Compare(a.result.Sequence, b.result.Sequence) })
	return out, nil
}
