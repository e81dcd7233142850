package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
)

// approvals says whose yes a change needs.
type approvals struct {
	Owners map[ownership.Role]string `yaml:"owners"`
	Files  []fileOwner               `yaml:"files"`
}

// fileOwner is the team of a file, or of some keys in it.
type fileOwner struct {
	File string   `yaml:"file"`
	Keys []string `yaml:"keys"`
	Team string   `yaml:"team"`
}

func (c *compiler) readApprovals() {
	var content approvals
	file := c.read("approvals.yaml", &content)
	if file == nil {
		return
	}
	for _, role := range slices.Sorted(maps.Keys(content.Owners)) {
		if !slices.Contains(ownership.Roles(), role) {
			c.bad(file, "owners."+string(role), "%q: one of %v", role, ownership.Roles())
		}
		if content.Owners[role] == "" {
			c.bad(file, "owners."+string(role), "an owner needs a team")
		}
	}
	for i, o := range content.Files {
		key := fmt.Sprintf("files[%d]", i)
		if !slices.Contains(fileNames(), o.File) {
			c.bad(file, key+".file", "%q is not a file of a policy; those are %s", o.File, strings.Join(fileNames(), ", "))
		}
		if o.Team == "" {
			c.bad(file, key, "a file that needs a yes needs the team that gives it")
		}
	}
	c.policy.approvals = content
}

// Demand is a yes that a change needs: of a team, and why.
type Demand struct {
	Team string `json:"team"`
	Why  string `json:"why"`
}

// Demands says which teams must say yes before next comes in force in the place of p, by p's own rules, sorted by team.
func (p *Policy) Demands(next *Policy, changes []Change) []Demand {
	why := make(map[string][]string)
	add := func(team, text string) {
		if team != "" && !slices.Contains(why[team], text) {
			why[team] = append(why[team], text)
		}
	}
	for _, change := range changes {
		for _, o := range p.approvals.Files {
			if o.File == change.File && (len(o.Keys) == 0 || slices.ContainsFunc(o.Keys, func(key string) bool { return within(change.Key, key) })) {
				add(o.Team, "changes "+change.File)
			}
		}
	}
	for _, role := range p.changedOwners(next) {
		add(p.approvals.Owners[role], "changes what "+string(role)+" owns")
	}
	for name, roles := range p.changedTargets(next) {
		for _, role := range roles {
			add(p.approvals.Owners[role], "changes what target "+name+" is told")
		}
	}
	var list []Demand
	for _, team := range slices.Sorted(maps.Keys(why)) {
		slices.Sort(why[team])
		list = append(list, Demand{team, strings.Join(why[team], "; ")})
	}
	return list
}

// within tells whether a key is a pattern or stands below it.
func within(key, pattern string) bool {
	pattern = strings.TrimSuffix(pattern, ".*")
	rest, ok := strings.CutPrefix(key, pattern)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// changedOwners are the owners, before or after, of what has other owners under next: kinds, fields and changes of status, everywhere or in a place.
func (p *Policy) changedOwners(next *Policy) []ownership.Role {
	changed := make(map[ownership.Role]bool)
	for _, scope := range append(p.owned.rules.Scopes(), next.owned.rules.Scopes()...) {
		before, after := p.owned.rules.In(scope), next.owned.rules.In(scope)
		for _, about := range ownership.All() {
			was, _ := before.About(about)
			is, _ := after.About(about)
			if slices.Equal(was.Owners, is.Owners) {
				continue
			}
			for _, role := range append(slices.Clone(was.Owners), is.Owners...) {
				changed[role] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// changedTargets are the targets that are new, gone, or told of other things, with the roles that they had or get.
func (p *Policy) changedTargets(next *Policy) map[string][]ownership.Role {
	told := func(p *Policy) map[string]string {
		all := make(map[string]string)
		for _, t := range p.Targets {
			all[t.Name] = string(t.Role)
		}
		for _, r := range p.routing.all() {
			for _, name := range r.targets {
				all[name] += fmt.Sprintf("\n%s of %s when %q, %s", r.kind, r.section, r.source, r.priority)
			}
		}
		for _, section := range slices.Sorted(maps.Keys(p.routing.bySection)) { // what is said for a section takes away from all what is said for all
			for name := range all {
				all[name] += fmt.Sprintf("\n%s has routes of its own", section)
			}
		}
		return all
	}
	was, is := told(p), told(next)
	changed := make(map[string][]ownership.Role)
	for _, list := range []map[string]string{was, is} {
		for name := range list {
			if was[name] != is[name] {
				changed[name] = append(p.rolesOf(name), next.rolesOf(name)...)
			}
		}
	}
	return changed
}

func (p *Policy) rolesOf(target string) []ownership.Role {
	for _, t := range p.Targets {
		if t.Name == target {
			return []ownership.Role{t.Role}
		}
	}
	return nil
}

// Kinds are the postings that a route can name.
func Kinds() []connector.Kind { return slices.Clone(kinds) }
