//go:build linux && (amd64 || arm64)

package sharefs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/text/unicode/norm"
)

// resolve finds a name in a folder of the server, which minds neither case nor how an accent is written.
func resolve(folder, name string) string {
	exact := filepath.Join(folder, name)
	if _, err := os.Lstat(exact); err == nil {
		return exact
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return exact
	}
	for _, e := range entries {
		if strings.EqualFold(norm.NFC.String(e.Name()), norm.NFC.String(name)) {
			return filepath.Join(folder, e.Name())
		}
	}
	return filepath.Join(folder, norm.NFC.String(name))
}

// list is what a client sees of a folder.
func (s *Share) list(folder string) ([]fuse.DirEntry, syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, syscall.ENOTCONN
	}
	if s.happens("unlisted", s.troubles.Unlisted) {
		return nil, []syscall.Errno{syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT}[s.r.IntN(3)]
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, syscall.ENOENT
	}
	known := s.listed[folder]
	if known == nil {
		known = map[string]listing{}
		s.listed[folder] = known
	}
	there := map[string]bool{}
	for _, e := range entries { // sorted: the dice fall the same way each time
		there[e.Name()] = true
		var st syscall.Stat_t
		if syscall.Lstat(filepath.Join(folder, e.Name()), &st) != nil {
			continue
		}
		l, ok := known[e.Name()]
		if !ok && !e.IsDir() && s.happens("late", s.troubles.Late) {
			l.until = s.until()
		}
		l.mode, l.ino, l.gone = st.Mode&syscall.S_IFMT, st.Ino, false
		known[e.Name()] = l
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []fuse.DirEntry
	for _, name := range names {
		l := known[name]
		if !there[name] {
			if !l.gone {
				if l.gone, l.until = true, 0; l.seen && s.happens("ghosts", s.troubles.Ghosts) {
					l.until = s.until()
				}
			}
			if l.until <= s.tick {
				delete(known, name)
				continue
			}
		} else if l.until > s.tick {
			known[name] = l
			continue
		}
		l.seen = true
		known[name] = l
		if s.Decomposed {
			name = norm.NFD.String(name)
		}
		out = append(out, fuse.DirEntry{Name: name, Mode: l.mode, Ino: l.ino})
	}
	return out, 0
}

// look tells size and time of a file as the client sees them.
func (s *Share) look(path string, out *fuse.Attr) syscall.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return syscall.ENOTCONN
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return err.(syscall.Errno)
	}
	if path != s.Dir && st.Mode&syscall.S_IFMT == syscall.S_IFREG && s.happens("unseen", s.troubles.Unseen) {
		return syscall.EIO
	}
	s.at[st.Ino] = path
	if st.Mode&syscall.S_IFMT == syscall.S_IFREG {
		s.shade(&st)
	}
	out.FromStat(&st)
	out.Mtime += uint64(s.Ahead.Seconds())
	return 0
}

// shade puts what a file was like in place of what it is like.
func (s *Share) shade(st *syscall.Stat_t) {
	a, known := s.shown[st.Ino]
	switch {
	case !known:
		if st.Size > 0 && s.happens("empty", s.troubles.Empty) {
			a.until, a.shownMod = s.until(), st.Mtim
		}
	case a.until <= s.tick && (a.size != st.Size || a.mod != st.Mtim):
		a.shownSize, a.shownMod = a.size, a.mod
		if s.happens("stale", s.troubles.Stale) {
			a.until = s.until()
		}
	}
	a.size, a.mod = st.Size, st.Mtim
	s.shown[st.Ino] = a
	if a.until > s.tick {
		st.Size, st.Mtim = a.shownSize, a.shownMod
	}
}

// fresh forgets what was shown of a file: its own client has changed it.
func (s *Share) fresh(ino uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st syscall.Stat_t
	if path, ok := s.at[ino]; ok && syscall.Lstat(path, &st) == nil {
		s.shown[ino] = attributes{size: st.Size, mod: st.Mtim, shownSize: st.Size, shownMod: st.Mtim}
	}
}
