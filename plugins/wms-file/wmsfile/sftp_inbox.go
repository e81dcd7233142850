package wmsfile

import (
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/pkg/sftp"
)

// remoteInbox is the inbound folder on the server.
type remoteInbox struct {
	server *server
	dir    string
}

func (r remoteInbox) write(name string, raw []byte) error {
	return r.server.do(func(c *sftp.Client) error { return upload(c, path.Join(r.dir, name), raw) })
}

func upload(c *sftp.Client, to string, raw []byte) error {
	f, err := c.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if synced := f.Sync(); err == nil && synced != nil && !errors.Is(synced, sftp.ErrSSHFxOpUnsupported) {
		err = synced
	}
	return errors.Join(err, f.Close())
}

func (r remoteInbox) rename(from, to string) error {
	return r.server.do(func(c *sftp.Client) error {
		if _, err := c.Lstat(path.Join(r.dir, from)); err != nil {
			return err
		}
		return c.PosixRename(path.Join(r.dir, from), path.Join(r.dir, to))
	})
}

func (r remoteInbox) check() error {
	return r.server.do(func(c *sftp.Client) error {
		info, err := c.Stat(r.dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file", r.dir)
		}
		return err
	})
}
