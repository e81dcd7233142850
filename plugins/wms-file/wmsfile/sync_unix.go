//go:build !windows

package wmsfile

import (
	"errors"
	"os"
	"syscall"
)

// otherVolume is what a rename says that would lead to another file system.
const otherVolume = syscall.EXDEV

// syncFolder makes a rename survive a power loss. File servers that cannot do so for a folder are left to their own care.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil && !errors.Is(err, os.ErrInvalid) {
		var path *os.PathError
		if !errors.As(err, &path) {
			return errors.Join(err, d.Close())
		}
	}
	return d.Close()
}
