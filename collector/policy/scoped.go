package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/dockline/dockline/proto/configfile"
)

// sections are the parts of a file whose rules hold for somebody. What is said further down goes before what is said further up, each key on
// its own: a customer's rule before an item's, that before a site's, its region's, its tenant's, and that before the default.
type sections[T any] struct {
	Default   T            `yaml:"default"`
	Tenants   map[string]T `yaml:"tenants"`
	Regions   map[string]T `yaml:"regions"`
	Sites     map[string]T `yaml:"sites"`
	Items     map[string]T `yaml:"items"`
	Customers map[string]T `yaml:"customers"`
}

// sectionNames are those of the parts, the one that goes before all others last.
var sectionNames = []string{"default", "tenants", "regions", "sites", "items", "customers"}

// scoped is a file with sections: it answers what holds for somebody, and which line says so. A type T has yaml tags; its fields may be
// structures and maps of the same kind, which are merged key by key too. Lists are taken whole.
type scoped[T any] struct {
	sections[T]
	file    *configfile.File
	builtIn bool
	// atTop: what holds for all stands at the top of the file, not under default.
	atTop    bool
	region   func(site string) string
	fallback map[string]Said // what holds where no section says anything, by path
}

// Rule is the place of a policy that said something.
type Rule struct {
	File string `json:"file"`
	// Line counts from 1; 0 where the file does not say it and the program does.
	Line int `json:"line,omitempty"`
	// Key is the path of keys there: "customers.C-1001.remainder".
	Key string `json:"key"`
	// BuiltIn: the file is the one that ships, since the folder has none of that name.
	BuiltIn bool `json:"built_in,omitempty"`
}

func (r Rule) String() string {
	where := r.File
	if r.BuiltIn {
		where = "built-in " + where
	}
	if r.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, r.Line)
	}
	return where + " (" + r.Key + ")"
}

// ruleAt is the rule at a key of a file, read anew: only who asks why needs places.
func (p *Policy) ruleAt(name, key string) Rule {
	r := Rule{File: name, Key: key, BuiltIn: isBuiltIn(name, p.files[name])}
	if file, known := p.places.Load(name); known {
		r.Line = file.(*configfile.File).Line(key)
	} else if file, err := configfile.Parse(name, p.files[name]); err == nil {
		p.places.Store(name, file)
		r.Line = file.Line(key)
	}
	return r
}

// Said is one value that holds for somebody, and the rule that decided it.
type Said struct {
	// Key is the path within a section: "remainder".
	Key   string `json:"key"`
	Value any    `json:"value"`
	Rule  Rule   `json:"rule"`
}

// readScoped reads a file of sections; nil where it could not be, the faults then say so. Files with further keys of their own decode
// sections in line and use newScoped.
func readScoped[T any](c *compiler, name string) *scoped[T] {
	var content sections[T]
	file := c.read(name, &content)
	if file == nil {
		return nil
	}
	return newScoped(c, file, content)
}

// readTopped reads a file of sections whose rules for all may stand at its top too, as they did before it had sections.
func readTopped[T any](c *compiler, name string) *scoped[T] {
	var content struct {
		Rules T           `yaml:",inline"`
		Of    sections[T] `yaml:",inline"`
	}
	file := c.read(name, &content)
	if file == nil {
		return nil
	}
	atTop := c.atTop(file, reflect.TypeFor[T]())
	if atTop {
		content.Of.Default = content.Rules
	}
	s := newScoped(c, file, content.Of)
	s.atTop = atTop
	return s
}

// atTop says that what holds for all stands at the top of a file, and not under default; both at once is a fault.
func (c *compiler) atTop(file *configfile.File, rules reflect.Type) bool {
	if !file.Has("default") {
		return true
	}
	for i := range rules.NumField() {
		if key, ok := keyOf(rules.Field(i)); ok && file.Has(key) {
			c.bad(file, key, "the rules for all stand either under default or at the top of the file, not both")
		}
	}
	return false
}

// top is the path of keys to what holds for all.
func (s *scoped[T]) top() string {
	if s.atTop {
		return ""
	}
	return "default"
}

// newScoped makes rules of the sections of a file that is read already. Sections of regions that regions.yaml does not name become warnings.
func newScoped[T any](c *compiler, file *configfile.File, content sections[T]) *scoped[T] {
	for _, name := range slices.Sorted(maps.Keys(content.Regions)) {
		if !slices.Contains(c.policy.Regions(), name) {
			c.warn(file, "regions."+name, "region %q has no sites in regions.yaml, so this holds for nobody", name)
		}
	}
	c.scopes = append(c.scopes, scopesOf(file, content)...)
	s := &scoped[T]{sections: content, file: file, builtIn: isBuiltIn(file.Name, c.policy.files[file.Name]), region: c.policy.Region}
	if c.policy.explainers == nil {
		c.policy.explainers = make(map[string]func(Scope, string) []Said)
	}
	c.policy.explainers[file.Name] = s.explain
	return s
}

// Named is a tenant, a site or a customer that a section names, and where.
type Named struct {
	Section, Name string
	Rule          Rule
}

// Named are all that sections of the policy name.
func (p *Policy) Named() []Named { return p.scopes }

func scopesOf[T any](file *configfile.File, content sections[T]) []Named {
	var found []Named
	for section, names := range map[string]map[string]T{"tenants": content.Tenants, "sites": content.Sites, "customers": content.Customers} {
		for name := range names {
			key := section + "." + name
			found = append(found, Named{section, name, Rule{File: file.Name, Line: file.Line(key), Key: key}})
		}
	}
	return found
}

// isBuiltIn tells whether a file reads like the one that ships.
func isBuiltIn(name string, text []byte) bool {
	shipped, err := builtIn.ReadFile("default/" + name)
	return err == nil && bytes.Equal(shipped, text)
}

// part is one section that holds for somebody, with its path of keys.
type part[T any] struct {
	path  string
	value T
}

// parts are the sections that hold for a scope and an item, the one that goes before all others last.
func (s *scoped[T]) parts(of Scope, item string) []part[T] {
	parts := []part[T]{{s.top(), s.Default}}
	add := func(section string, rules map[string]T, name string) {
		if name == "" {
			return
		}
		if value, ok := rules[name]; ok {
			parts = append(parts, part[T]{section + "." + name, value})
		}
	}
	add("tenants", s.Tenants, of.Tenant)
	add("regions", s.Regions, cmp.Or(of.Region, s.region(of.Site)))
	add("sites", s.Sites, of.Site)
	add("items", s.Items, item)
	add("customers", s.Customers, of.Customer)
	return parts
}

// of is what holds for a scope and an item; an empty name is none.
func (s *scoped[T]) of(of Scope, item string) T {
	parts := s.parts(of, item)
	if len(parts) == 1 {
		return s.Default
	}
	value, _ := s.merge(parts, false)
	return value
}

// explain is what holds for a scope and an item, each value with the rule that decided it, sorted by key.
func (s *scoped[T]) explain(of Scope, item string) []Said {
	_, said := s.merge(s.parts(of, item), true)
	return said
}

// each shows every section to a check, with its path of keys; what the check changes stays.
func (s *scoped[T]) each(check func(section, key string, value *T)) {
	check("default", s.top(), &s.Default)
	for i, rules := range []map[string]T{s.Tenants, s.Regions, s.Sites, s.Items, s.Customers} {
		for _, name := range slices.Sorted(maps.Keys(rules)) {
			value := rules[name]
			check(sectionNames[i+1], sectionNames[i+1]+"."+name, &value)
			rules[name] = value
		}
	}
}
