package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Priority is how soon a posting comes before others that wait for the same target.
type Priority string

// The priorities; default/routing.yaml says what each is.
const (
	PriorityUrgent Priority = "urgent"
	PriorityHigh   Priority = "high"
	PriorityNormal Priority = "normal"
	PriorityLow    Priority = "low"
)

// priorities are all of them, the first before the others.
var priorities = []Priority{PriorityUrgent, PriorityHigh, PriorityNormal, PriorityLow}

type routeSpec struct {
	Kind     string         `yaml:"kind"`
	Targets  []string       `yaml:"targets"`
	Role     ownership.Role `yaml:"role"`
	When     string         `yaml:"when"`
	Priority Priority       `yaml:"priority"`
}

// routeSpecs are the routes of one section.
type routeSpecs struct {
	Routes []routeSpec `yaml:"routes"`
}

// routing is routing.yaml: the routes of each section, by its path of keys.
type routing struct {
	*scoped[routeSpecs]
	bySection map[string][]route
}

// of are the routes that hold for a scope: those of the section that goes before all others which have any.
func (r *routing) of(of Scope) []route {
	parts := r.parts(of, "")
	for i := len(parts) - 1; i > 0; i-- {
		if routes, ok := r.bySection[parts[i].path]; ok {
			return routes
		}
	}
	return r.bySection[parts[0].path]
}

// all are the routes of all sections, in the order of the file.
func (r *routing) all() (list []route) {
	for _, routes := range r.bySection {
		list = append(list, routes...)
	}
	slices.SortFunc(list, func(a, b route) int { return cmp.Compare(a.rule.Line, b.rule.Line) })
	return list
}

// route sends a kind of posting to targets, where when holds.
type route struct {
	kind    connector.Kind
	targets []string
	// named: by name, not by role.
	named bool
	when  cel.Program
	// source is the text of when, and rule where the route stands.
	source   string
	rule     Rule
	section  string
	priority Priority
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
	// Priority is what its postings get; of several routes to one target the one that comes first counts.
	Priority Priority `json:"priority"`
}

// Routes are those of a kind that are said for a scope, in their order, and whether each holds for a document. order may be nil.
func (p *Policy) Routes(of Scope, kind connector.Kind, order *docklinev1.OrderState, document *docklinev1.Document) ([]Taken, error) {
	var list []Taken
	for _, r := range p.routing.of(of) {
		if r.kind != kind {
			continue
		}
		t := Taken{Rule: r.rule, Targets: r.targets, When: r.source, Holds: true, Priority: r.priority}
		if r.when != nil {
			if order == nil {
				order = &docklinev1.OrderState{}
			}
			out, _, err := r.when.Eval(map[string]any{"kind": string(kind), "site": of.Site, "order": order, "document": document})
			if err != nil {
				return nil, fmt.Errorf("routing.yaml, line %d (%s): %w", r.rule.Line, r.rule.Key, err)
			}
			t.Holds = out.Value() == true
		}
		list = append(list, t)
	}
	return list, nil
}

// PriorityOf is the priority of a target among the routes that hold, and the rule that decided it.
func PriorityOf(list []Taken, target string) (Priority, Rule) {
	best, rule := len(priorities), Rule{}
	for _, t := range list {
		if at := slices.Index(priorities, t.Priority); t.Holds && at < best && slices.Contains(t.Targets, target) {
			best, rule = at, t.Rule
		}
	}
	if best == len(priorities) {
		return PriorityNormal, rule
	}
	return priorities[best], rule
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

func (c *compiler) routing() {
	specs := readTopped[routeSpecs](c, "routing.yaml")
	if specs == nil {
		return
	}
	r := &routing{scoped: specs, bySection: make(map[string][]route)}
	specs.each(func(section, key string, of *routeSpecs) {
		if section == "items" {
			c.bad(specs.file, key, "a document may have several items: a route can be said by tenant, region, site and customer; a route for some items says so in its when")
		}
		if section != "default" && !specs.file.Has(join(key, "routes")) {
			return
		}
		routes := []route{}
		for i, spec := range of.Routes {
			r := c.route(specs.file, join(key, fmt.Sprintf("routes[%d]", i)), spec)
			r.section = key
			routes = append(routes, r)
		}
		r.bySection[key] = routes
	})
	delete(c.policy.explainers, specs.file.Name) // routes are told by kind
	c.policy.routing = r
}

// route checks one.
func (c *compiler) route(file *configfile.File, key string, spec routeSpec) route {
	if !slices.Contains(kinds, connector.Kind(spec.Kind)) {
		c.bad(file, key+".kind", "%q: one of %v", spec.Kind, kinds)
	}
	names := spec.Targets
	switch {
	case (spec.Role == "") == (len(spec.Targets) == 0):
		c.bad(file, key, "a route names either targets or a role")
	case spec.Role == ownership.SystemOfRecord || spec.Role == ownership.CRM:
		names = c.policy.OfRole(spec.Role)
	case spec.Role != "":
		c.bad(file, key+".role", "%q: %s or %s", spec.Role, ownership.SystemOfRecord, ownership.CRM)
	}
	for j, name := range spec.Targets {
		if !slices.ContainsFunc(c.policy.Targets, func(t Target) bool { return t.Name == name }) {
			c.bad(file, fmt.Sprintf("%s.targets[%d]", key, j), "%q is not in targets.yaml", name)
		}
	}
	if spec.Priority = cmp.Or(spec.Priority, PriorityNormal); !slices.Contains(priorities, spec.Priority) {
		c.bad(file, key+".priority", "%q: one of %v", spec.Priority, priorities)
	}
	r := route{kind: connector.Kind(spec.Kind), targets: names, named: spec.Role == "", source: spec.When, priority: spec.Priority,
		rule: Rule{File: file.Name, Line: file.Line(key), Key: key, BuiltIn: isBuiltIn(file.Name, c.policy.files[file.Name])}}
	if spec.When != "" {
		program, err := compileWhen(spec.When)
		if err != nil {
			c.bad(file, key+".when", "%v", err)
		}
		r.when = program
	}
	return r
}
