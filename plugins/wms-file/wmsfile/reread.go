package wmsfile

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// put is a file that was put away.
type put struct {
	path   string
	result Result
}

// reread tells again what was taken after the cursor: the host has given back an older one, because a disk was lost or restored.
// A new beginning (no cursor) tells nothing again: whoever wants that moves the files back.
func (c *capture) reread(ctx context.Context) error {
	if c.cursor.Sequence == 0 || len(c.setup.streams) == 0 || !c.memory.fresh && c.memory.last <= c.cursor.Sequence {
		return nil
	}
	files := c.later()
	if len(files) > 0 {
		c.log.Warn("the cursor is older than the archive: reading again what was taken after it", "files", len(files))
	}
	for _, f := range files {
		if err := c.rereadOne(ctx, f); err != nil {
			return err
		}
	}
	return c.settle(ctx, nil)
}

func (c *capture) rereadOne(ctx context.Context, f put) error {
	at := slices.IndexFunc(c.setup.streams, func(s *stream) bool { return s.Name == f.result.Stream })
	info, err := os.Stat(f.path)
	if at < 0 || err != nil {
		c.log.Warn("cannot read again", "file", f.path, "stream", f.result.Stream, "err", err)
		return nil
	}
	s := c.setup.streams[at]
	// Under the name and time that it had: they are part of what its dead letters say.
	body, err := loadFile(f.path, found{name: filepath.Base(f.path), size: info.Size(), mod: info.ModTime(), stream: s})
	if err != nil {
		c.log.Warn("cannot read again", "file", f.path, "stream", f.result.Stream, "err", err)
		return nil
	}
	body = newContent(f.result.File, body.data, f.result.Modified)
	if body.hash != f.result.SHA256 {
		c.log.Warn("file in the archive has changed: not read again", "file", f.path, "stream", f.result.Stream)
		return nil
	}
	entry := c.cursor.begun(f.result.File, s, body.hash)
	entry.Sequence = f.result.Sequence
	var res Result
	if err := c.tell(ctx, s, body, nil, entry, &res); err != nil {
		return err
	}
	c.cursor.Sequence = max(c.cursor.Sequence, f.result.Sequence)
	c.cursor.forget(f.result.File)
	return nil
}

// later lists what was put away after the cursor, in order.
func (c *capture) later() []put {
	var out []put
	for _, dir := range []string{c.setup.Archive, c.setup.Errors} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // nothing has been put away there
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), resultSuffix)
			if !ok {
				continue
			}
			raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
			p := put{path: filepath.Join(dir, name)}
			if err != nil || json.Unmarshal(raw, &p.result) != nil || p.result.Repeated != "" || p.result.Sequence <= c.cursor.Sequence {
				continue
			}
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b put) int { return cmp.Compare(a.result.Sequence, b.result.Sequence) })
	return out
}
