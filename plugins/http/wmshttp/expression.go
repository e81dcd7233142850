package wmshttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
)

// costLimit ends an expression that runs away.
const costLimit = 20_000_000

var (
	stringType, dynType = cel.StringType, cel.DynType
	textMap             = cel.MapType(cel.StringType, cel.StringType)
	anyList             = cel.ListType(cel.DynType)
)

// variables maps names to types; values are what they hold.
type (
	variables map[string]*cel.Type
	values    map[string]any
)

func (v variables) with(more variables) variables {
	all := maps.Clone(v)
	maps.Copy(all, more)
	return all
}

func (v values) with(more values) values {
	all := values{}
	maps.Copy(all, v)
	maps.Copy(all, more)
	return all
}

// answerVars are those of what reads an answer.
var answerVars = variables{"body": cel.DynType, "headers": textMap}

// expression is a compiled CEL expression, and where it stands. A nil one is absent.
type expression struct {
	program cel.Program
	where   string
}

// baseEnv has no way to the outside.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	text := func(name string, f func(string) string) cel.EnvOption {
		return cel.Function(name, cel.Overload("dockline_"+name, []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			s, ok := v.Value().(string)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(f(s))
		})))
	}
	return cel.NewEnv(append(quantityFunctions(), cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true), ext.Strings(), ext.Math(), ext.Lists(), ext.Bindings(), ext.Encoders(), ext.TwoVarComprehensions(),
		text("escape", url.PathEscape),
		cel.Function("link", cel.Overload("dockline_link", []*cel.Type{textMap, cel.StringType}, cel.StringType, cel.BinaryBinding(link))))...)
})

// expression compiles the CEL at a key of the configuration.
func (l *loader) expression(key, text string, want *cel.Type, vars variables) *expression {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	env, err := baseEnv()
	if err == nil {
		var declared []cel.EnvOption
		for name, t := range vars {
			declared = append(declared, cel.Variable(name, t))
		}
		env, err = env.Extend(declared...)
	}
	if err != nil {
		l.fault(key, "%v", err)
		return nil
	}
	compiled, issues := env.Compile(text)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			l.fault(key, "column %d of the expression: %s", e.Location.Column()+1, e.Message)
		}
		return nil
	}
	if !fits(compiled.OutputType(), want) {
		l.fault(key, "the expression gives %s, wanted is %s", compiled.OutputType(), want)
		return nil
	}
	program, err := env.Program(compiled, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(1000))
	if err != nil {
		l.fault(key, "%v", err)
		return nil
	}
	return &expression{program, key}
}

// required compiles an expression that must be there.
func (l *loader) required(key, text string, want *cel.Type, vars variables) *expression {
	if strings.TrimSpace(text) == "" {
		l.fault(key, "is missing")
	}
	return l.expression(key, text, want, vars)
}

// fits says whether a value of type got may be what is wanted; what JSON gives is dyn and is checked when it is there.
func fits(got, want *cel.Type) bool {
	switch {
	case got.Kind() == types.DynKind || want.Kind() == types.DynKind:
		return true
	case got.Kind() != want.Kind():
		return false
	case got.Kind() == types.MapKind:
		return fits(got.Parameters()[0], want.Parameters()[0]) && fits(got.Parameters()[1], want.Parameters()[1])
	case got.Kind() == types.ListKind:
		return fits(got.Parameters()[0], want.Parameters()[0])
	}
	return want.IsExactType(got)
}

func (e *expression) fault(err error) error {
	return &targetFault{class: faultSchema, what: e.where, err: fmt.Errorf("the expression does not fit what was answered: %w", err)}
}

func (e *expression) eval(ctx context.Context, v values) (ref.Val, error) {
	out, _, err := e.program.ContextEval(ctx, map[string]any(v))
	if err == nil && types.IsError(out) {
		err = fmt.Errorf("%v", out)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, e.fault(err)
	}
	return out, nil
}

// string gives "" for an absent expression.
func (e *expression) string(ctx context.Context, v values) (string, error) {
	if e == nil {
		return "", nil
	}
	out, err := e.eval(ctx, v)
	if err != nil {
		return "", err
	}
	switch s := out.Value().(type) {
	case string:
		return s, nil
	case int64:
		return fmt.Sprint(s), nil
	}
	return "", e.fault(fmt.Errorf("it gives %s, wanted is a string", out.Type().TypeName()))
}

// bool gives otherwise for an absent expression.
func (e *expression) bool(ctx context.Context, v values, otherwise bool) (bool, error) {
	if e == nil {
		return otherwise, nil
	}
	out, err := e.eval(ctx, v)
	if err != nil {
		return false, err
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, e.fault(fmt.Errorf("it gives %s, wanted is true or false", out.Type().TypeName()))
	}
	return b, nil
}

func (e *expression) time(ctx context.Context, v values) (time.Time, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return time.Time{}, err
	}
	at, ok := out.Value().(time.Time)
	if !ok {
		return time.Time{}, e.fault(fmt.Errorf("it gives %s, wanted is a timestamp", out.Type().TypeName()))
	}
	return at.UTC(), nil
}

// strings gives nil for an absent expression.
func (e *expression) strings(ctx context.Context, v values) (map[string]string, error) {
	if e == nil {
		return nil, nil
	}
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	native, err := out.ConvertToNative(reflect.TypeFor[map[string]string]())
	if err != nil {
		return nil, e.fault(fmt.Errorf("every value must be a string: %w", err))
	}
	return native.(map[string]string), nil
}

// list is the items, as plain values of JSON. null is none.
func (e *expression) list(ctx context.Context, v values) ([]any, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	switch plain := native(out).(type) {
	case nil:
		return nil, nil
	case []any:
		return plain, nil
	}
	return nil, e.fault(fmt.Errorf("it gives %s, wanted is a list", out.Type().TypeName()))
}

// json is the value as JSON, the keys sorted.
func (e *expression) json(ctx context.Context, v values) ([]byte, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	value, err := out.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, e.fault(err)
	}
	return json.Marshal(value.(*structpb.Value).AsInterface())
}

// native is a value of CEL as JSON has it: an expression may hand on what was answered, or make something of it.
func native(v ref.Val) any {
	switch v := v.(type) {
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			name := it.Next()
			out[fmt.Sprint(name.Value())] = native(v.Get(name))
		}
		return out
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			out = append(out, native(it.Next()))
		}
		return out
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano)
	}
	if v.Type() == types.NullType {
		return nil
	}
	return v.Value()
}

// plain makes of decoded JSON what CEL computes with: a whole number is an int where it fits, so that ids keep every digit; a fraction that a float
// cannot hold exactly stays a text.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && len(strings.Trim(v.String(), "-")) <= 16 {
			return f
		}
		return v.String()
	case map[string]any:
		for name, value := range v {
			v[name] = plain(value)
		}
	case []any:
		for i, value := range v {
			v[i] = plain(value)
		}
	}
	return v
}

// link gives the address that a Link header names for a relation (RFC 8288), "" for none.
func link(headers, relation ref.Val) ref.Val {
	all, isMap := headers.(traits.Mapper)
	name, isText := relation.Value().(string)
	if !isMap || !isText {
		return types.MaybeNoSuchOverloadErr(headers)
	}
	value, found := all.Find(types.String("link"))
	if !found {
		return types.String("")
	}
	text, _ := value.Value().(string)
	return types.String(linkOf(text, name))
}

func linkOf(header, relation string) string {
	for rest := header; rest != ""; {
		_, after, ok := strings.Cut(rest, "<")
		address, after, closed := strings.Cut(after, ">")
		if !ok || !closed {
			return ""
		}
		var rel string
		rel, rest = relOf(after)
		for one := range strings.FieldsSeq(rel) {
			if strings.EqualFold(one, relation) {
				return address
			}
		}
	}
	return ""
}

// relOf reads the parameters behind an address up to the comma that ends them; within quotes a comma is text.
func relOf(s string) (rel, rest string) {
	quoted := false
	end := len(s)
	for i := 0; i < len(s) && end == len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			end = i
		}
	}
	for parameter := range strings.SplitSeq(s[:end], ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(parameter), "="); ok && strings.EqualFold(name, "rel") {
			rel = strings.Trim(value, `"`)
		}
	}
	return rel, strings.TrimPrefix(s[end:], ",")
}

// decodeAnswer reads one value of JSON for CEL.
func decodeAnswer(raw []byte) (any, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if v == nil && len(strings.TrimSpace(string(raw))) == 0 {
		return nil, errors.New("it is empty")
	}
	return plain(v), nil
}
