package configfile

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// place is where a value stands, and whether it is one: "key:" alone is none.
type place struct {
	line  int
	empty bool
}

// Line is where a key stands, 0 where neither it nor a key above it is in the file.
func (f *File) Line(key string) int {
	for key != "" {
		if at, ok := f.placed()[key]; ok {
			return at.line
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return 0
		}
		key = key[:cut]
	}
	return 0
}

// Has tells whether a key is written in the file, with a value. What is there by an alias or a merged mapping is not.
func (f *File) Has(key string) bool {
	at, ok := f.placed()[key]
	return ok && !at.empty
}

// placed finds every key of the file, once: a file of very many rules is asked for very many places.
func (f *File) placed() map[string]place {
	f.once.Do(func() {
		f.places = make(map[string]place)
		if f.tree == nil {
			return
		}
		for _, doc := range f.tree.Docs {
			f.find("", doc.Body)
		}
	})
	return f.places
}

func (f *File) find(key string, node ast.Node) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, value := range n.Values {
			f.findValue(key, value)
		}
	case *ast.MappingValueNode:
		f.findValue(key, n)
	case *ast.SequenceNode:
		for i, value := range n.Values {
			f.put(key+"["+strconv.Itoa(i)+"]", value)
		}
	case *ast.AnchorNode:
		f.find(key, n.Value)
	case *ast.TagNode:
		f.find(key, n.Value)
	}
}

func (f *File) findValue(key string, n *ast.MappingValueNode) {
	token := n.Key.GetToken()
	if token == nil {
		return
	}
	if key != "" {
		key += "."
	}
	f.put(key+token.Value, n.Value)
}

func (f *File) put(key string, value ast.Node) {
	if _, twice := f.places[key]; twice || value == nil {
		return
	}
	_, empty := value.(*ast.NullNode)
	f.places[key] = place{keyLine(value), empty}
	f.find(key, value)
}

// keyLine is the line of a value; for a mapping that of its first key.
func keyLine(node ast.Node) int {
	if mapping, ok := node.(*ast.MappingNode); ok && len(mapping.Values) > 0 {
		node = mapping.Values[0].Key
	}
	token := node.GetToken()
	if token == nil || token.Position == nil {
		return 0
	}
	return token.Position.Line
}
