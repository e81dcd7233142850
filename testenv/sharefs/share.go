//go:build linux && (amd64 || arm64)

package sharefs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Troubles are what a share does, each so often of a hundred times that it could.
type Troubles struct {
	// Late: a new name is listed late; Ghosts: one that is gone is listed for a while.
	Late, Ghosts int
	// Stale: the size and time of a file that has changed stay the old ones for a while; Empty: a new file is empty at first.
	Stale, Empty int
	// Refused: a rename, a removal or a new file is refused, because somebody holds it; Lied: a rename is done, and told as failed.
	Refused, Lied int
	// Twice: what was renamed bears both names for a while.
	Twice int
	// Broken: a read fails; Unlisted: a folder cannot be listed; Unseen: a file cannot be looked at.
	Broken, Unlisted, Unseen int
	// Lag is for how many ticks, at most, what is old is shown.
	Lag int
	// NoLinks: it has no hard links, as most have none.
	NoLinks bool
}

// Share is a folder on a server, as one client of it sees it. The server's side is an ordinary folder, in which a WMS writes.
type Share struct {
	// Dir is the server's side, Mountpoint the client's.
	Dir, Mountpoint string
	// Ahead is how far the server's clock is ahead.
	Ahead time.Duration
	// Decomposed: names are listed as some systems write them, with an accent behind its letter.
	Decomposed bool

	server *fuse.Server

	mu       sync.Mutex
	r        *rand.Rand
	troubles Troubles
	gone     bool
	tick     int
	listed   map[string]map[string]listing // by folder and name
	shown    map[uint64]attributes         // by inode
	at       map[uint64]string             // where an inode was found last
	later    []second
	done     map[string]int // how often, by trouble
}

// listing is a name as the client lists it.
type listing struct {
	mode  uint32
	ino   uint64
	until int // the tick to which what is shown is old
	gone  bool
	seen  bool
}

// attributes are size and time of a file as they were, and as they are shown until a tick.
type attributes struct {
	size, shownSize int64
	mod, shownMod   syscall.Timespec
	until           int
}

// second is a name that a renamed file bears for a while besides its new one.
type second struct {
	path string
	ino  uint64
	at   int
}

// New makes a share in a new folder within dir, and mounts it. It behaves until it is told otherwise.
func New(dir string, seed uint64) (*Share, error) {
	s := &Share{Dir: filepath.Join(dir, "server"), Mountpoint: filepath.Join(dir, "share"), r: rand.New(rand.NewPCG(seed, 9)), listed: map[string]map[string]listing{},
		shown: map[uint64]attributes{}, at: map[uint64]string{}, done: map[string]int{}}
	for _, folder := range []string{s.Dir, s.Mountpoint} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
	}
	var st syscall.Stat_t
	if err := syscall.Stat(s.Dir, &st); err != nil {
		return nil, err
	}
	s.at[st.Ino] = s.Dir
	return s, s.Mount()
}

// Mount shows the share at its mount point, again where it was unmounted.
func (s *Share) Mount() error {
	ino := inode(s.Dir)
	zero := time.Duration(0)
	var err error
	s.server, err = fs.Mount(s.Mountpoint, &node{share: s, ino: ino}, &fs.Options{AttrTimeout: &zero, EntryTimeout: &zero, RootStableAttr: &fs.StableAttr{Mode: syscall.S_IFDIR, Ino: ino},
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "sharefs", Name: "sharefs"}})
	if err != nil {
		return fmt.Errorf("mount %s: %w", s.Mountpoint, err)
	}
	return nil
}

// Unmount ends the use of the share. Whoever used it must be gone.
func (s *Share) Unmount() error {
	var err error
	for range 100 {
		if err = s.server.Unmount(); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // the kernel closes files in its own time
	}
	// So that nobody hangs on it for ever.
	return fmt.Errorf("unmount %s: %w", s.Mountpoint, syscall.Unmount(s.Mountpoint, syscall.MNT_DETACH))
}

// Trouble sets what the share does from now on.
func (s *Share) Trouble(t Troubles) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles = t
}

// Away takes the line to the server away, or gives it back.
func (s *Share) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = away
}

// Tick lets time pass: what is old is shown for so many of them.
func (s *Share) Tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick++
	kept := s.later[:0]
	for _, l := range s.later {
		if l.at > s.tick {
			kept = append(kept, l)
			continue
		}
		if inode(l.path) == l.ino { // else somebody has the name by now
			_ = os.Remove(l.path)
		}
	}
	s.later = kept
}

// Done says how often the share did each of its troubles.
func (s *Share) Done() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.done))
	for k, v := range s.done {
		out[k] = v
	}
	return out
}

// happens throws the dice for a trouble. The lock is held.
func (s *Share) happens(name string, percent int) bool {
	if percent == 0 || s.r.IntN(100) >= percent {
		return false
	}
	s.done[name]++
	return true
}

// until is when something that lags now is seen.
func (s *Share) until() int { return s.tick + 1 + s.r.IntN(max(s.troubles.Lag, 1)) }

// refuse is what a server says of a file that somebody holds, 0 mostly.
func (s *Share) refuse() syscall.Errno {
	if s.gone {
		return syscall.ENOTCONN
	}
	if s.happens("refused", s.troubles.Refused) {
		return []syscall.Errno{syscall.EBUSY, syscall.EACCES, syscall.ESTALE}[s.r.IntN(3)]
	}
	return 0
}

func inode(path string) uint64 {
	var st syscall.Stat_t
	if syscall.Lstat(path, &st) != nil {
		return 0
	}
	return st.Ino
}
