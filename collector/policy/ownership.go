package policy

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// owned is the rules of ownership.yaml, and the registries that were asked for.
type owned struct {
	rules ownership.Rules
	mu    *sync.Mutex
	in    map[ownership.Scope]*ownership.Registry
}

func (c *compiler) ownership() {
	var rules ownership.Rules
	file := c.read("ownership.yaml", &rules)
	if file == nil {
		return
	}
	for _, fault := range rules.Check() {
		c.bad(file, fault.Key, "%s", fault.Text)
	}
	rules.Each(func(key string, rule *ownership.Rule) { rule.Where = file.Line(key) })
	c.policy.Ownership = rules.In(ownership.Scope{})
	c.policy.owned = owned{rules: rules, mu: new(sync.Mutex), in: make(map[ownership.Scope]*ownership.Registry)}
}

// OwnershipIn is who owns what at a site of a tenant; empty names are none.
func (p *Policy) OwnershipIn(tenant, site string) *ownership.Registry {
	o := &p.owned
	if len(o.rules.Tenants)+len(o.rules.Regions)+len(o.rules.Sites) == 0 {
		return p.Ownership
	}
	scope := ownership.Scope{Tenant: tenant, Site: site}
	if _, ok := o.rules.Tenants[tenant]; !ok {
		scope.Tenant = ""
	}
	if _, ok := o.rules.Sites[site]; !ok {
		scope.Site = ""
	}
	if scope == (ownership.Scope{}) {
		return p.Ownership
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.in[scope] == nil {
		o.in[scope] = o.rules.In(scope)
	}
	return o.in[scope]
}

// OwnershipOf is who owns what where a fact of a tenant happened: at its site, or at the one that it names.
func (p *Policy) OwnershipOf(tenant string, e *docklinev1.Event) *ownership.Registry {
	site := e.GetSite()
	if len(p.owned.rules.Sites)+len(p.owned.rules.Regions) > 0 && site == "" {
		if named, ok := event.Payload(e).(interface{ GetSite() string }); ok {
			site = named.GetSite()
		}
	}
	return p.OwnershipIn(tenant, site)
}

// TeamOf is who must act on what is about a field, a change of status, a kind of fact or an object: the team of its owner, that of the owner's
// system going before that of its role. ok is false where nobody owns it or the owner has no team.
func (p *Policy) TeamOf(about, tenant, site string) (team string, owner ownership.Role, ok bool) {
	answer, ok := p.OwnershipIn(tenant, site).About(about)
	if !ok {
		return "", "", false
	}
	owner = answer.Owner()
	for _, name := range p.OfRole(owner) {
		if team := p.owners.Systems[name]; team != "" {
			return team, owner, true
		}
	}
	team = p.owners.Roles[owner]
	return team, owner, team != ""
}

// OwnerOf is who must act on an exception: by its code where owners.yaml gives that a team, else the team of who owns what it is about, else by
// its class. An empty about is what owners.yaml says of the code.
func (p *Policy) OwnerOf(code string, class docklinev1.FaultClass, about, tenant, site string) Owner {
	byCode, byClass := p.owners.Codes[code], p.owners.Classes[classNames[class]]
	o := Owner{About: cmp.Or(about, byCode.About), Severity: cmp.Or(byCode.Severity, byClass.Severity), Due: cmp.Or(byCode.Due, byClass.Due)}
	if o.Team = byCode.Team; o.Team == "" && o.About != "" {
		o.Team, _, _ = p.TeamOf(o.About, tenant, site)
	}
	o.Team = cmp.Or(o.Team, byClass.Team)
	return o
}

func (c *compiler) teamsOfOwners(file *configfile.File, o Owners) {
	for _, role := range slices.Sorted(maps.Keys(o.Roles)) {
		switch {
		case !slices.Contains(ownership.Roles(), role):
			c.bad(file, "roles."+string(role), "%q: one of %v", role, ownership.Roles())
		case o.Roles[role] == "":
			c.bad(file, "roles."+string(role), "the role needs a team")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Systems)) {
		switch {
		case !slices.ContainsFunc(c.policy.Targets, func(t Target) bool { return t.Name == name }):
			c.bad(file, "systems."+name, "%q is not in targets.yaml", name)
		case o.Systems[name] == "":
			c.bad(file, "systems."+name, "the system needs a team")
		}
	}
	for _, code := range slices.Sorted(maps.Keys(o.Codes)) {
		if about := o.Codes[code].About; about != "" && !ownership.Known(about) {
			c.bad(file, "codes."+code+".about", "%q is no field, change of status, kind of event or object: write it as ownership.yaml does", about)
		}
	}
}
