//go:build linux && (amd64 || arm64)

package lossyfs

import (
	"errors"
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

// block is what survives a cut or not: the unit in which disks and file systems write.
const block = 4096

// Disk is a folder that is mounted, cut, and mounted again. What it holds lies in an ordinary folder as it would look to a reader now; in
// memory is how to take back what was not synced.
type Disk struct {
	// Dir holds the content; Mountpoint is where it is used.
	Dir, Mountpoint string
	// IgnoreSync makes the disk lie: it says that it has synced, and has not. So a test can show that it would notice.
	IgnoreSync bool

	grave  string // of names that were removed and may come back
	server *fuse.Server

	mu     sync.Mutex
	files  map[uint64]*unsynced // by inode
	names  []func() error       // how to take back each change of a name since the folder was synced, in their order
	writes int                  // until the power goes; 0: it stays
	off    chan struct{}        // closed when it has gone
}

// unsynced is what a file has taken since its last sync.
type unsynced struct {
	file *os.File
	size int64 // at the sync
	// before holds, by block, what was there before each write since.
	before map[int64][][]byte
}

// New makes a disk in a new folder within dir.
func New(dir string) (*Disk, error) {
	d := &Disk{Dir: filepath.Join(dir, "disk"), Mountpoint: filepath.Join(dir, "mount"), grave: filepath.Join(dir, "grave"), files: map[uint64]*unsynced{}}
	for _, folder := range []string{d.Dir, d.Mountpoint, d.grave} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Mount turns the power on; it goes again after so many writes (0: it stays).
func (d *Disk) Mount(writes int) error {
	d.mu.Lock()
	d.writes, d.off = writes, make(chan struct{})
	d.mu.Unlock()
	var st syscall.Stat_t
	if err := syscall.Stat(d.Dir, &st); err != nil {
		return err
	}
	root := &fs.LoopbackRoot{Path: d.Dir, Dev: uint64(st.Dev)}
	rootNode := &node{LoopbackNode: &fs.LoopbackNode{RootData: root}, disk: d}
	root.RootNode = rootNode
	zero := time.Duration(0)
	server, err := fs.Mount(d.Mountpoint, rootNode, &fs.Options{AttrTimeout: &zero, EntryTimeout: &zero,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "lossyfs", Name: "lossyfs"}})
	if err != nil {
		return fmt.Errorf("mount %s: %w", d.Mountpoint, err)
	}
	d.server = server
	return nil
}

// Off is closed when the power has gone. From then on nothing is written or synced.
func (d *Disk) Off() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// Unmount ends the use of the folder. Whoever used it must be gone.
func (d *Disk) Unmount() error {
	var err error
	for range 100 {
		if err = d.server.Unmount(); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // the kernel closes the files of a dead process in its own time
	}
	return fmt.Errorf("unmount %s: %w", d.Mountpoint, err)
}

// Lose keeps of what was not synced what r says: of each block one of the states that it had, of a longer file its old end or the new one,
// and of the names a first part of their changes, since file systems keep those in order.
func (d *Disk) Lose(r *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for ino, f := range d.files {
		errs = append(errs, f.lose(r))
		delete(d.files, ino)
	}
	keep := r.IntN(len(d.names) + 1)
	for i := len(d.names) - 1; i >= keep; i-- {
		errs = append(errs, d.names[i]())
	}
	d.names = nil
	return errors.Join(errs...)
}

func (f *unsynced) lose(r *rand.Rand) error {
	defer f.file.Close()
	for at, states := range f.before {
		if i := r.IntN(len(states) + 1); i < len(states) {
			if _, err := f.file.WriteAt(states[i], at*block); err != nil {
				return err
			}
		}
	}
	if info, err := f.file.Stat(); err != nil {
		return err
	} else if info.Size() > f.size && r.IntN(2) == 0 {
		return f.file.Truncate(f.size)
	}
	return nil
}

// touch remembers what the next write to a file will cover. It is false when the power is off.
func (d *Disk) touch(path string, ino uint64, at, size int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOff() {
		return false
	}
	f := d.files[ino]
	if f == nil {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return false
		}
		info, err := file.Stat()
		if err != nil {
			return false
		}
		f = &unsynced{file: file, size: info.Size(), before: map[int64][][]byte{}}
		d.files[ino] = f
	}
	for b := at / block; b*block < at+size; b++ {
		state := make([]byte, block)
		_, _ = f.file.ReadAt(state, b*block) // beyond the end are zeros
		f.before[b] = append(f.before[b], state)
	}
	return true
}

// wrote counts a write.
func (d *Disk) wrote() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writes > 0 {
		if d.writes--; d.writes == 0 {
			close(d.off)
		}
	}
}

func (d *Disk) isOff() bool {
	select {
	case <-d.off:
		return true
	default:
		return false
	}
}

// synced makes what a file has taken durable. It is false when the power is off.
func (d *Disk) synced(ino uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOff() {
		return false
	}
	if f := d.files[ino]; f != nil && !d.IgnoreSync {
		_ = f.file.Close()
		delete(d.files, ino)
	}
	return true
}

// renamed does a change of a name and remembers how to take it back.
func (d *Disk) renamed(do func() error, back func() error) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOff() {
		return syscall.EIO
	}
	if err := do(); err != nil {
		return fs.ToErrno(err)
	}
	d.names = append(d.names, back)
	return 0
}

// syncedNames makes all names durable.
func (d *Disk) syncedNames() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isOff() {
		return false
	}
	if !d.IgnoreSync {
		d.names = nil
	}
	return true
}
