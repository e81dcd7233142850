package wmsfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/dockline/dockline/plugins"
)

const (
	// fetchAhead is how much may lie fetched and unread; what is beyond it waits on the server, so that our disk does not fill. One file may be larger.
	fetchAhead = 256 << 20
	// unchangedFor is how long a file must have looked the same before it is fetched. Servers tell times by the second: what was written over within the second of its
	// time, with as many bytes, would look the same. A second later it cannot.
	unchangedFor = 2 * time.Second
)

// outbox is the outbound folder on the server. Files are fetched whole into a folder of this machine, where they are read like any others; on the server they stay until
// they are told and durable, so that whatever is lost here is fetched again. Then they are put away there, and the copy is removed.
type outbox struct {
	server *server
	// dir is the server's folder, local ours; setup is as it was configured.
	dir, local string
	setup      *setup
	seen       map[string]observed
	here       map[string]observed
	// odd are files there that cannot be fetched, with the reason; waiting are they, and those that are not complete yet.
	odd     map[string]error
	waiting []found
	// looked is when the folder was listed last.
	looked time.Time
}

// remote has the folders on a server: what is fetched lies in a folder of ours, which takes the place of the outbound folder.
func (s *setup) remote(start plugins.Start, at *server) (*outbox, error) {
	root := filepath.Join(start.DataDir, "sftp")
	o := &outbox{server: at, dir: s.Outbound, local: filepath.Join(root, "out"), seen: map[string]observed{}, here: map[string]observed{}}
	watched := *s
	o.setup = &watched
	s.Outbound = o.local
	s.Complete = Complete{By: byRename, Ignore: []string{"*.part"}}
	if err := os.MkdirAll(o.local, 0o700); err != nil {
		return nil, err
	}
	return o, o.tidy(root)
}

// tidy takes up what an earlier run has fetched, and removes what it left behind.
func (o *outbox) tidy(root string) error {
	entries, err := os.ReadDir(o.local)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(e.Name(), ".part"):
			if err := os.Remove(filepath.Join(o.local, e.Name())); err != nil {
				return err
			}
		default:
			o.here[e.Name()] = observed{size: info.Size(), mod: info.ModTime()}
		}
	}
	for _, former := range []string{"archive", "error"} { // versions before kept copies there
		if err := os.RemoveAll(filepath.Join(root, former)); err != nil {
			return err
		}
	}
	return nil
}

// fetch brings what is complete, oldest first.
func (o *outbox) fetch(now time.Time) error {
	return o.server.do(func(c *sftp.Client) error {
		entries, err := c.ReadDir(o.dir)
		if err != nil {
			return err
		}
		slices.SortStableFunc(entries, func(a, b os.FileInfo) int {
			return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
		})
		names := listed(entries)
		if must := o.setup.MustHold; must != "" && names[folded(must)] == "" {
			return fmt.Errorf("it does not hold %s, which must_hold asks for: is a share missing there? %w", must, os.ErrNotExist) // no fault of the line
		}
		watch := &folder{setup: o.setup}
		seen := map[string]observed{}
		o.odd, o.waiting = map[string]error{}, nil
		ahead := o.ahead()
		for _, e := range entries {
			stream := o.setup.streamOf(e.Name())
			if !e.Mode().IsRegular() || watch.ignored(e.Name(), names) || stream == nil {
				continue
			}
			at := o.seen[e.Name()]
			if at.size != e.Size() || !at.mod.Equal(e.ModTime()) || at.since.IsZero() {
				at = observed{size: e.Size(), mod: e.ModTime(), since: now, before: o.looked}
			}
			at.done = watch.markerOf(e.Name(), names)
			seen[e.Name()] = at
			file := found{name: e.Name(), size: at.size, mod: at.mod, stamp: at.stamp(), done: at.done, stream: stream}
			got, fetched := o.here[e.Name()]
			switch {
			case fetched && got.size == at.size && got.mod.Equal(at.mod):
				o.here[e.Name()] = at
				continue // it is being read
			case !watch.complete(file, at, now), now.Sub(at.since) < unchangedFor, ahead > 0 && ahead+at.size > fetchAhead:
				o.waiting = append(o.waiting, file)
				continue
			}
			here, err := o.bring(c, e)
			switch {
			case ofOneFile(err):
				o.odd[e.Name()] = err // the others come all the same
			case err != nil:
				return err
			case here:
				o.here[e.Name()] = at
				ahead += at.size
				continue
			}
			o.waiting = append(o.waiting, file)
		}
		o.seen, o.looked = seen, now
		return nil
	})
}

// shown is how a person calls the folder.
func (o *outbox) shown() string { return "sftp://" + o.server.Address + path.Clean("/"+o.dir) }

// stamped gives copies the stamps that their files have on the server.
func (o *outbox) stamped(copies []found) []found {
	for i := range copies {
		copies[i].stamp = o.here[copies[i].name].stamp()
	}
	return copies
}

// ahead is how much lies here and is not told, without what is here no longer.
func (o *outbox) ahead() (size int64) {
	for name, at := range o.here {
		if _, err := os.Stat(filepath.Join(o.local, name)); errors.Is(err, os.ErrNotExist) {
			delete(o.here, name)
			continue
		}
		size += at.size
	}
	return size
}

// errOddName is a file that cannot be kept under its name.
var errOddName = errors.New("its name holds characters that not every system has; have it named otherwise")

// ofOneFile says that what went wrong is that file's alone: the line and our own disk would fail for the others too.
func ofOneFile(err error) bool {
	var status *sftp.StatusError
	return errors.Is(err, errOddName) || errors.As(err, &status) || errors.Is(err, os.ErrPermission)
}

// bring fetches one file; one that changes meanwhile is left for the next look: then it is not here.
func (o *outbox) bring(c *sftp.Client, e os.FileInfo) (here bool, err error) {
	if safe(e.Name()) != e.Name() {
		return false, errOddName
	}
	in, err := c.Open(path.Join(o.dir, e.Name()))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	to := filepath.Join(o.local, e.Name())
	out, err := os.Create(to + ".part")
	if err != nil {
		return false, errors.Join(err, in.Close())
	}
	n, err := io.Copy(out, in)
	if err = errors.Join(err, in.Close(), out.Sync(), out.Close()); err != nil {
		return false, errors.Join(err, os.Remove(to+".part")) // a disk that is full is not to stay so
	}
	if now, err := c.Stat(path.Join(o.dir, e.Name())); err != nil || n != e.Size() || now.Size() != e.Size() || !now.ModTime().Equal(e.ModTime()) {
		return false, os.Remove(to + ".part")
	}
	if err := os.Chtimes(to+".part", e.ModTime(), e.ModTime()); err != nil {
		return false, err
	}
	err = os.Rename(to+".part", to)
	return err == nil, err
}

// move puts a file away on the server that is told and durable, with its papers beside it, and removes the copy. It says where it lies then, as setup.move does.
func (o *outbox) move(f finished) (at spot, err error) {
	name := f.file.name
	if was, fetched := o.here[name]; fetched {
		err = o.server.do(func(c *sftp.Client) error {
			at, err = o.moveThere(c, f, was)
			return err
		})
	}
	if err != nil {
		return at, err
	}
	delete(o.here, name)
	return at, gone(filepath.Join(o.local, name))
}

func (o *outbox) moveThere(c *sftp.Client, f finished, was observed) (at spot, err error) {
	from := path.Join(o.dir, f.file.name)
	now, err := c.Stat(from)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return spot{}, nil // put away by a run that ended right then, or taken away by a person
	case err != nil:
		return spot{}, err
	case now.Size() != was.size || !now.ModTime().Equal(was.mod):
		return spot{}, nil // written again since: it is fetched again
	}
	at.dir = o.setup.Archive
	if f.result.bad() {
		at.dir = o.setup.Errors
	}
	if err := c.MkdirAll(at.dir); err != nil {
		return spot{}, err
	}
	if at.name, err = freeThere(c, at.dir, f.file.name); err != nil {
		return spot{}, err
	}
	papers, err := f.papers(at.name)
	if err != nil {
		return spot{}, err
	}
	for _, p := range papers {
		if err := upload(c, path.Join(at.dir, p.name), p.raw); err != nil {
			return at, err
		}
	}
	if o.setup.Complete.By == byMarker {
		marker := found{name: f.file.name, done: was.done}.marker(o.setup)
		if err := c.Remove(path.Join(o.dir, marker)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return at, err
		}
	}
	return at, c.Rename(from, path.Join(at.dir, at.name)) // never over another
}

// freeThere is a name that is free on the server.
func freeThere(c *sftp.Client, dir, name string) (string, error) {
	free := name
	for n := 2; n < 1000; n++ {
		_, err := c.Lstat(path.Join(dir, free))
		if errors.Is(err, os.ErrNotExist) {
			return free, nil
		}
		if err != nil {
			return "", err
		}
		free = insert(name, fmt.Sprint(n))
	}
	return "", fmt.Errorf("%s has a thousand files of the name %s; take some away", dir, name)
}
