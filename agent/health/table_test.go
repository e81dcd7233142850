package health_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/health"
)

var update = flag.Bool("update", false, "write the table of checks into the documentation")

const (
	tableBegin = "<!-- checks: `dockline-agent checks` prints this table, and a test compares them -->\n"
	tableEnd   = "<!-- end of checks -->"
)

// The documentation's table is the list itself.
func TestTheDocumentationHasTheChecks(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "operations.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	table, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the table", path)
	}
	if table == health.Table() {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is not the list of checks: go test ./agent/health -run Documentation -update", path)
	}
	if err := os.WriteFile(path, []byte(before+tableBegin+health.Table()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every code that a part of the agent gives a condition stands in the list of checks, so that a person finds it there.
func TestEveryConditionOfTheAgentIsDeclared(t *testing.T) {
	declared := map[string]bool{}
	for _, c := range health.Checks {
		declared[c.Code] = true
	}
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)
	found := 0
	for _, dir := range []string{"..", "../host", "../downlink", "../uplink", "../enrol"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				for _, literal := range codesIn(n) {
					if name, err := strconv.Unquote(literal.Value); err == nil && code.MatchString(name) {
						if found++; !declared[name] {
							t.Errorf("%s gives a condition the code %s, which health.Checks does not have", path, name)
						}
					}
				}
				return true
			})
		}
	}
	if found < 5 {
		t.Errorf("only %d codes were found: this test looks at the wrong places", found)
	}
}

// codesIn are the texts that become codes of conditions: the first argument of condition(...), and Code in a Condition{...}.
func codesIn(n ast.Node) (literals []*ast.BasicLit) {
	take := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			literals = append(literals, l)
		}
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "condition" && len(n.Args) > 0 {
			take(n.Args[0])
		}
	case *ast.CompositeLit:
		if name := typeName(n.Type); name != "Condition" && n.Type != nil {
			return nil
		}
		for _, element := range n.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Code" {
					take(pair.Value)
				}
			}
		}
	}
	return literals
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}
