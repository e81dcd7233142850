package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// LoadFolder reads a policy folder on disk. Links in it that lead out of it are refused: what is in force is what stands in the folder.
func LoadFolder(path string) (*Policy, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("policy folder: %w", err)
	}
	defer root.Close()
	return Load(root.FS())
}

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
