package plugins

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// maxFaults ends the search for more in a config that is wrong throughout.
const maxFaults = 50

// Decode reads a config section strictly into a struct with yaml tags that holds the defaults: an unknown or doubled key and a
// value of the wrong type are faults with their path and line. It returns all of them, and fills in what is right.
func Decode(config []byte, into any) []*docklinev1.ConfigFault {
	file, err := parser.ParseBytes(config, 0)
	if err != nil {
		return []*docklinev1.ConfigFault{faultOf(err, "")}
	}
	var faults []*docklinev1.ConfigFault
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		for len(faults) < maxFaults {
			err := yaml.NodeToValue(doc.Body, into, yaml.Strict())
			if err == nil {
				break
			}
			// The decoder stops at the first fault: note it, take its entry out, and look for the next one.
			path, removed := "", false
			var at yaml.Error
			if errors.As(err, &at) && at.GetToken() != nil {
				path, removed = remove(doc.Body, at.GetToken().Position.Line, at.GetToken().Position.Column)
			}
			faults = append(faults, faultOf(err, path))
			if !removed {
				break
			}
		}
	}
	return faults
}

// Fault is a fault found by looking at what Decode has read. Its line is that of the path in config, or of the nearest parent
// that is there.
func Fault(config []byte, path, format string, args ...any) *docklinev1.ConfigFault {
	return &docklinev1.ConfigFault{Path: path, Line: line(config, path), Text: fmt.Sprintf(format, args...)}
}

func faultOf(err error, path string) *docklinev1.ConfigFault {
	fault := &docklinev1.ConfigFault{Path: path, Text: err.Error()}
	var at yaml.Error
	if errors.As(err, &at) {
		fault.Text = at.GetMessage()
		if t := at.GetToken(); t != nil {
			fault.Line = uint32(t.Position.Line)
		}
	}
	return fault
}

// remove takes the innermost entry whose key or value stands at a position out of a tree, and says what its path was.
func remove(node ast.Node, line, column int) (path string, removed bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for i, value := range n.Values {
			if path, removed = remove(value.Value, line, column); removed {
				return path, true
			}
			if stands(value.Key, line, column) || stands(value.Value, line, column) {
				n.Values = append(n.Values[:i:i], n.Values[i+1:]...)
				return trim(value.Value.GetPath()), true
			}
		}
	case *ast.MappingValueNode:
		return remove(n.Value, line, column)
	case *ast.SequenceNode:
		for i, value := range n.Values {
			if path, removed = remove(value, line, column); removed {
				return path, true
			}
			if stands(value, line, column) {
				n.Values = append(n.Values[:i:i], n.Values[i+1:]...)
				return trim(value.GetPath()), true
			}
		}
	case *ast.AnchorNode:
		return remove(n.Value, line, column)
	case *ast.TagNode:
		return remove(n.Value, line, column)
	}
	return "", false
}

func stands(node ast.Node, line, column int) bool {
	if node == nil || node.GetToken() == nil {
		return false
	}
	p := node.GetToken().Position
	return p.Line == line && p.Column == column
}

func trim(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, "$"), ".") }

// line finds where a path stands, or else its nearest parent; 0 where nothing does.
func line(config []byte, path string) uint32 {
	file, err := parser.ParseBytes(config, 0)
	if err != nil {
		return 0
	}
	for path != "" {
		if p, err := yaml.PathString("$." + path); err == nil {
			if node, err := p.FilterFile(file); err == nil && node != nil && node.GetToken() != nil {
				return uint32(start(node))
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// start is the line of a node's first key: a mapping's own token is the colon behind it, on the same line.
func start(node ast.Node) int {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken().Position.Line
	}
	return node.GetToken().Position.Line
}
