package configfile

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

const (
	// maxHeight is how deep values may lie in each other, and maxAdded how many bytes a file may gain by replacing every alias by what it stands
	// for. The decoder knows no such bounds: thirty bytes, an alias within its own anchor, end the process.
	maxHeight = 100
	maxAdded  = 4 << 20
)

// maxBrackets is how many brackets may be open at once, those in texts and comments included; maxMarks how many dashes, question marks,
// anchors and tags a line may begin with. The parser takes seconds and gigabytes for tens of thousands.
const (
	maxBrackets = 1000
	maxMarks    = maxHeight
)

// shallow refuses what the parser itself would take too long for.
func shallow(name string, text []byte) error {
	open, number := 0, 0
	for line := range strings.Lines(string(text)) {
		number++
		marks := 0
		for word := range strings.FieldsSeq(line) {
			if word != "-" && word != "?" && word[0] != '&' && word[0] != '!' {
				break
			}
			marks++
		}
		for i := range len(line) {
			switch line[i] {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			}
			if open > maxBrackets || marks > maxMarks {
				return Faults{{File: name, Line: number, Text: tooDeep}}
			}
		}
	}
	return nil
}

const tooDeep = "values lie too deep in each other, or brackets are not closed"

// unfolded says how large a value is when its aliases are replaced, in bytes about, and how deep.
type unfolded struct {
	size, height int
}

// measure walks a tree as the decoder would, but each anchor once.
type measure struct {
	anchors map[string]unfolded
	open    map[string]bool // anchors that the walk is within
	depth   int
	most    int // bytes
	fault   string
	line    int
}

func (m *measure) refuse(n ast.Node, text string) unfolded {
	if m.fault == "" {
		m.fault = text
		if token := n.GetToken(); token != nil && token.Position != nil {
			m.line = token.Position.Line
		}
	}
	return unfolded{}
}

func (m *measure) of(n ast.Node) unfolded {
	if n == nil || m.fault != "" {
		return unfolded{}
	}
	if m.depth++; m.depth > maxHeight {
		return m.refuse(n, tooDeep)
	}
	defer func() { m.depth-- }()
	all := unfolded{}
	with := func(part unfolded) {
		all.size, all.height = min(all.size+part.size, m.most+1), max(all.height, part.height)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, value := range n.Values {
			with(m.of(value))
		}
	case *ast.MappingValueNode:
		with(m.of(n.Key))
		with(m.of(n.Value))
	case *ast.MappingKeyNode:
		with(m.of(n.Value))
	case *ast.SequenceNode:
		for _, value := range n.Values {
			with(m.of(value))
		}
	case *ast.TagNode:
		with(m.of(n.Value))
	case *ast.AnchorNode:
		name := n.Name.String()
		m.open[name] = true
		all = m.of(n.Value)
		delete(m.open, name)
		m.anchors[name] = all
	case *ast.AliasNode:
		name := n.Value.String()
		if m.open[name] {
			return m.refuse(n, "the alias *"+name+" stands within the value that it stands for")
		}
		all = m.anchors[name]
	}
	all.size, all.height = all.size+width(n), all.height+1
	switch {
	case all.height > maxHeight:
		return m.refuse(n, tooDeep)
	case all.size > m.most:
		return m.refuse(n, "the file becomes too large when its aliases are replaced by what they stand for")
	}
	return all
}

// width is about how many bytes a node has of its own.
func width(n ast.Node) int {
	if token := n.GetToken(); token != nil {
		return len(token.Value) + 1
	}
	return 1
}

// bounded says what keeps a tree from being decoded at a reasonable cost, if anything.
func bounded(name string, text []byte, tree *ast.File) error {
	for _, doc := range tree.Docs {
		m := &measure{anchors: map[string]unfolded{}, open: map[string]bool{}, most: 4*len(text) + maxAdded}
		if m.of(doc.Body); m.fault != "" {
			return Faults{{File: name, Line: m.line, Text: m.fault}}
		}
	}
	return nil
}
