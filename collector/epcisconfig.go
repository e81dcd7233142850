package collector

import (
	"fmt"
	"time"

	"github.com/dockline/dockline/proto/event/epcis"
	"github.com/dockline/dockline/proto/wire"
)

// EPCISConfig says how the world knows a tenant and its sites.
type EPCISConfig struct {
	Tenant string            `yaml:"tenant"`
	Base   string            `yaml:"base"`
	Party  string            `yaml:"party"`
	Sites  []EPCISSiteConfig `yaml:"sites"`
}

// EPCISSiteConfig says how the world knows a site. Granularity is whole, which is the default, or steps.
type EPCISSiteConfig struct {
	Site        string `yaml:"site"`
	GLN         string `yaml:"gln"`
	Granularity string `yaml:"granularity"`
	TimeZone    string `yaml:"time_zone"`
}

// EPCISTenant is how the world knows a tenant; one that the configuration does not name is known by Dockline's own URIs.
func (c *Config) EPCISTenant(name string) *epcis.Tenant {
	for _, t := range c.EPCIS {
		if t.Tenant == name {
			known, _ := t.known()
			return known
		}
	}
	return &epcis.Tenant{Name: name}
}

// known makes the tenant; the error is of a time zone that this machine does not know.
func (t EPCISConfig) known() (*epcis.Tenant, error) {
	known := &epcis.Tenant{Name: t.Tenant, Base: t.Base, Party: t.Party, Sites: map[string]epcis.Site{}}
	for _, s := range t.Sites {
		zone, err := time.LoadLocation(s.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("sites of %s: time_zone %q is not known; write one like Europe/Berlin", s.Site, s.TimeZone)
		}
		known.Sites[s.Site] = epcis.Site{GLN: s.GLN, Steps: s.Granularity == "steps", Zone: zone}
	}
	return known, nil
}

func (c *Config) validateEPCIS(bad func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, t := range c.EPCIS {
		key := fmt.Sprintf("epcis[%d]", i)
		if !wire.ValidName(t.Tenant) {
			bad(key+".tenant", "%q: name the tenant that this is about", t.Tenant)
		}
		if seen[t.Tenant] {
			bad(key+".tenant", "%q is there twice", t.Tenant)
		}
		seen[t.Tenant] = true
		sites := map[string]bool{}
		for j, s := range t.Sites {
			key := fmt.Sprintf("%s.sites[%d]", key, j)
			if !wire.ValidName(s.Site) {
				bad(key+".site", "%q: name the site that this is about", s.Site)
			}
			if sites[s.Site] {
				bad(key+".site", "%q is there twice", s.Site)
			}
			sites[s.Site] = true
			if s.Granularity != "" && s.Granularity != "whole" && s.Granularity != "steps" {
				bad(key+".granularity", "%q: whole tells shipping and receiving, steps tells each step by itself", s.Granularity)
			}
		}
		known, err := t.known()
		if err != nil {
			bad(key, "%v", err)
			continue
		}
		for _, fault := range known.Validate() {
			bad(key, "%v", fault)
		}
	}
}
