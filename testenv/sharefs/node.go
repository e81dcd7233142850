//go:build linux && (amd64 || arm64)

package sharefs

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or folder of a share.
type node struct {
	fs.Inode
	share *Share
	ino   uint64
}

// path is where the server has it.
func (n *node) path() string {
	n.share.mu.Lock()
	defer n.share.mu.Unlock()
	return n.share.at[n.ino]
}

func (n *node) child(name string) string { return resolve(n.path(), name) }

// answer makes the inode of a name that was looked up or made.
func (n *node) answer(ctx context.Context, path string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.share.look(path, &out.Attr); errno != 0 {
		return nil, errno
	}
	return n.NewInode(ctx, &node{share: n.share, ino: out.Ino}, fs.StableAttr{Mode: out.Mode & syscall.S_IFMT, Ino: out.Ino}), 0
}

// Lookup finds a name.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.answer(ctx, n.child(name), out)
}

// Getattr tells size and time.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.share.look(n.path(), &out.Attr)
}

// Setattr sets size or time; both are the client's own doing and are seen at once.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	path := n.path()
	if size, ok := in.GetSize(); ok {
		if err := os.Truncate(path, int64(size)); err != nil {
			return fs.ToErrno(err)
		}
	}
	if mod, ok := in.GetMTime(); ok {
		if err := os.Chtimes(path, time.Time{}, mod.Add(-n.share.Ahead)); err != nil {
			return fs.ToErrno(err)
		}
	}
	n.share.fresh(n.ino)
	return n.share.look(path, &out.Attr)
}

// Readdir lists a folder.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	list, errno := n.share.list(n.path())
	if errno != 0 {
		return nil, errno
	}
	return fs.NewListDirStream(list), 0
}

// Open opens a file.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.share.mu.Lock()
	gone, path := n.share.gone, n.share.at[n.ino]
	n.share.mu.Unlock()
	if gone {
		return nil, 0, syscall.ENOTCONN
	}
	fd, err := syscall.Open(path, int(flags)&^syscall.O_APPEND|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return n.handle(fd, n.ino), 0, 0
}

func (n *node) handle(fd int, ino uint64) fs.FileHandle {
	return &file{LoopbackFile: fs.NewLoopbackFile(fd).(*fs.LoopbackFile), share: n.share, ino: ino}
}

// Create makes a file.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	path := n.child(name)
	if errno := n.refuse(); errno != 0 {
		return nil, nil, 0, errno
	}
	fd, err := syscall.Open(path, int(flags)&^syscall.O_APPEND|syscall.O_CREAT|syscall.O_CLOEXEC, mode)
	if err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	ino := inode(path)
	made, errno := n.answer(ctx, path, out)
	if errno != 0 {
		_ = syscall.Close(fd)
		return nil, nil, 0, errno
	}
	return made, n.handle(fd, ino), 0, 0
}

func (n *node) refuse() syscall.Errno {
	n.share.mu.Lock()
	defer n.share.mu.Unlock()
	return n.share.refuse()
}

// Mkdir makes a folder.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	path := n.child(name)
	if errno := n.refuse(); errno != 0 {
		return nil, errno
	}
	if err := os.Mkdir(path, os.FileMode(mode)); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.answer(ctx, path, out)
}

// Unlink removes a name.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	if errno := n.refuse(); errno != 0 {
		return errno
	}
	return fs.ToErrno(os.Remove(n.child(name)))
}

// Link gives a file a second name.
func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.share.mu.Lock()
	none := n.share.troubles.NoLinks
	n.share.mu.Unlock()
	if none {
		return nil, syscall.EPERM
	}
	path := n.child(name)
	if err := os.Link(target.(*node).path(), path); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.answer(ctx, path, out)
}

// Rename gives a file another name: refused now and then, or done and told as failed, or done in two steps.
func (n *node) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	from, to := n.child(name), filepath.Join(newParent.(*node).path(), newName)
	s := n.share
	s.mu.Lock()
	defer s.mu.Unlock()
	if errno := s.refuse(); errno != 0 {
		return errno
	}
	ino := inode(from)
	err := os.Rename(from, to)
	if err != nil {
		return fs.ToErrno(err)
	}
	s.at[ino] = to
	if s.happens("twice", s.troubles.Twice) && os.Link(to, from) == nil {
		s.later = append(s.later, second{from, ino, s.until()})
	}
	if s.happens("lied", s.troubles.Lied) {
		return syscall.EIO
	}
	return 0
}

// file is an open file.
type file struct {
	*fs.LoopbackFile
	share *Share
	ino   uint64
}

// PassthroughFd keeps the kernel from reading past us.
func (f *file) PassthroughFd() (int, bool) { return 0, false }

// Read breaks off now and then.
func (f *file) Read(ctx context.Context, buf []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	f.share.mu.Lock()
	gone, broken := f.share.gone, f.share.happens("broken", f.share.troubles.Broken)
	which := f.share.r.IntN(2)
	f.share.mu.Unlock()
	switch {
	case gone:
		return nil, syscall.ENOTCONN
	case broken:
		return nil, []syscall.Errno{syscall.EIO, syscall.ESTALE}[which]
	}
	return f.LoopbackFile.Read(ctx, buf, at)
}

// Write is seen at once by the client that wrote.
func (f *file) Write(ctx context.Context, data []byte, at int64) (uint32, syscall.Errno) {
	f.share.mu.Lock()
	gone := f.share.gone
	f.share.mu.Unlock()
	if gone {
		return 0, syscall.ENOTCONN
	}
	n, errno := f.LoopbackFile.Write(ctx, data, at)
	f.share.fresh(f.ino)
	return n, errno
}

// Getattr is the folder's word, not that of the file behind it.
func (f *file) Getattr(_ context.Context, out *fuse.AttrOut) syscall.Errno {
	f.share.mu.Lock()
	path := f.share.at[f.ino]
	f.share.mu.Unlock()
	return f.share.look(path, &out.Attr)
}
