package wmsfile

import (
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/pkg/sftp"
)

// store is where the WMS's files lie: on this machine, or on a server. A name that nothing has is os.ErrNotExist.
type store interface {
	join(dir, name string) string
	stat(path string) (os.FileInfo, error)
	// names are those in a folder.
	names(dir string) ([]string, error)
	open(path string) (io.ReadCloser, error)
	rename(from, to string) error
	// gone takes away what may be there.
	gone(path string) error
	// touch makes an empty file.
	touch(path string) error
}

// localStore is this machine, with what it shows of others as its own.
type localStore struct{}

func (localStore) join(dir, name string) string            { return filepath.Join(dir, name) }
func (localStore) stat(path string) (os.FileInfo, error)   { return os.Stat(path) }
func (localStore) open(path string) (io.ReadCloser, error) { return os.Open(path) }
func (localStore) rename(from, to string) error            { return os.Rename(from, to) }
func (localStore) touch(path string) error                 { return writeSynced(path, nil) }

func (localStore) gone(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (localStore) names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Name()
	}
	return all, nil
}

// remoteStore is an SFTP server.
type remoteStore struct{ server *server }

func (remoteStore) join(dir, name string) string { return path.Join(dir, name) }

func (r remoteStore) stat(path string) (info os.FileInfo, err error) {
	err = r.server.do(func(c *sftp.Client) error {
		info, err = c.Stat(path)
		return err
	})
	return info, err
}

func (r remoteStore) names(dir string) (all []string, err error) {
	err = r.server.do(func(c *sftp.Client) error {
		entries, err := c.ReadDir(dir)
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return err
	})
	return all, err
}

func (r remoteStore) open(path string) (in io.ReadCloser, err error) {
	err = r.server.do(func(c *sftp.Client) error {
		f, err := c.Open(path)
		if err == nil {
			in = f
		}
		return err
	})
	return in, err
}

func (r remoteStore) rename(from, to string) error {
	return r.server.do(func(c *sftp.Client) error { return c.Rename(from, to) })
}

func (r remoteStore) gone(path string) error {
	return r.server.do(func(c *sftp.Client) error {
		if err := c.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (r remoteStore) touch(path string) error {
	return r.server.do(func(c *sftp.Client) error { return upload(c, path, nil) })
}
