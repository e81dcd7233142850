package policy

import (
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
	rules.Each(func(key string, rule *ownership.Rule) { rule.Key = key })
	c.policy.Ownership = rules.In(ownership.Scope{})
	c.policy.owned = owned{rules: rules, mu: new(sync.Mutex), in: make(map[ownership.Scope]*ownership.Registry)}
}

// OwnershipIn is who owns what in a scope; customers have no registry of their own.
func (p *Policy) OwnershipIn(of Scope) *ownership.Registry {
	o := &p.owned
	scope := ownership.Scope{}
	if _, ok := o.rules.Tenants[of.Tenant]; ok {
		scope.Tenant = of.Tenant
	}
	if _, ok := o.rules.Regions[of.Region]; ok {
		scope.Region = of.Region
	}
	if _, ok := o.rules.Sites[of.Site]; ok {
		scope.Site = of.Site
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
	return p.OwnershipIn(p.Scope(tenant, site, ""))
}

// TeamOf is who must act on what is about a field, a change of status, a kind of fact or an object: the team of its owner, that of the owner's
// system going before that of its role; "" where nobody owns it or the owner has no team. owner is the role.
func (p *Policy) TeamOf(of Scope, about string) (team string, owner ownership.Role) {
	answer, ok := p.OwnershipIn(of).About(about)
	if !ok {
		return "", ""
	}
	owner = answer.Owner()
	parts := p.owners.parts(of, "")
	slices.Reverse(parts)
	for _, name := range p.OfRole(owner) {
		for _, part := range parts {
			if team := part.value.Systems[name]; team != "" {
				return team, owner
			}
		}
	}
	for _, part := range parts {
		if team := part.value.Roles[owner]; team != "" {
			return team, owner
		}
	}
	return "", owner
}

// explainAbout says who owns something, who else may state it, and who must act on what goes wrong with it.
func (p *Policy) explainAbout(of Scope, about string) []Said {
	if of.Region == "" {
		of.Region = p.Region(of.Site)
	}
	switch answer, ok := p.OwnershipIn(of).About(about); {
	case ok:
		rule := p.ruleAt("ownership.yaml", answer.Key)
		said := []Said{{Key: "owner", Value: answer.Owner(), Rule: rule}, {Key: "decided by", Value: "the rule of its " + answer.By, Rule: rule}}
		if len(answer.Owners) > 1 {
			said = append(said, Said{Key: "may state it too", Value: answer.Owners[1:], Rule: rule})
		}
		if team, _ := p.TeamOf(of, about); team != "" {
			said = append(said, Said{Key: "team", Value: team, Rule: p.ruleAt("owners.yaml", p.roleKey(of, answer.Owner()))})
		}
		return said
	case !ownership.Known(about):
		return []Said{{Key: "owner", Value: "there is no such field, change of status, kind of event or object", Rule: Rule{File: "ownership.yaml"}}}
	}
	return []Said{{Key: "owner", Value: "anybody", Rule: Rule{File: "ownership.yaml"}}}
}

// roleKey is where owners.yaml names the team of an owner: of a system of that role, or of the role.
func (p *Policy) roleKey(of Scope, owner ownership.Role) string {
	parts := p.owners.parts(of, "")
	slices.Reverse(parts)
	for _, name := range p.OfRole(owner) {
		for _, part := range parts {
			if part.value.Systems[name] != "" {
				return p.ownersKey(part.path, "systems."+name)
			}
		}
	}
	for _, part := range parts {
		if part.value.Roles[owner] != "" {
			return p.ownersKey(part.path, "roles."+string(owner))
		}
	}
	return ""
}

// ownersKey is a key of a section of owners.yaml, where the rules for all may stand at the top.
func (p *Policy) ownersKey(section, key string) string {
	if section == "default" && !p.owners.file.Has("default") {
		return key
	}
	return join(section, key)
}

func (c *compiler) teamsOfOwners(file *configfile.File, key string, o *OwnerRules) {
	team := func(at, name string) {
		if name == "" {
			c.bad(file, at, "name the team")
		} else if _, ok := c.policy.teams[name]; !ok {
			c.policy.teams[name] = Team{}
		}
	}
	for _, role := range slices.Sorted(maps.Keys(o.Roles)) {
		at := join(key, "roles."+string(role))
		if !slices.Contains(ownership.Roles(), role) {
			c.bad(file, at, "%q: one of %v", role, ownership.Roles())
		}
		team(at, o.Roles[role])
	}
	for _, name := range slices.Sorted(maps.Keys(o.Systems)) {
		at := join(key, "systems."+name)
		if !slices.ContainsFunc(c.policy.Targets, func(t Target) bool { return t.Name == name }) {
			c.bad(file, at, "%q is not in targets.yaml", name)
		}
		team(at, o.Systems[name])
	}
}
