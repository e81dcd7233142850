package policy

import (
	"fmt"
	"maps"
	"slices"
)

// Scope is whom a rule is asked for; an empty name is nobody in particular.
type Scope struct {
	Tenant, Region, Site, Customer string
}

// Scope names whom a rule is asked for, with the region of the site.
func (p *Policy) Scope(tenant, site, customer string) Scope {
	return Scope{Tenant: tenant, Region: p.Region(site), Site: site, Customer: customer}
}

// Region is the region that a site lies in, "" where regions.yaml names none.
func (p *Policy) Region(site string) string { return p.regions[site] }

// Regions are the names of all regions, sorted.
func (p *Policy) Regions() []string { return slices.Compact(slices.Sorted(maps.Values(p.regions))) }

// regionSpec is a region as a person writes it.
type regionSpec struct {
	Sites []string `yaml:"sites"`
}

func (c *compiler) readRegions() {
	var content struct {
		Regions map[string]regionSpec `yaml:"regions"`
	}
	file := c.read("regions.yaml", &content)
	if file == nil {
		return
	}
	c.policy.regions = make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(content.Regions)) {
		key := "regions." + name
		if name == "" {
			c.bad(file, key, "a region needs a name")
		}
		for i, site := range content.Regions[name].Sites {
			at := fmt.Sprintf("%s.sites[%d]", key, i)
			other, twice := c.policy.regions[site]
			switch {
			case site == "":
				c.bad(file, at, "a site needs a name")
			case twice:
				c.bad(file, at, "site %s lies in region %s already", site, other)
			default:
				c.policy.regions[site] = name
			}
		}
	}
}
