// Package configfile reads Dockline's YAML files: strictly, with every fault at once, each with its line and key.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Fault is one thing wrong with a file. Line counts from 1; 0 is unknown.
type Fault struct {
	File string
	Line int
	// Key is the path of keys: "plugins[0].path".
	Key  string
	Text string
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
}

// Read decodes the file at path into out, over the defaults that out already holds.
func Read(path string, out any) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, text, out)
}

// Decode reads strict YAML into out: an unknown or doubled key, a wrong type or broken syntax is a Faults with its line.
func Decode(name string, text []byte, out any) (*File, error) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, Faults{fromYAML(name, text, err)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := decoder.Decode(out); err != nil && strings.TrimSpace(stripComments(text)) != "" {
		return nil, Faults{fromYAML(name, text, err)}
	}
	return &File{Name: name, tree: tree}, nil
}

// stripComments tells a file of comments only, which decodes to nothing, from one with content.
func stripComments(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func fromYAML(name string, text []byte, err error) Fault {
	fault := Fault{File: name, Text: err.Error()}
	var told yaml.Error
	if !errors.As(err, &told) {
		fault.Line = lineOfQuoted(text, err.Error())
		return fault
	}
	fault.Text = told.GetMessage()
	if token := told.GetToken(); token != nil {
		fault.Line = token.Position.Line
		var unknown *yaml.UnknownFieldError
		if errors.As(err, &unknown) {
			fault.Key, fault.Text = token.Value, "unknown key; look at the file that init writes for the keys there are"
		}
	}
	return fault
}

// lineOfQuoted finds the line that holds the value quoted in a message: durations and sizes are refused without a position.
func lineOfQuoted(text []byte, message string) int {
	parts := strings.Split(message, `"`)
	if len(parts) < 3 {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if _, value, found := strings.Cut(line, ":"); found && strings.Contains(value, parts[1]) {
			return n
		}
	}
	return 0
}

// Fault says what is wrong with the value at key ("mqtt.url", "plugins[1].path"). A key that is not in the file, because its default
// is at fault, gets the line of the nearest key above it.
func (f *File) Fault(key, format string, args ...any) Fault {
	return Fault{File: f.Name, Line: f.Line(key), Key: key, Text: fmt.Sprintf(format, args...)}
}

// Line is where a key stands, 0 where neither it nor a key above it is in the file.
func (f *File) Line(key string) int {
	for key != "" {
		path, err := yaml.PathString("$." + key)
		if err == nil {
			if node, err := path.FilterFile(f.tree); err == nil && node != nil {
				return keyLine(node)
			}
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return 0
		}
		key = key[:cut]
	}
	return 0
}

// keyLine is the line of a value; for a mapping that of its first key.
func keyLine(node ast.Node) int {
	if mapping, ok := node.(*ast.MappingNode); ok && len(mapping.Values) > 0 {
		return mapping.Values[0].Key.GetToken().Position.Line
	}
	return node.GetToken().Position.Line
}
