package configfile

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The YAML library panics on some texts, as on a tag that stands before a comment. A file that a person wrote, or a section that came down the
// line, must not end the program.

// guarded makes an error of such a panic.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it is YAML that cannot be read here (%v): write it more plainly, without tags, anchors and multi-line keys", r)
		}
	}()
	return f()
}

// Unmarshal reads YAML into a value, as far as the value has its keys.
func Unmarshal(text []byte, into any) error {
	return guarded(func() error { return yaml.Unmarshal(text, into) })
}

func parse(text []byte) (tree *ast.File, err error) {
	err = guarded(func() (err error) { tree, err = parser.ParseBytes(text, 0); return err })
	return tree, err
}

func valueOf(body ast.Node, out any) error {
	return guarded(func() error { return yaml.NodeToValue(body, out, yaml.Strict()) })
}
