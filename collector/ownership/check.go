package ownership

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Fault is what is wrong with a rule, by its key in the file.
type Fault struct{ Key, Text string }

// Check returns what is wrong with rules, in the order of the file's keys.
func (r Rules) Check() (faults []Fault) {
	check := func(prefix string, rules []Rule) {
		for i := range rules {
			for _, text := range rules[i].check() {
				faults = append(faults, Fault{fmt.Sprintf("%s[%d]", prefix, i), text})
			}
		}
	}
	check("ownership", r.Everywhere)
	for _, part := range []struct {
		name  string
		rules map[string][]Rule
	}{{"tenants", r.Tenants}, {"regions", r.Regions}, {"sites", r.Sites}} {
		for _, name := range slices.Sorted(maps.Keys(part.rules)) {
			check(part.name+"."+name, part.rules[name])
		}
	}
	return faults
}

// Each calls for every rule with its key.
func (r Rules) Each(each func(key string, rule *Rule)) {
	all := func(prefix string, rules []Rule) {
		for i := range rules {
			each(fmt.Sprintf("%s[%d]", prefix, i), &rules[i])
		}
	}
	all("ownership", r.Everywhere)
	for name, rules := range r.Tenants {
		all("tenants."+name, rules)
	}
	for name, rules := range r.Regions {
		all("regions."+name, rules)
	}
	for name, rules := range r.Sites {
		all("sites."+name, rules)
	}
}

func (r *Rule) check() (faults []string) {
	named := 0
	for _, list := range [][]string{r.Kinds, r.Fields, r.Transitions} {
		if len(list) > 0 {
			named++
		}
	}
	if named != 1 || len(r.Owners) == 0 {
		return []string{"a rule names kinds, fields or transitions (one of them), and their owners"}
	}
	for i, owner := range r.Owners {
		if !slices.Contains(Roles(), owner) || slices.Contains(r.Owners[:i], owner) {
			faults = append(faults, fmt.Sprintf("owners %v: each must be one of %v, once", r.Owners, Roles()))
			break
		}
	}
	for _, pattern := range r.Kinds {
		if !knownKind(pattern) {
			faults = append(faults, fmt.Sprintf("%q matches no kind of event", pattern))
		}
	}
	for _, pattern := range r.Fields {
		if !knownField(pattern) {
			faults = append(faults, unknownField(pattern))
		}
	}
	for _, pattern := range r.Transitions {
		if !knownTransition(pattern) {
			faults = append(faults, unknownTransition(pattern))
		}
	}
	return faults
}

func knownKind(pattern string) bool {
	for number := range docklinev1.EventKind_name {
		if name := event.KindName(docklinev1.EventKind(number)); name != "" && named([]string{pattern}, name) {
			return true
		}
	}
	return false
}

func knownField(pattern string) bool {
	object, _, ok := strings.Cut(pattern, ".")
	return ok && slices.ContainsFunc(Fields(object), func(name string) bool { return namesField(pattern, object+"."+name) })
}

func unknownField(pattern string) string {
	object, _, _ := strings.Cut(pattern, ".")
	if fields := Fields(object); len(fields) > 0 {
		return fmt.Sprintf("%q is no field: %s has %s", pattern, object, strings.Join(fields, ", "))
	}
	return fmt.Sprintf("%q is no field: write object.field, the object being one of %s", pattern, strings.Join(Objects(), ", "))
}

func knownTransition(pattern string) bool {
	return slices.ContainsFunc(transitions, func(t Transition) bool { return namesTransition(pattern, &t) })
}

func unknownTransition(pattern string) string {
	object, _, _ := strings.Cut(pattern, ".")
	var names []string
	for i := range transitions {
		if t := &transitions[i]; t.Object == object {
			names = append(names, t.Name())
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("%q is no change of status: write object.from>to, as order.submitted>accepted", pattern)
	}
	return fmt.Sprintf("%q is no change of status: %s has %s", pattern, object, strings.Join(names, ", "))
}
