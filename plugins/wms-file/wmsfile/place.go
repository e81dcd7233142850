package wmsfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// inbox is the folder from which the WMS reads: on this machine or on a server.
type inbox interface {
	// write makes a file whole and durable under a name that no WMS takes.
	write(name string, raw []byte) error
	// rename gives it its own name at once; os.ErrNotExist where nothing has the first name: it was renamed before.
	rename(from, to string) error
	// check says why it cannot be written to, nil where it can.
	check() error
}

// localInbox is a folder of this machine, or one that its system shows as such.
type localInbox string

func (dir localInbox) write(name string, raw []byte) error {
	if err := writeSynced(filepath.Join(string(dir), name), raw); err != nil {
		return err
	}
	return syncFolder(string(dir)) // where nothing waits, it counts as given its name
}

func (dir localInbox) rename(from, to string) error {
	err := os.Rename(filepath.Join(string(dir), from), filepath.Join(string(dir), to))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return errors.Join(err, syncFolder(string(dir)))
}

func (dir localInbox) check() error { return isFolder(string(dir)) }

// deliverInto gives a waiting file its name. Where nothing waits, it was done before.
func deliverInto(in inbox, a applied) error {
	if err := in.check(); err != nil {
		return fmt.Errorf("the inbound folder is not there: %w", err)
	}
	if err := in.rename(waiting(a), a.File); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("giving the file its name: %w", err)
	}
	return nil
}

// waiting is the name under which a file for the WMS waits for its own, in the same folder: one that no WMS takes.
func waiting(a applied) string { return "." + safe(a.Key) + "-" + fmt.Sprint(a.Version) + ".tmp" }
