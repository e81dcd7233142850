// Package configfile reads Dockline's YAML files: strictly, with every fault at once, each with its line and key.
package configfile

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// Fault is one thing wrong with a file. Line counts from 1; 0 is unknown.
type Fault struct {
	File string
	Line int
	// Key is the path of keys: "plugins[0].path".
	Key  string
	Text string
	// Unknown: there is no such key, and what is right about the file can be read all the same.
	Unknown bool
}

func (f Fault) String() string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Key != "" {
		where += ": " + f.Key
	}
	return where + ": " + f.Text
}

// Faults is every fault of a file, in the order of its lines; as an error it prints one a line.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Err is nil where there is no fault.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// File is a decoded file that can still say where a key stands.
type File struct {
	Name string
	tree *ast.File

	once   sync.Once
	places map[string]place
}

// Parse reads YAML without decoding it, only to say where keys stand. Broken syntax is a Faults with its line.
func Parse(name string, text []byte) (*File, error) {
	if err := shallow(name, text); err != nil {
		return nil, err
	}
	tree, err := parse(text)
	if err != nil {
		return nil, Faults{fromYAML(name, text, err)}
	}
	if err := bounded(name, text, tree); err != nil {
		return nil, err
	}
	return &File{Name: name, tree: tree}, nil
}

// Read decodes the file at path into out, over the defaults that out already holds.
func Read(path string, out any) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, text, out)
}

// Fault says what is wrong with the value at key ("mqtt.url", "plugins[1].path"). A key that is not in the file, because its default
// is at fault, gets the line of the nearest key above it.
func (f *File) Fault(key, format string, args ...any) Fault {
	return Fault{File: f.Name, Line: f.Line(key), Key: key, Text: fmt.Sprintf(format, args...)}
}
