package configfile

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxFaults ends the search for more in a file that is wrong throughout.
const maxFaults = 50

// Decode reads strict YAML into out, over the defaults that out already holds: an unknown or doubled key, a wrong type and broken
// syntax are Faults with line and key, all at once. What is right is filled in all the same.
func Decode(name string, text []byte, out any) (*File, error) {
	file, err := Parse(name, text)
	if err != nil {
		return nil, err
	}
	var faults Faults
	for _, doc := range file.tree.Docs {
		if _, comments := doc.Body.(*ast.CommentGroupNode); doc.Body == nil || comments {
			continue
		}
		faults = append(faults, decode(name, text, doc.Body, out)...)
	}
	if len(faults) == 0 {
		return file, nil
	}
	return nil, faults
}

// decode fills out from one document. The decoder stops at the first fault: it is noted, its entry taken out, and the next one
// looked for.
func decode(name string, text []byte, body ast.Node, out any) (faults Faults) {
	for len(faults) < maxFaults {
		err := valueOf(body, out)
		if err == nil {
			break
		}
		fault, removed := fromYAML(name, text, err), false
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			fault.Key, removed = remove(body, at.GetToken().Position.Line, at.GetToken().Position.Column)
		} else if value := quoted(err.Error()); value != "" && fault.Line > 0 {
			if at := tokenOf(body, fault.Line, value); at != nil {
				fault.Key, removed = remove(body, at.Position.Line, at.Position.Column)
			}
		}
		faults = append(faults, fault)
		if !removed {
			break
		}
	}
	return faults
}

func fromYAML(name string, text []byte, err error) Fault {
	fault := Fault{File: name, Text: err.Error()}
	var told yaml.Error
	if !errors.As(err, &told) {
		fault.Line = lineOfQuoted(text, err.Error())
		return fault
	}
	fault.Text = told.GetMessage()
	if at := told.GetToken(); at != nil {
		fault.Line = at.Position.Line
	}
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		fault.Text, fault.Unknown = "unknown key; the commented example names those that there are", true
	}
	return fault
}

// lineOfQuoted finds the line that holds the value quoted in a message: durations and sizes are refused without a position.
func lineOfQuoted(text []byte, message string) int {
	quoted := quoted(message)
	if quoted == "" {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if _, value, found := strings.Cut(line, ":"); found && strings.Contains(value, quoted) {
			return n
		}
	}
	return 0
}

// quoted is the first text between quotation marks.
func quoted(message string) string {
	if parts := strings.Split(message, `"`); len(parts) >= 3 {
		return parts[1]
	}
	return ""
}

// tokenOf is the token of the value that is written so on a line, nil where there is none.
func tokenOf(node ast.Node, line int, value string) (found *token.Token) {
	ast.Walk(visitor(func(n ast.Node) {
		if scalar, ok := n.(ast.ScalarNode); ok && found == nil && scalar.GetToken().Position.Line == line && scalar.GetToken().Value == value {
			found = scalar.GetToken()
		}
	}), node)
	return found
}

type visitor func(ast.Node)

// Visit goes everywhere.
func (v visitor) Visit(n ast.Node) ast.Visitor {
	v(n)
	return v
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
