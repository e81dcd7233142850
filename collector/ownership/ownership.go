// Package ownership says which system is the record for each kind of fact; what another one claims is stored, not applied.
package ownership

import (
	"fmt"
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
	// Dockline is the centre itself.
	Dockline Role = "dockline"
	// Stranger is a source that no policy names.
	Stranger Role = "stranger"
)

// Roles are all that a policy may name as an owner.
func Roles() []Role { return []Role{Site, SystemOfRecord, CRM, Carrier, Dockline} }

// Rule gives the kinds whose business names match a pattern ("order.*", "pick.short") to their owners.
type Rule struct {
	Kinds  []string `yaml:"kinds"`
	Owners []Role   `yaml:"owners"`
}

// Registry is the rules in their order; of several that match a kind the first holds.
type Registry []Rule

// Owners of a kind, nil where no rule names it.
func (r Registry) Owners(kind docklinev1.EventKind) []Role {
	name := event.KindName(kind)
	for _, rule := range r {
		if slices.ContainsFunc(rule.Kinds, func(pattern string) bool { return matches(pattern, name) }) {
			return rule.Owners
		}
	}
	return nil
}

// Allows tells whether a source in this role may state a fact of this kind. A kind that no rule names is anybody's.
func (r Registry) Allows(kind docklinev1.EventKind, role Role) bool {
	owners := r.Owners(kind)
	return owners == nil || slices.Contains(owners, role)
}

// Check returns what is wrong with each rule, by its index.
func (r Registry) Check() map[int]string {
	faults := make(map[int]string)
	for i, rule := range r {
		switch {
		case len(rule.Kinds) == 0 || len(rule.Owners) == 0:
			faults[i] = "a rule needs kinds and owners"
		case !slices.ContainsFunc(rule.Owners, func(o Role) bool { return !slices.Contains(Roles(), o) }):
		default:
			faults[i] = fmt.Sprintf("owners %v: each must be one of %v", rule.Owners, Roles())
		}
		for _, pattern := range rule.Kinds {
			if !known(pattern) {
				faults[i] = fmt.Sprintf("%q matches no kind of event", pattern)
			}
		}
	}
	return faults
}

func matches(pattern, name string) bool {
	if object, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, object)
	}
	return pattern == name
}

func known(pattern string) bool {
	for number := range docklinev1.EventKind_name {
		if name := event.KindName(docklinev1.EventKind(number)); name != "" && matches(pattern, name) {
			return true
		}
	}
	return false
}
