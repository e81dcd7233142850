package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// syncs is how often a synced write is tried, slowSync what the middle one may take.
	syncs, slowSync = 15, 50 * time.Millisecond
	// spare is what should be left beside the journal's limit.
	spare = 1 << 30
)

// folder is data_dir, or its nearest parent that is there.
func (p *patient) folder() string {
	dir := p.config.DataDir
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func lookDataDir(_ context.Context, p *patient, e examination) {
	dir := p.config.DataDir
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err) && p.BeforeInstall:
		p.say(e, Fine, dir+" is not there yet and is made at installation.", "")
	case os.IsNotExist(err):
		p.ill(e, "`dockline-agent init` makes it; if it was there before, its disk may not be mounted.", "The data folder %s is not there.", dir)
	case err != nil:
		p.ill(e, "Give the agent's own user the right to read it.", "The data folder: %s.", err)
	case !info.IsDir():
		p.ill(e, "Move the file away, or name another folder with data_dir.", "%s is a file, and data_dir must be a folder.", dir)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		p.ill(e, "Take the right from others: chmod go-w "+dir, "Others may write into the data folder %s (mode %04o): keys and journal are there.", dir, info.Mode().Perm())
	default:
		if remote := remoteDisk(dir); remote != "" {
			p.ill(e, "Put data_dir on a local disk: locks and synced writes are not to be relied on over a network.", "%s is on a network share (%s).", dir, remote)
		}
	}
}

func lookDiskSpace(_ context.Context, p *patient, e examination) {
	free, err := diskFree(p.folder())
	if err != nil {
		p.ill(e, "See that the disk of data_dir is mounted and healthy.", "The disk does not say how much is free: %s.", err)
		return
	}
	limit := uint64(p.config.Journal.Limit)
	used := folderBytes(p.config.Path("journal"))
	switch {
	case free < diskNeeded:
		p.ill(e, "Free some space.", "Only %d MB are free on the disk of %s.", free>>20, p.config.DataDir)
	case free+used < limit:
		p.ill(e, "Free some space, or lower journal.limit to what the disk can give: it says how long an outage may last.", "journal.limit is %d MB, but the disk has room for %d MB only.", limit>>20, (free+used)>>20)
	case free+used < limit+spare:
		p.say(e, Hint, fmt.Sprintf("%d MB are free, of which the journal may take %d.", free>>20, limit>>20), "Leave a little more, for logs and for the site's other programs.")
	default:
		p.say(e, Fine, fmt.Sprintf("%d MB are free, of which the journal may take %d.", free>>20, limit>>20), "")
	}
}

// diskNeeded is less than what an agent needs to start.
const diskNeeded = 64 << 20

func folderBytes(dir string) (bytes uint64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			bytes += uint64(info.Size())
		}
	}
	return bytes
}

func lookDiskSync(_ context.Context, p *patient, e examination) {
	took, err := syncTime(p.folder())
	switch {
	case err != nil:
		p.ill(e, "Give the agent's own user the right to write there, and see that the disk takes writes.", "Nothing can be written in %s: %s.", p.folder(), err)
	case took > slowSync:
		p.ill(e, "A scanner waits for such a write. See whether a virus scanner looks at data_dir, whether the disk is failing, or put data_dir on a faster one.", "A synced write takes %s.", took.Round(time.Millisecond))
	default:
		p.say(e, Fine, fmt.Sprintf("A synced write takes %s.", took.Round(10*time.Microsecond)), "")
	}
}

// syncTime is what the middle one of some synced writes takes.
func syncTime(dir string) (time.Duration, error) {
	file, err := os.CreateTemp(dir, "doctor-*.tmp")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	var all []time.Duration
	block := make([]byte, 4096)
	for range syncs {
		began := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, errors.Join(err, file.Close())
		}
		if err := file.Sync(); err != nil {
			return 0, errors.Join(err, file.Close())
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], file.Close()
}

// lookInbox opens the inbox as it lies there. The agent sets a damaged one aside, and the centre sends all that is open again.
func lookInbox(_ context.Context, p *patient, e examination) {
	path := p.config.Path("inbox.db")
	if _, err := os.Stat(path); os.IsNotExist(err) || p.running != nil {
		return // there is none yet, or the running agent has opened it
	}
	err := checkBolt(path)
	if err != nil {
		p.ill(e, "Start the agent: it sets the file aside, and the centre sends again all that is open. Look at the disk.", "%s is damaged: %s.", path, err)
	}
}

// checkBolt reads a bbolt file whole. What damage does to its reader is an error.
func checkBolt(path string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	})
}
