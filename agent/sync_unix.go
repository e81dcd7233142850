//go:build !windows

package agent

import (
	"errors"
	"os"
)

// syncFolder makes a rename within a folder durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
