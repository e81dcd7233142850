package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/proto/configfile"
)

// Release is a change that others make to one of their systems; default/releases.yaml says what each key is.
type Release struct {
	System   string           `yaml:"system" json:"system"`
	Name     string           `yaml:"name" json:"name"`
	Date     string           `yaml:"date" json:"date"`
	Zone     string           `yaml:"zone" json:"zone,omitempty"`
	Changes  string           `yaml:"changes" json:"changes"`
	Fields   []string         `yaml:"fields" json:"fields,omitempty"`
	Kinds    []connector.Kind `yaml:"kinds" json:"kinds,omitempty"`
	Items    []string         `yaml:"items" json:"items,omitempty"`
	Sites    []string         `yaml:"sites" json:"sites,omitempty"`
	Team     string           `yaml:"team" json:"team,omitempty"`
	Warn     time.Duration    `yaml:"warn" json:"-"`
	Calendar string           `yaml:"calendar" json:"calendar,omitempty"`
	// Rule is where it is said.
	Rule Rule `yaml:"-" json:"rule"`
}

// Releases are those of releases.yaml, the next first.
func (p *Policy) Releases() []Release { return p.releases }

// Begins is the moment at which its day begins.
func (r Release) Begins() time.Time {
	at, err := time.ParseInLocation(time.DateOnly, r.Date, zoneOf(r.Zone))
	if err != nil {
		return time.Time{} // it was checked when it was read
	}
	return at
}

// Ends is the end of its day.
func (r Release) Ends() time.Time { return r.Begins().AddDate(0, 0, 1) }

// Due says whether people are to be warned of a release now: it comes within its time of warning, and its day is not over.
func (p *Policy) Due(r Release, now time.Time) bool {
	return now.Before(r.Ends()) && p.Calendar(r.Calendar).Between(now, r.Begins()) <= r.Warn
}

// Affected is what a release touches under a policy.
type Affected struct {
	Release
	// Role is the part that the system plays.
	Role ownership.Role `json:"role"`
	// Flows are the routes to the system of the kinds that it touches.
	Flows []Flow `json:"flows"`
	// Owned are the fields and changes of status that it touches, each with its owner and the rule that says so.
	Owned []Owned `json:"owned,omitempty"`
	// Mappings are the entries of mapping.yaml that it touches.
	Mappings []Rule `json:"mappings,omitempty"`
	// Teams are warned.
	Teams []string `json:"teams"`
}

// Flow is a kind of posting that goes to a system, by a route.
type Flow struct {
	Kind connector.Kind `json:"kind"`
	When string         `json:"when,omitempty"`
	Rule Rule           `json:"rule"`
}

// Owned is a field or a change of status and who owns it.
type Owned struct {
	About string         `json:"about"`
	Owner ownership.Role `json:"owner,omitempty"`
	Team  string         `json:"team,omitempty"`
	Rule  Rule           `json:"rule"`
}

// Affected says what a release touches.
func (p *Policy) Affected(r Release) Affected {
	a := Affected{Release: r, Flows: []Flow{}}
	teams := map[string]bool{}
	for _, role := range p.rolesOf(r.System) {
		a.Role = role
		teams[p.teamOfSystem(r.System, role)] = true
	}
	for _, route := range p.routing.all() {
		if slices.Contains(route.targets, r.System) && (len(r.Kinds) == 0 || slices.Contains(r.Kinds, route.kind)) {
			a.Flows = append(a.Flows, Flow{route.kind, route.source, route.rule})
		}
	}
	for _, pattern := range r.Fields {
		for _, about := range ownership.All() {
			if !ownership.Matches(pattern, about) {
				continue
			}
			owned := Owned{About: about, Rule: p.WhyOwner(Scope{}, about)}
			owned.Team, owned.Owner = p.TeamOf(Scope{}, about)
			teams[owned.Team] = true
			a.Owned = append(a.Owned, owned)
		}
	}
	a.Mappings = p.mappingsOf(r.Items)
	delete(teams, "")
	if a.Teams = slices.Sorted(maps.Keys(teams)); r.Team != "" {
		a.Teams = []string{r.Team}
	}
	return a
}

// teamOfSystem is who looks after a system: its own team, or that of its role.
func (p *Policy) teamOfSystem(name string, role ownership.Role) string {
	return cmp.Or(p.owners.Default.Systems[name], p.owners.Default.Roles[role])
}

// mappingsOf are the entries of the mapping about items, by any code that they have.
func (p *Policy) mappingsOf(items []string) (rules []Rule) {
	var spec mappingFile
	if len(items) == 0 {
		return nil
	}
	if _, err := configfile.Decode("mapping.yaml", p.files["mapping.yaml"], &spec); err != nil {
		return nil // it was read before
	}
	at := func(section string, of mappingSpec) {
		for i, each := range of.Items {
			if slices.Contains(items, each.Item) || slices.ContainsFunc(each.Codes, func(c codeSpec) bool { return slices.Contains(items, c.Code) }) {
				rules = append(rules, p.ruleAt("mapping.yaml", join(section, fmt.Sprintf("items[%d]", i))))
			}
		}
	}
	at("", spec.Rules)
	at("default", spec.Default)
	for section, all := range map[string]map[string]mappingSpec{"tenants": spec.Tenants, "regions": spec.Regions, "sites": spec.Sites} {
		for name, of := range all {
			at(section+"."+name, of)
		}
	}
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Compare(a.Line, b.Line) })
	return rules
}

func (c *compiler) readReleases() {
	var content struct {
		Releases []Release     `yaml:"releases"`
		Warn     time.Duration `yaml:"warn"`
	}
	file := c.read("releases.yaml", &content)
	if file == nil {
		return
	}
	if content.Warn < 0 {
		c.bad(file, "warn", "a time before cannot be below zero")
	}
	seen := map[[2]string]bool{}
	for i := range content.Releases {
		r, key := &content.Releases[i], fmt.Sprintf("releases[%d]", i)
		r.Rule = Rule{File: file.Name, Line: file.Line(key), Key: key}
		if !file.Has(key + ".warn") {
			r.Warn = content.Warn
		}
		if seen[[2]string{r.System, r.Name}] {
			c.bad(file, key, "release %s of %s is there twice", r.Name, r.System)
		}
		seen[[2]string{r.System, r.Name}] = true
		c.release(file, key, *r)
	}
	slices.SortStableFunc(content.Releases, func(a, b Release) int { return a.Begins().Compare(b.Begins()) })
	c.policy.releases = content.Releases
}

func (c *compiler) release(file *configfile.File, key string, r Release) {
	switch {
	case r.Name == "":
		c.bad(file, key+".name", "say what the release is called, so that people know which one is meant")
	case len(c.policy.rolesOf(r.System)) == 0:
		c.bad(file, key+".system", "%q is not in targets.yaml", r.System)
	}
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		c.bad(file, key+".date", "%q: give the day on which it begins, like 2027-02-15", r.Date)
	}
	if r.Changes == "" {
		c.bad(file, key+".changes", "say in a sentence what changes")
	}
	if r.Warn < 0 {
		c.bad(file, key+".warn", "a time before cannot be below zero")
	}
	c.zoneAndCalendar(file, key, r.Zone, r.Calendar)
	for i, pattern := range r.Fields {
		if !slices.ContainsFunc(ownership.All(), func(about string) bool { return ownership.Matches(pattern, about) }) {
			c.bad(file, fmt.Sprintf("%s.fields[%d]", key, i), "%q is no field or change of status: write it as ownership.yaml does", pattern)
		}
	}
	for i, kind := range r.Kinds {
		if !slices.Contains(kinds, kind) {
			c.bad(file, fmt.Sprintf("%s.kinds[%d]", key, i), "%q: one of %v", kind, kinds)
		}
	}
	if _, ok := c.policy.teams[r.Team]; !ok && r.Team != "" {
		c.policy.teams[r.Team] = Team{}
	}
}
