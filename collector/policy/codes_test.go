package policy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// faults are the types whose field Code becomes the code of an exception.
var faults = []string{"Desired", "Case", "Exception", "Fault", "DeadLetter", "Finding"}

// elsewhere are types with a field of that name that never becomes an exception.
var elsewhere = []string{"SiteWarning", "Condition", "Attempt", "Hold", "Entry", "Posting", "ExceptionNotice"}

// made are the codes that the program puts together.
var made = map[string][]string{
	`"receipt_" +`: {"receipt_over", "receipt_short", "receipt_damaged", "receipt_wrong_item"},
	// What a shipment can be in Tryton beside what the connector can go on with: the table has a pattern.
	`"shipment_" +`: {"shipment_draft", "shipment_cancelled"},
	// The states of a posting that make a case, where the system gave no code.
	`string(r.State)`: {"rejected", "blocked", "diverged", "unknown"},
	`"unknown_" +`:    {"unknown_item", "unknown_unit", "unknown_customer", "unknown_gtin", "unknown_bin", "unknown_reason"},
}

// codes gathers the codes of exceptions that the program can open: what stands in Code of a fault, through constants and parameters.
type codes struct {
	t      *testing.T
	consts map[string]string // of all packages: those that are codes have names of their own
	files  map[string][]*ast.File
	found  map[string]string // the place by code
}

func (c *codes) parse(root string) {
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || strings.HasSuffix(entry.Name(), "test")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		c.files[filepath.Dir(path)] = append(c.files[filepath.Dir(path)], file)
		ast.Inspect(file, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 && typeName(a.Lhs[0]) == "code" {
				if text, ok := literal(a.Rhs[0]); ok {
					c.found[text] = filepath.Dir(path)
				}
			}
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, name := range spec.Names {
					if i < len(spec.Values) {
						if text, ok := literal(spec.Values[i]); ok {
							c.consts[name.Name] = text
							if strings.HasPrefix(name.Name, "Code") {
								c.found[text] = filepath.Dir(path)
							}
						}
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func literal(e ast.Expr) (string, bool) {
	basic, ok := e.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// gather looks through every function for what becomes a code.
func (c *codes) gather() {
	for dir, files := range c.files {
		for _, file := range files {
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if ok && f.Body != nil {
					c.function(dir, scope{f.Name.Name, f.Type, nil}, f.Body)
				} else if !ok {
					c.function(dir, scope{}, decl)
				}
			}
		}
	}
}

// scope is a function, and those around it.
type scope struct {
	name string
	typ  *ast.FuncType
	up   *scope
}

func (c *codes) function(dir string, in scope, body ast.Node) {
	named := map[*ast.FuncLit]string{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if i >= len(n.Rhs) {
					break
				}
				if lit, ok := n.Rhs[i].(*ast.FuncLit); ok {
					if id, ok := left.(*ast.Ident); ok {
						named[lit] = id.Name
					}
				}
				if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "Code" {
					c.value(dir, in, n.Rhs[i])
				}
			}
		case *ast.FuncLit:
			c.function(dir, scope{named[n], n.Type, &in}, n.Body)
			return false
		case *ast.CompositeLit:
			if text, ok := first(n); ok && strings.HasSuffix(dir, "reconcile") {
				c.found[text] = dir // a table of codes with their texts
			}
			if !slices.Contains(elsewhere, typeName(n.Type)) && (n.Type == nil || slices.Contains(faults, typeName(n.Type))) {
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Code" {
							c.value(dir, in, kv.Value)
						}
					}
				}
			}
		}
		return true
	})
}

// first is the first of several texts without keys.
func first(n *ast.CompositeLit) (string, bool) {
	if n.Type != nil || len(n.Elts) < 3 {
		return "", false
	}
	for _, e := range n.Elts {
		if _, ok := literal(e); !ok {
			return "", false
		}
	}
	last, _ := literal(n.Elts[len(n.Elts)-1])
	text, ok := literal(n.Elts[0])
	return text, ok && strings.Contains(text, "_") && strings.Contains(last, " ")
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// value notes what an expression can be, where the program says it.
func (c *codes) value(dir string, in scope, e ast.Expr) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, ok := literal(e); ok {
			c.found[text] = dir
		}
	case *ast.SelectorExpr:
		if text, ok := c.consts[e.Sel.Name]; ok {
			c.found[text] = dir
		}
	case *ast.BinaryExpr:
		if text, ok := e.X.(*ast.BasicLit); ok && e.Op == token.ADD {
			list, known := made[text.Value+" +"]
			if !known {
				c.t.Errorf("%s puts a code together from %s: say in this test what it can be", dir, text.Value)
			}
			for _, code := range list {
				c.found[code] = dir
			}
		}
	case *ast.CallExpr:
		name := typeName(e.Fun)
		if name == "string" && strings.HasSuffix(dir, "posting") {
			for _, code := range made["string(r.State)"] {
				c.found[code] = dir
			}
		}
		c.returned(dir, name)
	case *ast.Ident:
		if text, ok := c.consts[e.Name]; ok {
			c.found[text] = dir
			return
		}
		for s := &in; s != nil; s = s.up {
			if at := parameter(s.typ, e.Name); at >= 0 {
				c.calls(dir, s.name, at)
				return
			}
		}
	}
}

// returned notes what a function of the package returns.
func (c *codes) returned(dir, name string) {
	for _, file := range c.files[dir] {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == name && f.Body != nil {
				ast.Inspect(f.Body, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
						c.value(dir, scope{}, r.Results[0])
					}
					return true
				})
			}
		}
	}
}

// parameter is the place of a parameter, -1 where there is none of the name.
func parameter(t *ast.FuncType, name string) int {
	if t == nil {
		return -1
	}
	at := 0
	for _, field := range t.Params.List {
		for _, id := range field.Names {
			if id.Name == name {
				return at
			}
			at++
		}
	}
	return -1
}

// calls notes what a function of a package is called with at a place; constants and literals only.
func (c *codes) calls(dir, name string, at int) {
	for _, file := range c.files[dir] {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if ok && typeName(call.Fun) == name && name != "" && at < len(call.Args) {
				c.value(dir, scope{}, call.Args[at])
			}
			return true
		})
	}
}

var codeOf = regexp.MustCompile(`(?m)^ +code: (\w+)$`)

// definitions are those of connectors that ship.
func (c *codes) definitions(dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		c.t.Fatalf("no definitions in %s: %v", dir, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, m := range codeOf.FindAllStringSubmatch(string(text), -1) {
			c.found[m[1]] = name
		}
	}
}

// Every exception that the program itself can open is in the rule table that ships, once: with its class, a team and a due time. What a
// connector's definition or a plugin names falls to its class.
//
// Shows: S21, S64
func TestEveryCodeIsInTheRuleTable(t *testing.T) {
	c := &codes{t: t, consts: map[string]string{}, files: map[string][]*ast.File{}, found: map[string]string{}}
	for _, root := range []string{"../../collector", "../../proto/event", "../../agent/host", "../../agent/rule"} {
		c.parse(root)
	}
	c.gather()
	p := policy.Default()
	c.definitions("../connector/http/definitions")
	c.found[milestone.DefaultCode] = "milestones.yaml"
	for _, object := range []string{milestone.Order, milestone.Shipment, milestone.Return} {
		for _, d := range p.Milestones(policy.Scope{}, object) {
			if d.Code != "" {
				c.found[d.Code] = "milestones.yaml"
			}
		}
	}
	known := p.Codes()
	for _, code := range slices.Sorted(maps.Keys(c.found)) {
		if strings.Contains(code, " ") || code == "" {
			continue
		}
		if rules := p.Matching(code); len(rules) != 1 {
			t.Errorf("%s can open %q, which owners.yaml knows %d times %v", c.found[code], code, len(rules), rules)
			continue
		}
		for _, raised := range []docklinev1.FaultClass{0, 1, 2, 3} {
			o := p.Owner(code, raised)
			if o.ClassOf(raised) != p.Owner(code, 0).ClassOf(0) || o.ClassOf(raised) == 0 {
				t.Errorf("%s raised as %s is of class %s", code, raised, o.ClassOf(raised))
			}
			if o.Team == "" || o.Due <= 0 {
				t.Errorf("%s belongs to %q, due %s", code, o.Team, o.Due)
			}
		}
	}
	for _, code := range known {
		if c.found[code] == "" {
			t.Errorf("owners.yaml knows %q, which nothing opens", code)
		}
	}
	if len(c.found) < 80 {
		t.Errorf("only %d codes were found: this test no longer sees them", len(c.found))
	}
	for _, class := range []docklinev1.FaultClass{1, 2, 3} {
		if o := p.Owner("what_a_plugin_says", class); o.ClassOf(class) != class || o.Team == "" || o.Due <= 0 {
			t.Errorf("an unknown code of class %s: %+v", class, o)
		}
	}
}
