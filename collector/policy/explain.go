package policy

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Question is what Explain is asked about; what is empty is nobody and nothing in particular.
type Question struct {
	Scope
	Item string
	// Kind is a kind of posting, Code that of an exception, and EventKind the business name of an event ("pick.short").
	Kind      connector.Kind
	Code      string
	EventKind string
	// About is a field, a change of status, a kind of event or an object, as ownership.yaml names it. Nothing else is answered then.
	About string
}

// Answer is what one file says.
type Answer struct {
	File string `json:"file"`
	// About says what the values are about, where the file alone does not.
	About string `json:"about,omitempty"`
	Said  []Said `json:"said"`
}

// Explain says what holds for who and what is asked about, each value with the rule that decided it, file by file.
func (p *Policy) Explain(q Question) []Answer {
	var list []Answer
	add := func(name, about string, said []Said) {
		if len(said) > 0 {
			list = append(list, Answer{name, about, said})
		}
	}
	if q.About != "" {
		add("ownership.yaml", q.About, p.explainAbout(q.Scope, q.About))
		return list
	}
	if region := cmp.Or(q.Region, p.Region(q.Site)); region != "" {
		add("regions.yaml", "", []Said{{Key: "region", Value: region, Rule: p.ruleAt("regions.yaml", "regions."+region)}})
	}
	for _, name := range fileNames() {
		if explain := p.explainers[name]; explain != nil && name != "owners.yaml" {
			add(name, "", explain(q.Scope, q.Item))
		}
	}
	if q.Item != "" {
		add("mapping.yaml", "item "+q.Item, p.explainItem(q.Scope, q.Item))
	}
	if q.Code != "" {
		add("owners.yaml", "exception "+q.Code, p.explainOwner(q.Scope, q.Code))
	}
	if q.EventKind != "" {
		add("ownership.yaml", "event "+q.EventKind, p.explainAbout(q.Scope, q.EventKind))
	}
	for _, kind := range kinds {
		if q.Kind == "" || q.Kind == kind {
			add("routing.yaml", "posting "+string(kind), p.explainRoutes(q.Scope, kind))
		}
	}
	return list
}

// explainItem says which entry of the mapping gives a site's code its item, and what its units are: of each the one that goes before the others.
func (p *Policy) explainItem(of Scope, code string) []Said {
	var spec mappingFile
	if _, err := configfile.Decode("mapping.yaml", p.files["mapping.yaml"], &spec); err != nil {
		return nil // it was read before
	}
	m := p.MappingOf(of.Tenant)
	item, known := m.Item(of.Site, code, "")
	said := []Said{{Key: "item", Value: item, Rule: p.ruleAt("mapping.yaml", join(m.top, "strict"))}}
	if !known {
		said[0].Value = "not known, so its lines wait"
	}
	all := spec.Rules
	if m.top != "" {
		all = spec.Default
	}
	found := false
	for _, section := range []part[mappingSpec]{{"sites." + of.Site, spec.Sites[of.Site]}, {"regions." + p.Region(of.Site), spec.Regions[p.Region(of.Site)]},
		{"tenants." + of.Tenant, spec.Tenants[of.Tenant]}, {m.top, all}} {
		for i, each := range section.value.Items {
			if each.Item != item {
				continue
			}
			at := join(section.path, fmt.Sprintf("items[%d]", i))
			if rule, ok := p.codeAt(at, each, of.Site, code); ok && !found {
				said[0].Rule, found = rule, true
			}
			for _, unit := range slices.Sorted(maps.Keys(each.Units)) {
				if key := "units." + unit; !slices.ContainsFunc(said, func(s Said) bool { return s.Key == key }) {
					said = append(said, Said{Key: key, Value: each.Units[unit], Rule: p.ruleAt("mapping.yaml", at+"."+key)})
				}
			}
		}
	}
	return said
}

// codeAt is where an entry of the mapping names a code, or the item itself by it.
func (p *Policy) codeAt(at string, entry itemSpec, site, code string) (rule Rule, ok bool) {
	for j, c := range entry.Codes {
		if c.Code == code && (c.Site == site || c.Site == "" && !ok) {
			rule, ok = p.ruleAt("mapping.yaml", fmt.Sprintf("%s.codes[%d]", at, j)), true
		}
	}
	if !ok && entry.Item == code {
		return p.ruleAt("mapping.yaml", at), true
	}
	return rule, ok
}

// explainOwner says whose exceptions of a code are, each key by the rule that goes before the others.
func (p *Policy) explainOwner(of Scope, code string) []Said {
	type candidate struct {
		path  string
		owner Owner
	}
	parts := p.owners.parts(of, "")
	slices.Reverse(parts)
	path := func(part, key string) string {
		if part == "default" && !p.owners.file.Has("default") {
			return key
		}
		return part + "." + key
	}
	var list []candidate
	for _, part := range parts {
		if o, ok := part.value.Codes[code]; ok {
			list = append(list, candidate{path(part.path, "codes."+code), o})
		}
	}
	for _, part := range parts {
		if i := slices.IndexFunc(part.value.Patterns, func(r OwnerPattern) bool { return r.fits(code) }); i >= 0 {
			list = append(list, candidate{path(part.path, fmt.Sprintf("patterns[%d]", i)), part.value.Patterns[i].Owner})
		}
	}
	all := p.OwnerFor(of, code, docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED)
	byOwner := all.About != "" && !slices.ContainsFunc(list, func(c candidate) bool { return c.owner.Team != "" })
	for _, part := range parts {
		if o, ok := part.value.Classes[all.Class]; ok {
			list = append(list, candidate{path(part.path, "classes."+all.Class), o})
		}
	}
	leaves := make(map[string]any)
	flatten(reflect.ValueOf(all), "", leaves)
	var said []Said
	for _, key := range slices.Sorted(maps.Keys(leaves)) {
		if team, role := p.TeamOf(of, all.About); key == "team" && byOwner && team != "" {
			said = append(said, Said{Key: key, Value: fmt.Sprintf("%s, for %s owns %s", team, role, all.About), Rule: p.WhyOwner(of, all.About)})
			continue
		}
		for _, c := range list {
			own := make(map[string]any)
			flatten(reflect.ValueOf(c.owner), "", own)
			if v := reflect.ValueOf(own[key]); v.IsValid() && !v.IsZero() {
				said = append(said, Said{Key: key, Value: own[key], Rule: p.ruleAt("owners.yaml", c.path+"."+key)})
				break
			}
		}
	}
	return said
}

// explainRoutes lists the routes of a kind; which holds is known where there is a document.
func (p *Policy) explainRoutes(of Scope, kind connector.Kind) []Said {
	var said []Said
	for _, r := range p.routing.of(of) {
		if r.kind != kind {
			continue
		}
		what := strings.Join(r.targets, ", ")
		if r.source != "" {
			what += " when " + r.source
		}
		if r.priority != PriorityNormal {
			what += ", priority " + string(r.priority)
		}
		said = append(said, Said{Key: string(kind), Value: what, Rule: r.rule})
	}
	return said
}
