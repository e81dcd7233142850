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

func compileWhen(source string) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing the expression: %w", err)
	}
	compiled, issues := env.Compile(source)
	if issues.Err() != nil {
		var texts []string
		for _, e := range issues.Errors() {
			texts = append(texts, fmt.Sprintf("column %d of the expression: %s", e.Location.Column()+1, e.Message))
		}
		return nil, errors.New(strings.Join(texts, "; "))
	}
	if compiled.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("the expression gives %s, not true or false", compiled.OutputType())
	}
	return env.Program(compiled, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
}

// Route names the targets that are to be told of a document, sorted. order may be nil.
func (p *Policy) Route(kind connector.Kind, site string, order *docklinev1.OrderState, document *docklinev1.Document) ([]string, error) {
	var names []string
	for i, r := range p.routes {
		if r.kind != kind {
			continue
		}
		if r.when != nil {
			if order == nil {
				order = &docklinev1.OrderState{}
			}
			out, _, err := r.when.Eval(map[string]any{"kind": string(kind), "site": site, "order": order, "document": document})
			if err != nil {
				return nil, fmt.Errorf("routing.yaml, route %d: %w", i+1, err)
			}
			if out.Value() != true {
				continue
			}
		}
		names = append(names, r.targets...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
