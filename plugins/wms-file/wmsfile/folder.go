package wmsfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// found is a file in the outbound folder.
type found struct {
	name   string
	size   int64
	mod    time.Time
	stream *stream // nil where no pattern fits
	done   string  // the name of its marker, where there is one
	// stamp is mod, or where that is ahead of our clock a time at which the file was not yet as it is.
	stamp time.Time
}

// marker is the name of its marker, in the case that the WMS wrote.
func (f found) marker(s *setup) string {
	if f.done != "" {
		return f.done
	}
	return f.name + s.Complete.Marker
}

// observed is what a file looked like, and since when it has.
type observed struct {
	size  int64
	mod   time.Time
	since time.Time
	// before is the look before, at which it did not look so yet; zero where there was none.
	before time.Time
	done   string // the name of its marker
}

// stamp is the file's time. One that is ahead of our clock, because the server's is, says more than is true of what was told by then.
func (o observed) stamp() time.Time {
	if o.mod.After(o.since) && !o.since.IsZero() {
		return o.before
	}
	return o.mod
}

// folder watches the outbound folder by looking at it: notifications do not come from network shares.
type folder struct {
	setup *setup
	seen  map[string]observed
	// odd are what bears the name of a file to be read and is none, with why it is not read.
	odd map[string]error
	// unseen are files that are listed and cannot be looked at.
	unseen map[string]error
	// looked is when it was listed last.
	looked time.Time
	// copies: what lies there was fetched whole, from where it was waited for.
	copies bool
}

// emptyFor is how long an empty file is waited for: on a share a file can be there before its content is.
const emptyFor = 30 * time.Second

// scan lists the files, oldest first, and tells the complete ones from those that wait.
func (f *folder) scan(now time.Time, done func(name string) bool) (complete, waiting, unknown []found, err error) {
	entries, err := os.ReadDir(f.setup.Outbound)
	if err != nil {
		return nil, nil, nil, err
	}
	names := listed(entries)
	seen := make(map[string]observed, len(entries))
	f.odd, f.unseen = map[string]error{}, map[string]error{}
	for _, e := range entries {
		file, ok := f.look(e)
		if !ok || f.ignored(file.name, names) {
			delete(f.unseen, e.Name())
			continue
		}
		if file.stream == nil {
			delete(f.unseen, file.name)
			unknown = append(unknown, file)
			continue
		}
		o := f.seen[file.name]
		if f.unseen[file.name] != nil {
			file.size, file.mod, file.stamp, seen[file.name] = o.size, o.mod, o.stamp(), o
			waiting = append(waiting, file)
			continue
		}
		if o.size != file.size || !o.mod.Equal(file.mod) || o.since.IsZero() {
			o = observed{size: file.size, mod: file.mod, since: now, before: f.looked}
		}
		seen[file.name] = o
		file.stamp = o.stamp()
		file.done = f.markerOf(file.name, names)
		if done(file.name) || f.complete(file, o, now) {
			complete = append(complete, file)
		} else {
			waiting = append(waiting, file)
		}
	}
	f.seen, f.looked = seen, now
	slices.SortFunc(complete, func(a, b found) int {
		if c := a.mod.Compare(b.mod); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return complete, waiting, unknown, nil
}

func (f *folder) look(e fs.DirEntry) (found, bool) {
	info, err := e.Info()
	if errors.Is(err, os.ErrNotExist) {
		return found{}, false // gone since
	}
	if err != nil {
		f.unseen[e.Name()] = err
		return found{name: e.Name(), stream: f.setup.streamOf(e.Name())}, true
	}
	if !info.Mode().IsRegular() {
		f.notice(e.Name(), info.Mode())
		return found{}, false
	}
	return found{name: e.Name(), size: info.Size(), mod: info.ModTime(), stream: f.setup.streamOf(e.Name())}, true
}

// streamOf is the first stream whose pattern fits, nil where none does.
func (s *setup) streamOf(name string) *stream {
	for _, st := range s.streams {
		if matches(st.Pattern, name) {
			return st
		}
	}
	return nil
}

// listed are the names of a folder, by how they are compared.
func listed[E interface{ Name() string }](entries []E) map[string]string {
	names := make(map[string]string, len(entries))
	for _, e := range entries {
		names[folded(e.Name())] = e.Name()
	}
	return names
}

// notice notes a folder, a link or a pipe under a name that a stream waits for: what somebody put there to be read never will be.
func (f *folder) notice(name string, mode fs.FileMode) {
	path := filepath.Join(f.setup.Outbound, name)
	if path == filepath.Clean(f.setup.Archive) || path == filepath.Clean(f.setup.Errors) ||
		!slices.ContainsFunc(f.setup.streams, func(s *stream) bool { return matches(s.Pattern, name) }) {
		return
	}
	what := "it is neither a file nor a folder"
	switch {
	case mode.IsDir():
		what = "it is a folder"
	case mode&fs.ModeSymlink != 0:
		what = "it is a link, which could lead out of the folder"
	}
	f.odd[name] = errors.New(what + "; put the file itself there, or take it away")
}

// ignored are temporary files, and markers of files that are there.
func (f *folder) ignored(name string, names map[string]string) bool {
	c := f.setup.Complete
	if f.setup.MustHold != "" && folded(name) == folded(f.setup.MustHold) {
		return true
	}
	if slices.ContainsFunc(c.Ignore, func(p string) bool { return matches(p, name) }) {
		return true
	}
	base, isMarker := strings.CutSuffix(folded(name), folded(c.Marker))
	return c.By == byMarker && isMarker && base != ""
}

// markerOf is the name of a file's marker as the WMS wrote it, empty where there is none: of PICK1.CSV it may be PICK1.CSV.DONE.
func (f *folder) markerOf(name string, names map[string]string) string {
	return names[folded(name+f.setup.Complete.Marker)]
}

func (f *folder) complete(file found, o observed, now time.Time) bool {
	if file.size == 0 && !f.copies && now.Sub(o.since) < emptyFor {
		return false
	}
	switch f.setup.Complete.By {
	case byMarker:
		return file.done != ""
	case byRename:
		return true
	}
	return now.Sub(o.since) >= f.setup.Complete.Stable
}

// errChanging says that a file is still being written.
var errChanging = errors.New("the file changes while it is read")

// errTooBig says that a file is beyond max_mb.
var errTooBig = errors.New("the file is too big")

// load reads a whole file and makes sure that it did not change meanwhile.
func (f *folder) load(file found) (content, error) {
	if file.size > file.stream.maxBytes {
		return newContent(file.name, fmt.Appendf(nil, "%s, %d bytes", file.name, file.size), file.mod), errTooBig
	}
	return loadFile(localStore{}, filepath.Join(f.setup.Outbound, file.name), file)
}

func loadFile(in store, path string, file found) (content, error) {
	body, err := readContent(file.name, file.mod, func() (io.ReadCloser, error) { return in.open(path) })
	if err != nil {
		return content{}, err
	}
	info, err := in.stat(path)
	if err != nil {
		return content{}, err
	}
	if info.Size() != body.size || info.Size() != file.size || !info.ModTime().Equal(file.mod) {
		return content{}, errChanging
	}
	return body, nil
}
