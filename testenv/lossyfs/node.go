//go:build linux && (amd64 || arm64)

package lossyfs

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or folder of a disk; what it does not say itself goes to the ordinary folder behind it.
type node struct {
	*fs.LoopbackNode
	disk *Disk
}

// WrapChild makes each file and folder of the ordinary folder one of the disk.
func (n *node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: ops.(*fs.LoopbackNode), disk: n.disk}
}

func (n *node) path() string { return filepath.Join(n.disk.Dir, n.Path(n.Root())) }

func inode(path string) uint64 {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// Open opens a file for use.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return n.handle(h, n.path()), fuseFlags, 0
}

// Create makes a file; without a sync of its folder its name may be lost.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, h fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	path := filepath.Join(n.path(), name)
	_, err := os.Lstat(path)
	made := func() error {
		inode, h, fuseFlags, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out)
		if errno != 0 {
			return errno
		}
		return nil
	}
	back := func() error { return os.Remove(path) }
	if err == nil {
		back = func() error { return nil } // it was there
	}
	if errno := n.disk.renamed(made, back); errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, n.handle(h, path), fuseFlags, 0
}

func (n *node) handle(h fs.FileHandle, path string) fs.FileHandle {
	return &file{LoopbackFile: h.(*fs.LoopbackFile), disk: n.disk, path: path, ino: inode(path)}
}

// bury moves a file to where it can be brought back from.
func (n *node) bury(path string) (func() error, error) {
	grave, err := os.CreateTemp(n.disk.grave, "")
	if err != nil {
		return nil, err
	}
	_ = grave.Close()
	return func() error { return os.Rename(grave.Name(), path) }, os.Rename(path, grave.Name())
}

// Unlink removes a name.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	var unbury func() error
	return n.disk.renamed(func() (err error) {
		unbury, err = n.bury(filepath.Join(n.path(), name))
		return err
	}, func() error { return unbury() })
}

// Rename gives a file another name, perhaps one that another file has.
func (n *node) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	from, to := filepath.Join(n.path(), name), filepath.Join(newParent.(*node).path(), newName)
	unbury := func() error { return nil }
	return n.disk.renamed(func() error {
		if _, err := os.Lstat(to); err == nil {
			if unbury, err = n.bury(to); err != nil {
				return err
			}
		}
		return os.Rename(from, to)
	}, func() error {
		if err := os.Rename(to, from); err != nil {
			return err
		}
		return unbury()
	})
}

// OpendirHandle opens a folder.
func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &folder{dirStream: h.(dirStream), disk: n.disk}, fuseFlags, 0
}

// dirStream is all that the ordinary folder's stream can do.
type dirStream interface {
	fs.FileReaddirenter
	fs.FileReleasedirer
	fs.FileSeekdirer
}

// folder is an open folder.
type folder struct {
	dirStream
	disk *Disk
}

// Fsyncdir makes all changes of names durable.
func (f *folder) Fsyncdir(context.Context, uint32) syscall.Errno {
	if !f.disk.syncedNames() {
		return syscall.EIO
	}
	return 0
}

// Setattr changes a size, among other things.
func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	path := n.path()
	if _, ok := in.GetSize(); ok && !n.disk.touch(path, inode(path), 0, 0) {
		return syscall.EIO
	}
	if f, ok := h.(*file); ok {
		h = f.LoopbackFile
	}
	return n.LoopbackNode.Setattr(ctx, h, in, out)
}

// file is an open file.
type file struct {
	*fs.LoopbackFile
	disk *Disk
	path string
	ino  uint64
}

// PassthroughFd keeps the kernel from writing past us.
func (f *file) PassthroughFd() (int, bool) { return 0, false }

// Write remembers what was there.
func (f *file) Write(ctx context.Context, data []byte, at int64) (uint32, syscall.Errno) {
	if !f.disk.touch(f.path, f.ino, at, int64(len(data))) {
		return 0, syscall.EIO
	}
	n, errno := f.LoopbackFile.Write(ctx, data, at)
	f.disk.wrote()
	return n, errno
}

// Fsync makes what was written durable, as far as this disk is honest.
func (f *file) Fsync(context.Context, uint32) syscall.Errno {
	if !f.disk.synced(f.ino) {
		return syscall.EIO
	}
	return 0
}
