package http

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// costLimit ends an expression that runs away; comparing two documents of a thousand lines each stays below it.
const costLimit = 20_000_000

var (
	textMap = cel.MapType(cel.StringType, cel.StringType)
	jsonMap = cel.MapType(cel.StringType, cel.DynType)
	anyList = cel.ListType(cel.DynType)
)

// expression is one compiled CEL expression of a definition, and where it stands.
type expression struct {
	program cel.Program
	where   string
}

// compiler compiles a definition and gathers its faults.
type compiler struct {
	file   *configfile.File
	text   []string
	faults configfile.Faults
}

func (c *compiler) fault(key, format string, args ...any) {
	c.faults = append(c.faults, c.file.Fault(key, format, args...))
}

// baseEnv has the types of the protocol, so that Order{...} and Line{...} are checked, and no way to the outside.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.Container("dockline.v1"),
		cel.Types(&docklinev1.Event{}, &docklinev1.Document{}, &docklinev1.MasterRecord{}),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Math(), ext.Lists(), ext.Bindings(), ext.TwoVarComprehensions(),
	}
	return cel.NewEnv(append(options, functions()...)...)
})

// variables maps names to types; a dotted name is one variable.
type variables map[string]*cel.Type

func (v variables) with(more variables) variables {
	all := variables{}
	for _, from := range []variables{v, more} {
		for name, t := range from {
			all[name] = t
		}
	}
	return all
}

// expression compiles the CEL at key. An empty one is nil.
func (c *compiler) expression(key, text string, want *cel.Type, vars variables) *expression {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var declared []cel.EnvOption
	for name, t := range vars {
		declared = append(declared, cel.Variable(name, t))
	}
	env, err := baseEnv()
	if err == nil {
		env, err = env.Extend(declared...)
	}
	if err != nil {
		c.fault(key, "%v", err)
		return nil
	}
	compiled, issues := env.Compile(text)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			fault := c.file.Fault(key, "column %d of the expression: %s", e.Location.Column()+1, e.Message)
			fault.Line = c.lineOf(key, e.Location.Line())
			c.faults = append(c.faults, fault)
		}
		return nil
	}
	if !fits(compiled.OutputType(), want) {
		c.fault(key, "the expression gives %s, wanted is %s", compiled.OutputType(), want)
		return nil
	}
	program, err := env.Program(compiled, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(1000))
	if err != nil {
		c.fault(key, "%v", err)
		return nil
	}
	return &expression{program: program, where: fmt.Sprintf("%s:%d %s", c.file.Name, c.file.Line(key), key)}
}

// required compiles an expression that must be there.
func (c *compiler) required(key, text string, want *cel.Type, vars variables) *expression {
	if strings.TrimSpace(text) == "" {
		c.fault(key, "is missing")
		return nil
	}
	return c.expression(key, text, want, vars)
}

// lineOf is the line of the file for a line of an expression, both from 1. A block begins below its key.
func (c *compiler) lineOf(key string, line int) int {
	start := c.file.Line(key)
	if start == 0 || start > len(c.text) {
		return start
	}
	head := strings.TrimRight(strings.TrimSpace(c.text[start-1]), "+-")
	if strings.HasSuffix(head, "|") || strings.HasSuffix(head, ">") {
		return start + line
	}
	return start + line - 1
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

// values are what the variables hold.
type values map[string]any

func (e *expression) eval(ctx context.Context, v values) (ref.Val, error) {
	out, _, err := e.program.ContextEval(ctx, map[string]any(v))
	if err == nil && types.IsError(out) {
		err = fmt.Errorf("%v", out)
	}
	if over := ctx.Err(); err != nil && over != nil {
		// The machine was slow, or is asked to stop: nothing is wrong with expression or record.
		return nil, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "timeout", Text: e.where + ": the time for the call was over before this was worked out", Err: over}
	}
	if err != nil {
		return nil, e.mapping(err)
	}
	return out, nil
}

// mapping is the fault of an expression that does not fit the data.
func (e *expression) mapping(err error) error {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "mapping",
		Text: fmt.Sprintf("%s: %v", e.where, err), Remedy: "correct the definition there, or the record that it maps"}
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
	s, ok := out.Value().(string)
	if !ok {
		return "", e.mapping(fmt.Errorf("gives %s, wanted is a string", out.Type().TypeName()))
	}
	return s, nil
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
		return false, e.mapping(fmt.Errorf("gives %s, wanted is a bool", out.Type().TypeName()))
	}
	return b, nil
}

func (e *expression) int(ctx context.Context, v values) (int64, error) {
	if e == nil {
		return 0, nil
	}
	out, err := e.eval(ctx, v)
	if err != nil {
		return 0, err
	}
	n, ok := out.Value().(int64)
	if !ok {
		return 0, e.mapping(fmt.Errorf("gives %s, wanted is an int", out.Type().TypeName()))
	}
	return n, nil
}

func (e *expression) time(ctx context.Context, v values) (time.Time, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return time.Time{}, err
	}
	at, ok := out.Value().(time.Time)
	if !ok {
		return time.Time{}, e.mapping(fmt.Errorf("gives %s, wanted is a timestamp", out.Type().TypeName()))
	}
	return at, nil
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
		return nil, e.mapping(fmt.Errorf("every value must be a string: %w", err))
	}
	return native.(map[string]string), nil
}

func (e *expression) list(ctx context.Context, v values) ([]ref.Val, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	if out.Type() == types.NullType {
		return nil, nil
	}
	lister, ok := out.(traits.Lister)
	if !ok {
		return nil, e.mapping(fmt.Errorf("gives %s, wanted is a list", out.Type().TypeName()))
	}
	var items []ref.Val
	for it := lister.Iterator(); it.HasNext() == types.True; {
		items = append(items, it.Next())
	}
	return items, nil
}

// json is the value as JSON, the keys sorted: equal values give equal bytes. Whole numbers beyond 2^53 become strings.
func (e *expression) json(ctx context.Context, v values) ([]byte, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	return e.encode(out)
}

// encodeAny encodes an item that list gave.
func (e *expression) encodeAny(item any) ([]byte, error) {
	out, ok := item.(ref.Val)
	if !ok {
		return nil, e.mapping(fmt.Errorf("%T is no item", item))
	}
	return e.encode(out)
}

func (e *expression) encode(out ref.Val) ([]byte, error) {
	native, err := out.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, e.mapping(err)
	}
	return json.Marshal(native.(*structpb.Value).AsInterface())
}

// message is the protobuf message that the expression builds.
func (e *expression) message(ctx context.Context, v values) (proto.Message, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return nil, err
	}
	m, ok := out.Value().(proto.Message)
	if !ok {
		return nil, e.mapping(fmt.Errorf("gives %s, wanted is a message", out.Type().TypeName()))
	}
	return m, nil
}
