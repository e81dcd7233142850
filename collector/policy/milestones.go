package policy

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/proto/event"
)

// milestoneRules are definitions by name.
type milestoneRules map[string]milestone.Definition

// milestones is milestones.yaml.
type milestones struct {
	*scoped[milestoneRules]
	// resolved are the definitions by the sections that hold for a scope: there are as many as the file makes of them.
	mu       sync.Mutex
	resolved map[string][]milestone.Definition
}

// Milestones are the milestones of an object ("order") that hold for a scope, by name. The list is not to be changed.
func (p *Policy) Milestones(of Scope, object string) []milestone.Definition {
	m := p.milestones
	var names []string
	for _, part := range m.parts(of, "") {
		names = append(names, part.path)
	}
	key := strings.Join(names, "\x00") + "\x00" + object
	m.mu.Lock()
	defer m.mu.Unlock()
	list, ok := m.resolved[key]
	if !ok {
		list = definitions(m.of(of, ""), object)
		m.resolved[key] = list
	}
	return list
}

func definitions(rules milestoneRules, object string) (list []milestone.Definition) {
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if d := rules[name]; d.Of == object && !d.Off {
			d.Name = name
			list = append(list, d)
		}
	}
	return list
}

// MilestoneNames are all that milestones.yaml names, for whomever.
func (p *Policy) MilestoneNames() []string {
	var names []string
	p.milestones.each(func(_, _ string, rules *milestoneRules) { names = slices.AppendSeq(names, maps.Keys(*rules)) })
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *compiler) milestones() {
	rules := readScoped[milestoneRules](c, "milestones.yaml")
	if rules == nil {
		return
	}
	rules.each(func(section, key string, of *milestoneRules) {
		base := part[milestoneRules]{"default", rules.Default}
		merged := rules.Default
		if section != "default" {
			merged, _ = rules.merge([]part[milestoneRules]{base, {key, *of}}, false)
		}
		for _, name := range slices.Sorted(maps.Keys(*of)) {
			c.milestone(rules, section, key+"."+name, name, merged[name])
		}
	})
	c.policy.milestones = &milestones{scoped: rules, resolved: make(map[string][]milestone.Definition)}
}

// milestone checks one definition as it holds for a section.
func (c *compiler) milestone(rules *scoped[milestoneRules], section, key, name string, d milestone.Definition) {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		c.bad(rules.file, key, "%q: a milestone's name is of small letters, digits and _", name)
	}
	switch {
	case section == "items":
		c.bad(rules.file, key, "a milestone is of a whole order, shipment or return: it can be said by tenant, region, site and customer, not by item")
		return
	case section == "customers" && d.Of == milestone.Shipment:
		c.bad(rules.file, key, "a shipment may have goods of several customers: say it by site, or as a milestone of the order")
		return
	}
	faults := d.Check(func(kind string) bool { _, ok := event.ParseKind(kind); return ok })
	if !c.policy.hasCalendar(d.Calendar) {
		faults["calendar"] = "calendars.yaml has no calendar " + d.Calendar
	}
	if _, ok := severities[d.Severity]; d.Severity != "" && !ok {
		faults["severity"] = d.Severity + ": one of info, warning, error"
	}
	for _, field := range slices.Sorted(maps.Keys(faults)) {
		c.bad(rules.file, key+"."+field, "%s", faults[field])
	}
}
