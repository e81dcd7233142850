package policy

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Owner is whose an exception is, how bad it is, and what happens when nobody acts.
type Owner struct {
	// Class is technical, data or process; "" is what its finder says. A code has one class, whoever it is about.
	Class string `yaml:"class"`
	Team  string `yaml:"team"`
	// About is what the exception is about, as ownership.yaml names it: where no code or pattern says a team, its owner's must act.
	About    string `yaml:"about"`
	Severity string `yaml:"severity"`
	// Due is how long the team has, of the working time of Calendar. It is never 0 in what Owner returns.
	Due      time.Duration `yaml:"due"`
	Calendar string        `yaml:"calendar"`
	// Escalation is a name under escalations, or "none".
	Escalation string `yaml:"escalation"`
	// Waive is "allow" where a person may close it although its cause stays.
	Waive string `yaml:"waive"`

	byCode bool // Severity was said of the code, not of the class
}

// OwnerRules give exceptions to teams, by code or else by class.
type OwnerRules struct {
	Classes map[string]Owner `yaml:"classes"`
	Codes   map[string]Owner `yaml:"codes"`
	// Patterns are for codes that connectors and plugins put together: "shipment_*". The first that fits says what the code itself does not.
	Patterns []OwnerPattern `yaml:"patterns"`
	// Roles and Systems are the teams of those who own things, a system's by the name of its connector.
	Roles   map[ownership.Role]string `yaml:"roles"`
	Systems map[string]string         `yaml:"systems"`
}

// OwnerPattern is a rule for the codes that Match fits; * stands for any text.
type OwnerPattern struct {
	Match string `yaml:"match"`
	Owner `yaml:",inline"`
}

// ownersFile is owners.yaml: what stands outside of the sections is the default.
type ownersFile struct {
	Rules       OwnerRules            `yaml:",inline"`
	Of          sections[OwnerRules]  `yaml:",inline"`
	Teams       map[string]Team       `yaml:"teams"`
	Escalations map[string]Escalation `yaml:"escalations"`
	Notices     Notices               `yaml:"notices"`
}

// defaultDue stands in for a class that says no due time, in folders from before every exception had one.
const defaultDue = 4 * time.Hour

// Owner is whose exceptions of this code are, for nobody in particular. class is what their finder says.
func (p *Policy) Owner(code string, class docklinev1.FaultClass) Owner {
	return p.OwnerFor(Scope{}, code, class)
}

// OwnerFor is whose exceptions of this code are where they are about a scope. What is said of the code goes before what is said of its
// class, and in both the customer before the site, its region, the tenant and all.
func (p *Policy) OwnerFor(of Scope, code string, class docklinev1.FaultClass) Owner {
	return p.OwnerAbout(of, code, class, "")
}

// OwnerAbout is OwnerFor of an exception that is about a field, a change of status, a kind of fact or an object, whatever is said of its code:
// without a team for the code, the team of who owns that must act.
func (p *Policy) OwnerAbout(of Scope, code string, class docklinev1.FaultClass, about string) Owner {
	parts := p.owners.parts(of, "")
	slices.Reverse(parts)
	var o Owner
	for _, part := range parts {
		o = o.or(part.value.Codes[code])
	}
	for _, part := range parts {
		if i := slices.IndexFunc(part.value.Patterns, func(r OwnerPattern) bool { return r.fits(code) }); i >= 0 {
			o = o.or(part.value.Patterns[i].Owner)
		}
	}
	o.byCode, o.About = o.Severity != "", cmp.Or(about, o.About)
	if o.Team == "" && o.About != "" {
		o.Team, _ = p.TeamOf(of, o.About)
	}
	name := classNames[o.ClassOf(class)]
	for _, part := range parts {
		o = o.or(part.value.Classes[name])
	}
	o.Class, o.Due = name, cmp.Or(o.Due, defaultDue)
	return o
}

// or adds what o does not say from another rule.
func (o Owner) or(other Owner) Owner {
	return Owner{Class: cmp.Or(o.Class, other.Class), Team: cmp.Or(o.Team, other.Team), About: cmp.Or(o.About, other.About), Severity: cmp.Or(o.Severity, other.Severity), Due: cmp.Or(o.Due, other.Due),
		Calendar: cmp.Or(o.Calendar, other.Calendar), Escalation: cmp.Or(o.Escalation, other.Escalation), Waive: cmp.Or(o.Waive, other.Waive), byCode: o.byCode}
}

func (r OwnerPattern) fits(code string) bool {
	ok, err := path.Match(r.Match, code)
	return ok && err == nil
}

// ClassOf is the rule's class, or else the finder's; what has neither is technical.
func (o Owner) ClassOf(finder docklinev1.FaultClass) docklinev1.FaultClass {
	for class, name := range classNames {
		if name == o.Class {
			return class
		}
	}
	if _, ok := classNames[finder]; ok {
		return finder
	}
	return docklinev1.FaultClass_FAULT_CLASS_TECHNICAL
}

// MayWaive says whether a person may close it although its cause stays.
func (o Owner) MayWaive() bool { return o.Waive == "allow" }

var classNames = map[docklinev1.FaultClass]string{
	docklinev1.FaultClass_FAULT_CLASS_TECHNICAL: "technical",
	docklinev1.FaultClass_FAULT_CLASS_DATA:      "data",
	docklinev1.FaultClass_FAULT_CLASS_PROCESS:   "process",
}

// SeverityOf is the rule's severity for the wire, a warning where it says none.
func (o Owner) SeverityOf() docklinev1.Severity {
	if s, ok := severities[o.Severity]; ok {
		return s
	}
	return docklinev1.Severity_SEVERITY_WARNING
}

// SeverityFor is how bad an exception is whose finder says this: what is said of its code goes before the finder's word, and that before what
// is said of its class.
func (o Owner) SeverityFor(finder docklinev1.Severity) docklinev1.Severity {
	if finder == docklinev1.Severity_SEVERITY_UNSPECIFIED || o.byCode {
		return o.SeverityOf()
	}
	return finder
}

var severities = map[string]docklinev1.Severity{
	"info":    docklinev1.Severity_SEVERITY_INFO,
	"warning": docklinev1.Severity_SEVERITY_WARNING,
	"error":   docklinev1.Severity_SEVERITY_ERROR,
}

// Codes are those that the table knows by name, sorted.
func (p *Policy) Codes() []string { return slices.Sorted(maps.Keys(p.owners.Default.Codes)) }

// Matching are the names of the default rules for a code alone: its own, or else the patterns that fit it.
func (p *Policy) Matching(code string) []string {
	if _, ok := p.owners.Default.Codes[code]; ok {
		return []string{code}
	}
	var names []string
	for _, r := range p.owners.Default.Patterns {
		if r.fits(code) {
			names = append(names, r.Match)
		}
	}
	return names
}

// Teams are all that any rule names, sorted.
func (p *Policy) Teams() []string { return slices.Sorted(maps.Keys(p.teams)) }

func (c *compiler) owners() {
	var content ownersFile
	file := c.read("owners.yaml", &content)
	if file == nil {
		return
	}
	if !file.Has("default") {
		content.Of.Default = content.Rules
	} else if file.Has("classes") || file.Has("codes") || file.Has("patterns") {
		c.bad(file, "default", "the rules for all stand either under default or at the top of the file, not both")
	}
	for _, name := range slices.Sorted(maps.Values(classNames)) {
		if content.Of.Default.Classes[name].Team == "" {
			c.bad(file, "classes."+name, "exceptions of class %s need a team", name)
		}
	}
	p := c.policy
	p.escalations, p.teams, p.Notices = content.Escalations, maps.Clone(content.Teams), content.Notices
	if p.teams == nil {
		p.teams = make(map[string]Team)
	}
	c.escalating(file)
	p.owners = newScoped(c, file, content.Of)
	p.owners.each(func(section, key string, rules *OwnerRules) {
		if section == "default" && !file.Has("default") {
			key = ""
		}
		if section == "items" {
			c.bad(file, key, "exceptions belong to teams by tenant, region, site or customer, not by item")
		}
		c.checkOwners(file, section, key, rules)
	})
}

// checkOwners looks at the rules of one section.
func (c *compiler) checkOwners(file *configfile.File, section, key string, rules *OwnerRules) {
	for _, name := range slices.Sorted(maps.Keys(rules.Classes)) {
		at := join(key, "classes."+name)
		if !slices.Contains(slices.Collect(maps.Values(classNames)), name) {
			c.bad(file, at, "%q: technical, data or process", name)
		}
		if rules.Classes[name].Class != "" {
			c.bad(file, at+".class", "a class has no class")
		}
		c.checkOwner(file, section, at, rules.Classes[name])
	}
	for _, name := range slices.Sorted(maps.Keys(rules.Codes)) {
		c.checkOwner(file, section, join(key, "codes."+name), rules.Codes[name])
	}
	for i, r := range rules.Patterns {
		at := join(key, fmt.Sprintf("patterns[%d]", i))
		if _, err := path.Match(r.Match, ""); err != nil || r.Match == "" {
			c.bad(file, at+".match", "%q is no pattern; write a code in which * stands for any text", r.Match)
		}
		c.checkOwner(file, section, at, r.Owner)
	}
	c.teamsOfOwners(file, key, rules)
}

func (c *compiler) checkOwner(file *configfile.File, section, key string, o Owner) {
	p := c.policy
	if _, ok := severities[o.Severity]; !ok && o.Severity != "" {
		c.bad(file, key+".severity", "%q: info, warning or error", o.Severity)
	}
	if o.Due < 0 {
		c.bad(file, key+".due", "%s is below zero", o.Due)
	}
	if o.Class != "" && !slices.Contains(slices.Collect(maps.Values(classNames)), o.Class) {
		c.bad(file, key+".class", "%q: technical, data or process", o.Class)
	}
	if o.Class != "" && section != "default" {
		c.bad(file, key+".class", "what an exception is does not hang on whom it is about; say the class with the rules for all")
	}
	if o.About != "" && !ownership.Known(o.About) {
		c.bad(file, key+".about", "%q is no field, change of status, kind of event or object: write it as ownership.yaml does", o.About)
	}
	if !p.hasCalendar(o.Calendar) {
		c.bad(file, key+".calendar", "%q is not in calendars.yaml", o.Calendar)
	}
	if _, ok := p.escalations[o.Escalation]; !ok && o.Escalation != "" && o.Escalation != "none" {
		c.bad(file, key+".escalation", "%q is not under escalations; there are %s and none", o.Escalation, strings.Join(slices.Sorted(maps.Keys(p.escalations)), ", "))
	}
	if o.Waive != "" && o.Waive != "allow" && o.Waive != "forbid" {
		c.bad(file, key+".waive", "%q: allow or forbid", o.Waive)
	}
	if _, ok := p.teams[o.Team]; !ok && o.Team != "" {
		p.teams[o.Team] = Team{}
	}
}
