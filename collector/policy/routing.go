package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type routeSpec struct {
	Kind    string         `yaml:"kind"`
	Targets []string       `yaml:"targets"`
	Role    ownership.Role `yaml:"role"`
	When    string         `yaml:"when"`
}

// route sends a kind of posting to targets, where when holds.
type route struct {
	kind    connector.Kind
	targets []string
	// named: by name, not by role.
	named bool
	when  cel.Program
	// source is the text of when, and rule where the route stands.
	source string
	rule   Rule
}

// costLimit ends an expression that would take long. A plain comparison costs below ten.
const costLimit = 100_000

var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Types(&docklinev1.OrderState{}, &docklinev1.Document{}),
		cel.Variable("kind", cel.StringType),
		cel.Variable("site", cel.StringType),
		cel.Variable("order", cel.ObjectType("dockline.v1.OrderState")),
		cel.Variable("document", cel.ObjectType("dockline.v1.Document")),
	)
})

// longest is how many characters an expression may have: what people write has hundreds.
const longest = 10_000

func compileWhen(source string) (cel.Program, error) {
	if len(source) > longest {
		return nil, fmt.Errorf("the expression has %d characters; at most %d are read", len(source), longest)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing the expression: %w", err)
	}
	compiled, issues := env.Compile(source)
	if issues.Err() != nil {
		var texts []string
		for _, e := range issues.Errors() {
			at := fmt.Sprintf("column %d of the expression", e.Location.Column()+1)
			if strings.Contains(source, "\n") {
				at = fmt.Sprintf("line %d, %s", e.Location.Line(), at)
			}
			texts = append(texts, at+": "+e.Message)
		}
		return nil, errors.New(strings.Join(texts, "; "))
	}
	if compiled.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("the expression gives %s, not true or false", compiled.OutputType())
	}
	return env.Program(compiled, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
}

// Taken is a route that was looked at for a document, and whether it holds.
type Taken struct {
	Rule    Rule     `json:"rule"`
	Targets []string `json:"targets"`
	// When is its expression, "" where it always holds.
	When  string `json:"when,omitempty"`
	Holds bool   `json:"holds"`
}

// Routes are those of a kind, in their order, and whether each holds for a document. order may be nil.
func (p *Policy) Routes(kind connector.Kind, site string, order *docklinev1.OrderState, document *docklinev1.Document) ([]Taken, error) {
	var list []Taken
	for i := range p.routes {
		r := &p.routes[i]
		if r.kind != kind {
			continue
		}
		t := Taken{Rule: r.rule, Targets: r.targets, When: r.source, Holds: true}
		if r.when != nil {
			if order == nil {
				order = &docklinev1.OrderState{}
			}
			out, _, err := r.when.Eval(map[string]any{"kind": string(kind), "site": site, "order": order, "document": document})
			if err != nil {
				return nil, fmt.Errorf("routing.yaml, route %d (line %d): %w", i+1, r.rule.Line, err)
			}
			t.Holds = out.Value() == true
		}
		list = append(list, t)
	}
	return list, nil
}

// Route names the targets that are to be told of a document, sorted. order may be nil.
func (p *Policy) Route(kind connector.Kind, site string, order *docklinev1.OrderState, document *docklinev1.Document) ([]string, error) {
	list, err := p.Routes(kind, site, order, document)
	return TargetsOf(list), err
}

// TargetsOf are the targets of the routes that hold, sorted.
func TargetsOf(list []Taken) []string {
	var names []string
	for _, t := range list {
		if t.Holds {
			names = append(names, t.Targets...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
