// Package xref is the cross-reference table: by which codes a system knows the items, units, customers, carriers, reasons and warehouses that Dockline
// calls otherwise. What a target is told bears its codes (Translate), what it reports becomes ours.
//
// The table is kept by people, for each tenant and system. Names of single documents, which the systems give by themselves, are not in it: those are
// cross_reference, kept by postings and folds.
package xref

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Domain is what codes are of.
type Domain string

// The domains.
const (
	Item      Domain = "item"
	Unit      Domain = "unit"
	Customer  Domain = "customer"
	Carrier   Domain = "carrier"
	Reason    Domain = "reason"
	Warehouse Domain = "warehouse"
)

// Domains are all of them.
var Domains = []Domain{Item, Unit, Customer, Carrier, Reason, Warehouse}

// Direction says when an entry is used.
type Direction string

// Both ways; only what the system is told; only what it reports: two of its codes may be one of ours, and the other way round.
const (
	Both Direction = "both"
	Out  Direction = "out"
	In   Direction = "in"
)

// Demand says what becomes of a code that has no entry.
type Demand string

// Required: what bears it is refused, and the code named. Optional: it is the same in both.
const (
	Required Demand = "required"
	Optional Demand = "optional"
)

// CodeMissing is the code of what is refused because a code has no entry.
const CodeMissing = "xref_missing"

// Entry is one code of ours and one of a system.
type Entry struct {
	System    string    `json:"system"`
	Domain    Domain    `json:"domain"`
	Ours      string    `json:"ours"`
	Theirs    string    `json:"theirs"`
	Direction Direction `json:"direction"`
}

func (e Entry) out() bool { return e.Direction != In }
func (e Entry) in() bool  { return e.Direction != Out }

// Compare orders entries by system, domain and code.
func Compare(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.System, b.System), slices.Index(Domains, a.Domain)-slices.Index(Domains, b.Domain), cmp.Compare(a.Ours, b.Ours), cmp.Compare(a.Theirs, b.Theirs))
}

// faultOf says what is wrong with an entry by itself.
func (e Entry) faultOf() string {
	switch {
	case !slices.Contains(Domains, e.Domain):
		return fmt.Sprintf("%q is no domain; there are %s", e.Domain, joined(Domains))
	case e.Direction != Both && e.Direction != Out && e.Direction != In:
		return fmt.Sprintf("%q is no direction: both, out (only what the system is told) or in (only what it reports)", e.Direction)
	case strings.TrimSpace(e.Ours) == "" || strings.TrimSpace(e.Theirs) == "":
		return "an entry needs our code and theirs"
	case e.Ours != strings.TrimSpace(e.Ours) || e.Theirs != strings.TrimSpace(e.Theirs):
		return fmt.Sprintf("%q = %q: a code begins and ends without blanks", e.Ours, e.Theirs)
	}
	return ""
}

// ParseDemands reads what collector.yaml says of a connector.
func ParseDemands(said map[string]string) (map[Domain]Demand, error) {
	out := make(map[Domain]Demand, len(said))
	for name, demand := range said {
		d := Demand(demand)
		if !slices.Contains(Domains, Domain(name)) {
			return nil, fmt.Errorf("%q is no domain; there are %s", name, joined(Domains))
		}
		if d != Required && d != Optional {
			return nil, fmt.Errorf("%s: %q: required (a code without an entry is refused) or optional (it is the same in both)", name, demand)
		}
		out[Domain(name)] = d
	}
	return out, nil
}

func joined(domains []Domain) string {
	names := make([]string, len(domains))
	for i, d := range domains {
		names[i] = string(d)
	}
	return strings.Join(names, ", ")
}
