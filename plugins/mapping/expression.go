package mapping

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// costLimit ends an expression that would take long. A plain comparison costs below ten.
const costLimit = 100_000

var (
	wantText = cel.StringType
	wantBool = cel.BoolType
)

// expression is a compiled CEL expression over the fields of a row (each under its own name and with its own type) and
// row, its cells by header as they stand in the file.
type expression struct {
	program cel.Program
	ast     *cel.Ast
	fields  map[string]field
	// headers are what it asks of row; nil where that cannot be told, and it is given all.
	headers []string
}

func celType(t valueType) *cel.Type {
	switch t {
	case number:
		return cel.DoubleType
	case moment:
		return cel.TimestampType
	case whole:
		return cel.IntType
	case flag:
		return cel.BoolType
	case list:
		return cel.ListType(cel.StringType)
	default:
		return cel.StringType
	}
}

func compileExpression(source string, filled map[string]field, want *cel.Type) (*expression, error) {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(),
		cel.Variable("row", cel.MapType(cel.StringType, cel.StringType)),
	}
	for name, f := range filled {
		options = append(options, cel.Variable(name, celType(f.typ)))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the expression: %w", err)
	}
	compiled, issues := env.Compile(source)
	if issues.Err() != nil {
		var texts []string
		for _, e := range issues.Errors() {
			texts = append(texts, fmt.Sprintf("column %d of the expression: %s", e.Location.Column()+1, e.Message))
		}
		return nil, errors.New(strings.Join(texts, "; ") + "; only mapped fields and row[\"header\"] may be used")
	}
	if got := compiled.OutputType(); !got.IsExactType(want) {
		return nil, fmt.Errorf("the expression gives a %s, but a %s is wanted", got, want)
	}
	program, err := env.Program(compiled, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, fmt.Errorf("preparing the expression: %w", err)
	}
	return &expression{program, compiled, filled, headersOf(compiled)}, nil
}

// rowVars gives an expression what it asks for, and works out nothing else. A field whose cell is empty is "", 0, false or the zero time.
type rowVars struct {
	fields map[string]field
	values values
	row    func(headers []string) map[string]string
	// headers are those that the expression asks for; nil for all.
	headers []string
}

// Parent implements cel.Activation.
func (rowVars) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (r rowVars) ResolveName(name string) (any, bool) {
	if name == "row" {
		return r.row(r.headers), true
	}
	f, ok := r.fields[name]
	if !ok {
		return nil, false
	}
	v, _ := r.values.get(name)
	switch f.typ {
	case number:
		return v.float(), true
	case moment:
		return v.time.In(time.UTC), true
	case whole:
		return int64(v.whole()), true
	case flag:
		return v.flag(), true
	case list:
		return v.list, true
	default:
		return v.text, true
	}
}

// eval computes the expression for a row.
func (x *expression) eval(values values, row func(headers []string) map[string]string) (any, error) {
	out, _, err := x.program.Eval(rowVars{x.fields, values, row, x.headers})
	if err != nil {
		return nil, err
	}
	return out.Value(), nil
}

// headersOf are the headers in an expression that asks of row by name alone: row["NAME"]; nil for any other.
func headersOf(compiled *cel.Ast) []string {
	headers := []string{}
	isRow := func(e ast.NavigableExpr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "row" }
	for _, e := range ast.MatchDescendants(ast.NavigateAST(compiled.NativeRep()), isRow) {
		parent, ok := e.Parent()
		if !ok || parent.Kind() != ast.CallKind || parent.AsCall().FunctionName() != operators.Index || parent.AsCall().Args()[1].Kind() != ast.LiteralKind {
			return nil
		}
		name, ok := parent.AsCall().Args()[1].AsLiteral().(types.String)
		if !ok {
			return nil
		}
		headers = append(headers, string(name))
	}
	return headers
}

// results are the texts that an expression of conditions can end in, as far as they stand there literally.
func (x *expression) results() []string {
	var out []string
	var walk func(e ast.Expr)
	walk = func(e ast.Expr) {
		switch e.Kind() {
		case ast.LiteralKind:
			if s, ok := e.AsLiteral().(types.String); ok {
				out = append(out, string(s))
			}
		case ast.CallKind:
			if call := e.AsCall(); call.FunctionName() == operators.Conditional {
				walk(call.Args()[1])
				walk(call.Args()[2])
			}
		}
	}
	walk(x.ast.NativeRep().Expr())
	return out
}
