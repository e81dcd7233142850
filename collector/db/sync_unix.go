//go:build !windows

package db

import (
	"errors"
	"os"
)

// syncDir makes a rename within the folder durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
