package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/configfile"
)

// ErrUnsteady is returned for a folder that somebody writes to while it is read: what was read is neither what was there nor what will be.
var ErrUnsteady = errors.New("its files change while they are read: wait until whoever writes to it is done, and try again")

const (
	// settle is how long a folder on disk must have stayed as it is: the files of a checkout or a copy follow each other faster.
	settle = 50 * time.Millisecond
	// readings is how often a folder that changes is read before it is given up.
	readings = 20
)

// LoadFolder reads a policy folder on disk. Links in it that lead out of it are refused: what is in force is what stands in the folder.
func LoadFolder(path string) (*Policy, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("policy folder: %w", err)
	}
	defer root.Close()
	p, err := load(root.FS(), settle)
	if errors.Is(err, ErrUnsteady) {
		return nil, fmt.Errorf("policy folder %s: %w", path, ErrUnsteady)
	}
	return p, err
}

// content is what a folder held when it was read.
type content struct {
	files  map[string][]byte
	faults configfile.Faults
}

func (c *content) same(as *content) bool {
	return as != nil && slices.Equal(c.faults, as.faults) && maps.EqualFunc(c.files, as.files, bytes.Equal)
}

// load takes what two readings in a row have found alike: a folder in the middle of an update is of two versions, and may well be free of faults.
func load(folder fs.FS, settle time.Duration) (*Policy, error) {
	var before *content
	for range readings {
		c, err := readFolder(folder)
		if err != nil {
			return nil, fmt.Errorf("policy folder: %w", err)
		}
		if c.same(before) {
			return c.compile()
		}
		before = c
		time.Sleep(settle)
	}
	return nil, fmt.Errorf("policy folder: %w", ErrUnsteady)
}

func (c *content) compile() (*Policy, error) {
	faults := c.faults
	p, err := compile(c.files)
	var more configfile.Faults
	if errors.As(err, &more) {
		faults = append(faults, more...)
	} else if err != nil {
		return nil, err
	}
	if err := faults.Err(); err != nil {
		return p, err
	}
	p.own = slices.Sorted(maps.Keys(c.files))
	return p, nil
}

// readFolder reads all files of a folder once. What cannot be read is a fault: a file that went away between the list and the reading too.
func readFolder(folder fs.FS) (*content, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, err
	}
	c := &content{files: make(map[string][]byte)}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".yml") {
			continue
		}
		if !slices.Contains(fileNames(), name) {
			c.faults = append(c.faults, configfile.Fault{File: name, Text: "not a file of a policy; those are " + strings.Join(fileNames(), ", ")})
			continue
		}
		text, err := readBounded(folder, name)
		if err != nil {
			c.faults = append(c.faults, configfile.Fault{File: name, Text: err.Error()})
			continue
		}
		c.files[name] = text
	}
	return c, nil
}

// Has says whether the folder that the policy was read from had a file of this name; what it did not have is as it ships.
func (p *Policy) Has(name string) bool { return slices.Contains(p.own, name) }

// largestFile is how many bytes a file of a policy may have: a mapping of a hundred thousand items has ten million.
const largestFile = 64 << 20

// readBounded reads a file that people wrote: not a device, a pipe or something without end.
func readBounded(folder fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(folder, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	if info.Size() > largestFile {
		return nil, fmt.Errorf("%d bytes; at most %d are read", info.Size(), largestFile)
	}
	return fs.ReadFile(folder, name)
}
