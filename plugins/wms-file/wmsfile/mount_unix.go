//go:build !windows

package wmsfile

import (
	"path/filepath"
	"syscall"
)

// mountPoint is the outermost folder on the file system that a folder lies on.
func mountPoint(folder string) (string, error) {
	at, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", err
	}
	var own, above syscall.Stat_t
	if err := syscall.Stat(at, &own); err != nil {
		return "", err
	}
	for at != "/" {
		parent := filepath.Dir(at)
		if err := syscall.Stat(parent, &above); err != nil {
			return "", err
		}
		if above.Dev != own.Dev {
			return at, nil
		}
		at = parent
	}
	return at, nil
}
