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
	add("timing.yaml", "", p.flat("timing.yaml", p.Timing))
	if q.Item != "" {
		add("mapping.yaml", "item "+q.Item, p.explainItem(q.Site, q.Item))
	}
	if q.Code != "" {
		add("owners.yaml", "exception "+q.Code, p.explainOwner(q.Scope, q.Code))
	}
	if q.EventKind != "" {
		add("ownership.yaml", "event "+q.EventKind, p.explainAbout(q.Scope, q.EventKind))
	}
	for _, kind := range kinds {
		if q.Kind == "" || q.Kind == kind {
			add("routing.yaml", "posting "+string(kind), p.explainRoutes(kind))
		}
	}
	return list
}

// flat is every value of a file without sections.
func (p *Policy) flat(name string, content any) []Said {
	leaves := make(map[string]any)
	flatten(reflect.ValueOf(content), "", leaves)
	var said []Said
	for _, key := range slices.Sorted(maps.Keys(leaves)) {
		said = append(said, Said{Key: key, Value: leaves[key], Rule: p.ruleAt(name, key)})
	}
	return said
}

// explainItem says which entry of the mapping gives a site's code its item, and what its units are.
func (p *Policy) explainItem(site, code string) []Said {
	var spec mappingSpec
	if _, err := configfile.Decode("mapping.yaml", p.files["mapping.yaml"], &spec); err != nil {
		return nil // it was read before
	}
	item, known := p.Mapping.Item(site, code, "")
	said := []Said{{Key: "item", Value: item, Rule: p.ruleAt("mapping.yaml", "strict")}}
	if !known {
		said[0].Value = "not known, so its lines wait"
	}
	for i, each := range spec.Items {
		if each.Item != item {
			continue
		}
		at := fmt.Sprintf("items[%d]", i)
		said[0].Rule = p.ruleAt("mapping.yaml", at)
		for j, c := range each.Codes {
			if c.Code == code && (c.Site == site || c.Site == "") {
				said[0].Rule = p.ruleAt("mapping.yaml", fmt.Sprintf("%s.codes[%d]", at, j))
				if c.Site == site {
					break
				}
			}
		}
		for _, unit := range slices.Sorted(maps.Keys(each.Units)) {
			said = append(said, Said{Key: "units." + unit, Value: each.Units[unit], Rule: p.ruleAt("mapping.yaml", at+".units."+unit)})
		}
	}
	return said
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
func (p *Policy) explainRoutes(kind connector.Kind) []Said {
	var said []Said
	for i := range p.routes {
		r := &p.routes[i]
		if r.kind != kind {
			continue
		}
		what := strings.Join(r.targets, ", ")
		if r.source != "" {
			what += " when " + r.source
		}
		said = append(said, Said{Key: string(kind), Value: what, Rule: r.rule})
	}
	return said
}
