package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	temporarySuffix = ".tmp"
	damagedSuffix   = ".damaged"
	lockName        = "journal.lock"
)

var epochName = regexp.MustCompile(`^epoch-(\d{8,20})-([0-9a-f]{32})\.db$`)

// epochFile is what the name of an epoch file says.
type epochFile struct {
	path    string
	ordinal uint64
	id      string
}

func parseEpochFile(path string) (f epochFile, ok bool) {
	parts := epochName.FindStringSubmatch(filepath.Base(path))
	if parts == nil {
		return f, false
	}
	ordinal, err := strconv.ParseUint(parts[1], 10, 64)
	return epochFile{path: path, ordinal: ordinal, id: parts[2]}, err == nil
}

func epochPath(dir string, ordinal uint64, id string) string {
	return filepath.Join(dir, fmt.Sprintf("epoch-%08d-%s.db", ordinal, id))
}

// listEpochs returns the epoch files in dir by ordinal and the highest ordinal ever used there, files set aside included.
// What a crash left under a temporary name was never part of the journal, and is removed.
func listEpochs(dir string) (files []epochFile, highest uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if strings.HasSuffix(path, temporarySuffix) {
			if err := os.Remove(path); err != nil {
				return nil, 0, err
			}
			continue
		}
		// A second file set aside under one name carries a number behind it.
		path, _, aside := strings.Cut(path, damagedSuffix)
		file, ok := parseEpochFile(path)
		if !ok {
			continue
		}
		highest = max(highest, file.ordinal)
		if !aside {
			files = append(files, file)
		}
	}
	slices.SortFunc(files, func(a, b epochFile) int {
		return cmp.Or(cmp.Compare(a.ordinal, b.ordinal), strings.Compare(a.id, b.id))
	})
	return files, highest, nil
}

// moveAside renames a damaged file; it is kept for whoever wants to look at it.
func moveAside(path string) (string, error) {
	aside := path + damagedSuffix
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s%s-%d", path, damagedSuffix, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	return aside, syncDir(filepath.Dir(path))
}

// syncDir makes names in dir durable. Windows can't sync a folder, and its file systems journal names.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// isDiskFull tells a full disk from other failures to write.
func isDiskFull(err error) bool {
	const errorDiskFull, errorHandleDiskFull = syscall.Errno(112), syscall.Errno(39)
	if runtime.GOOS == "windows" && err != nil {
		// There the file grows before anything is written into it, and of that failure bbolt passes on the words only.
		return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull) || strings.Contains(err.Error(), errorDiskFull.Error())
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota)
}
