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
	return &expression{program, compiled, filled}, nil
}

// eval computes the expression for a row. A field whose cell is empty is "", 0, false or the zero time.
func (x *expression) eval(values map[string]value, row map[string]string) (any, error) {
	vars := make(map[string]any, len(x.fields)+1)
	for name, f := range x.fields {
		v := values[name]
		switch f.typ {
		case number:
			vars[name] = v.float()
		case moment:
			vars[name] = v.time.In(time.UTC)
		case whole:
			vars[name] = int64(v.whole())
		case flag:
			vars[name] = v.flag()
		case list:
			vars[name] = v.list
		default:
			vars[name] = v.text
		}
	}
	vars["row"] = row
	out, _, err := x.program.Eval(vars)
	if err != nil {
		return nil, err
	}
	return out.Value(), nil
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
