package service

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// LogFile is the agent's log in the folder of its logs, where the service manager keeps none.
const LogFile = "agent.log"

const (
	logLimit = 16 << 20 // bytes; twice as many are kept
	logLook  = time.Minute
)

// openLog opens the log for appending. A long one is set aside first, while nobody has it open: Windows lets no open file be renamed.
func openLog(folder string) (*os.File, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, LogFile)
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}

// boundLog copies a log of more than limit bytes beside and empties it, though it is open: who appends goes on at its new end. A line that is
// written in that moment may be in neither.
func boundLog(folder string, limit int64) error {
	path := filepath.Join(folder, LogFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() <= limit {
		return nil
	}
	if err != nil {
		return err
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(path + ".1")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}

// watchLog bounds the log until done is closed.
func watchLog(folder string, done <-chan struct{}) {
	tick := time.NewTicker(logLook)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if err := boundLog(folder, logLimit); err != nil {
				fmt.Fprintln(os.Stderr, "the log could not be cut:", err)
			}
		}
	}
}
