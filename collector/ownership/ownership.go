// Package ownership says which system is the record: for each kind of fact, and within it for each field and each change of status. What
// another one claims is stored, not applied, and the same registry says who must look at it.
package ownership

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Role is what part a source of facts plays.
type Role string

const (
	// Site is any plugin of a site: its WMS, its scanners.
	Site Role = "site"
	// SystemOfRecord keeps orders, invoices and the book: most often the ERP.
	SystemOfRecord Role = "system_of_record"
	// CRM keeps customers' contacts and cases.
	CRM Role = "crm"
	// Carrier moves goods between sites and customers, and says where they are; a transport system speaks for all of them.
	Carrier Role = "carrier"
	// API is whoever hands things in at the centre, through the API or by command: a shop, a portal, a person.
	API Role = "api"
	// Dockline is the centre itself.
	Dockline Role = "dockline"
	// Stranger is a source that no policy names.
	Stranger Role = "stranger"
)

// Roles are all that a policy may name as an owner.
func Roles() []Role { return []Role{Site, SystemOfRecord, CRM, Carrier, API, Dockline} }

// Rule gives facts of some kinds, some fields, or some changes of status to their owners: the first of them is the record, and whom exceptions
// about it go to; the others may state it too, and where both have, what the first says holds.
type Rule struct {
	// Exactly one of these names what it is about: kinds by their business names ("pick.short", "order.*"), fields as in the event schema
	// ("order.promised_at", "order.lines.*"), changes of status as object.from>to ("order.submitted>accepted", "order.*>cancelled").
	Kinds       []string `yaml:"kinds"`
	Fields      []string `yaml:"fields"`
	Transitions []string `yaml:"transitions"`
	Owners      []Role   `yaml:"owners"`
	// Key is where it stands in the file: "ownership[3]", "sites.dc-east[0]".
	Key string `yaml:"-"`
}

// Scope is whose facts are looked at; an empty name is none.
type Scope struct {
	Tenant, Region, Site string
}

// Rules are a file: what holds everywhere, and what goes before it in places. Of the rules that name something the first holds, a site's
// before its region's, those before its tenant's.
type Rules struct {
	Everywhere []Rule            `yaml:"ownership"`
	Tenants    map[string][]Rule `yaml:"tenants"`
	Regions    map[string][]Rule `yaml:"regions"`
	Sites      map[string][]Rule `yaml:"sites"`
}

// In is the registry that holds in a scope.
func (r Rules) In(s Scope) *Registry {
	return newRegistry(slices.Concat(r.Sites[s.Site], r.Regions[s.Region], r.Tenants[s.Tenant], r.Everywhere))
}

// Scopes are those that have rules of their own, and the one of everywhere.
func (r Rules) Scopes() []Scope {
	scopes := []Scope{{}}
	for name := range r.Tenants {
		scopes = append(scopes, Scope{Tenant: name})
	}
	for name := range r.Regions {
		scopes = append(scopes, Scope{Region: name})
	}
	for name := range r.Sites {
		scopes = append(scopes, Scope{Site: name})
	}
	return scopes
}

// Registry is who owns what in one scope. It does not change and is safe for concurrent use.
type Registry struct {
	rules []Rule
	// kinds is the rule of each kind, -1 for none; writing what each role may state in facts of each kind.
	kinds   map[docklinev1.EventKind]int
	writing map[of]*Writing
}

type of struct {
	kind docklinev1.EventKind
	role Role
}

func newRegistry(rules []Rule) *Registry {
	r := &Registry{rules: rules, kinds: make(map[docklinev1.EventKind]int), writing: make(map[of]*Writing)}
	for _, kind := range event.Kinds() {
		name := event.KindName(kind)
		r.kinds[kind] = slices.IndexFunc(rules, func(rule Rule) bool { return named(rule.Kinds, name) })
	}
	for _, kind := range event.Kinds() {
		for _, role := range append(Roles(), Stranger) {
			r.writing[of{kind, role}] = r.write(kind, role)
		}
	}
	return r
}

// Owners of a kind, nil where no rule names it.
func (r *Registry) Owners(kind docklinev1.EventKind) []Role {
	if at, ok := r.kinds[kind]; ok && at >= 0 {
		return r.rules[at].Owners
	}
	return nil
}

// Allows tells whether a source in this role may state a fact of this kind, apart from what it changes. A kind that no rule names is anybody's.
func (r *Registry) Allows(kind docklinev1.EventKind, role Role) bool {
	owners := r.Owners(kind)
	return owners == nil || slices.Contains(owners, role)
}

// named tells whether any of some patterns names something: "*" at the end stands for anything.
func named(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		start, open := strings.CutSuffix(pattern, "*")
		return open && strings.HasPrefix(name, start) || pattern == name
	})
}
