package wmsfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// seconds are the second looks at what was put away. A share shows half of a file, or none of it, long enough to be taken for the whole; and a WMS that paused goes on writing into a
// file that has moved. What has become more since then is given back, and read again: what was told of it is known by its ids.
type seconds struct {
	path string
	in   store
	// s has the folders and how files are complete as they are configured, of the store.
	s   *setup
	due []second
	// litter are results that were written of files that did not come there, and until when the file's name may still be shown.
	litter map[spot]time.Time
	dirty  bool
}

// second is a file that was put away and is looked at again.
type second struct {
	Dir  string    `json:"dir"`
	Name string    `json:"name"`
	Hash string    `json:"sha256"`
	Size int64     `json:"bytes"`
	Mod  time.Time `json:"modified"`
	// Looks counts those that were taken, Next is when it is looked at again.
	Looks int       `json:"looks"`
	Next  time.Time `json:"next"`
	// Back says that it was being given back, or may not have come: where it is not there, its result goes too.
	Back bool `json:"back,omitempty"`
}

// lookAfter is when a file is looked at again, after it was put away and then after each look.
var lookAfter = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// maxSeconds bounds how many are waited for at once; the oldest are let go.
const maxSeconds = 5000

// secondsFile is how they are kept over a restart.
type secondsFile struct {
	Due    []second             `json:"due"`
	Litter map[string]time.Time `json:"litter,omitempty"`
}

// openSeconds reads what was to be looked at. What cannot be read is done without: no promise rests on it.
func openSeconds(dir string, in store, s *setup) *seconds {
	out := &seconds{path: filepath.Join(dir, "lately.json"), in: in, s: s, litter: map[spot]time.Time{}}
	raw, err := os.ReadFile(out.path)
	var held secondsFile
	if err == nil && json.Unmarshal(raw, &held) == nil {
		out.due = held.Due
		for path, until := range held.Litter {
			at := strings.LastIndexAny(path, `/\`) // of whichever system
			out.litter[spot{path[:max(at, 1)], path[at+1:]}] = until
		}
	}
	return out
}

func (l *seconds) save() error {
	if !l.dirty {
		return nil
	}
	held := secondsFile{Due: l.due, Litter: map[string]time.Time{}}
	for at, until := range l.litter {
		held.Litter[l.in.join(at.dir, at.name)] = until
	}
	raw, err := json.Marshal(held)
	if err != nil {
		return fmt.Errorf("noting what was put away lately: %w", err)
	}
	if err := writeWhole(l.path, raw); err != nil {
		return fmt.Errorf("noting what was put away lately: %w", err)
	}
	l.dirty = false
	return nil
}

// add has a file looked at again; back says that it may not have come there, and that its result is to go then.
func (l *seconds) add(at spot, f finished, back bool, now time.Time) {
	l.due = slices.DeleteFunc(l.due, func(d second) bool { return d.Dir == at.dir && d.Name == at.name })
	l.due = append(l.due, second{Dir: at.dir, Name: at.name, Hash: f.entry.Hash, Size: f.file.size, Mod: f.file.mod, Next: now.Add(lookAfter[0]), Back: back})
	l.due = l.due[max(0, len(l.due)-maxSeconds):]
	l.dirty = true
}

// awaits says that it is known of a place that a file may have come there.
func (l *seconds) awaits(at spot) bool {
	return slices.ContainsFunc(l.due, func(d second) bool { return d.Dir == at.dir && d.Name == at.name && d.Back && d.Looks < len(lookAfter) })
}

// leave notes a result that may lie there without its file.
func (l *seconds) leave(at spot, now time.Time) {
	if at != (spot{}) {
		l.litter[at], l.dirty = now.Add(time.Minute), true
	}
}

// look takes the looks that are due, and says which files it gave back. An error is of our own disk.
func (l *seconds) look(now time.Time) (back []string, err error) {
	l.due = slices.DeleteFunc(l.due, func(d second) bool { return d.Looks >= len(lookAfter) })
	for i := range l.due {
		d := &l.due[i]
		if now.Before(d.Next) {
			continue
		}
		l.dirty = true
		grown, err := l.grown(d)
		given := false
		if grown && err == nil {
			d.Back = true
			if err := l.save(); err != nil { // so that another run tidies up behind it
				return back, err
			}
			if err = l.giveBack(d); err == nil {
				given, back = true, append(back, d.Name)
			}
		}
		l.dirty = true
		switch {
		case given, errors.Is(err, os.ErrNotExist):
			if d.Back {
				l.leave(spot{d.Dir, d.Name}, now) // also where it was given back, and told as refused
			}
			d.Looks = len(lookAfter)
		case err == nil:
			if d.Looks++; d.Looks < len(lookAfter) {
				d.Next = now.Add(lookAfter[d.Looks])
			}
		default: // the share is away, or somebody holds it
			d.Next = now.Add(lookAfter[0])
		}
	}
	return back, l.save()
}

// tidy takes away the results of files that did not come.
func (l *seconds) tidy(now time.Time) {
	maps.DeleteFunc(l.litter, func(at spot, until time.Time) bool {
		_, err := l.in.stat(l.in.join(at.dir, at.name))
		done := err == nil && now.After(until) || errors.Is(err, os.ErrNotExist) && undescribe(l.in, at, nil) == nil
		l.dirty = l.dirty || done
		return done
	})
}

// grown says that a file holds something else than what was read of it. In the error folder, where people correct files, it must be what was read and more.
func (l *seconds) grown(d *second) (bool, error) {
	path := l.in.join(d.Dir, d.Name)
	info, err := l.in.stat(path)
	if err != nil || info.Size() == d.Size && info.ModTime().Equal(d.Mod) {
		return false, err
	}
	in, err := l.in.open(path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(in, d.Size))
	if err != nil {
		return false, err
	}
	same := n == d.Size && hex.EncodeToString(sum.Sum(nil)) == d.Hash
	if more := info.Size() > d.Size; d.Dir == l.s.Errors {
		return same && more, nil
	} else if same && !more {
		d.Mod = info.ModTime()
		return false, nil
	}
	return true, nil
}

// giveBack puts a file into the outbound folder again, under a name that no WMS gives.
func (l *seconds) giveBack(d *second) error {
	name, err := besideName(l.in, l.s.Outbound, d.Name)
	if err != nil {
		return err
	}
	to := l.in.join(l.s.Outbound, name)
	if l.s.Complete.By == byMarker {
		if err := l.in.touch(to + l.s.Complete.Marker); err != nil {
			return err
		}
	}
	return l.in.rename(l.in.join(d.Dir, d.Name), to)
}
