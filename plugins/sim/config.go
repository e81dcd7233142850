package main

import (
	_ "embed" // the schema

	"os"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/plugins/sim/traffic"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// config is the plugin's section of agent.yaml.
type config struct {
	// Seed decides what happens on the dock.
	Seed uint64 `yaml:"seed"`
	// Site names the dock in numbers of picks and shipments; empty takes the plugin's id.
	Site string `yaml:"site"`
	// MovementsPerSecond is the dock's pace; 0 is as fast as the host takes them.
	MovementsPerSecond float64 `yaml:"movements_per_second"`
	// Percentages of lines picked short, orders in two shipments, and picks followed by a count.
	ShortPercent   int `yaml:"short_percent"`
	PartialPercent int `yaml:"partial_percent"`
	CountPercent   int `yaml:"count_percent"`
	// Stock is what lies in the bins when the ledger begins.
	Stock []stockRow `yaml:"stock"`
	// Traffic makes orders of its own, in place of those that a centre releases.
	Traffic *trafficConfig `yaml:"traffic"`
}

// trafficConfig is what package traffic makes of a seed.
type trafficConfig struct {
	Profile      string             `yaml:"profile"`
	OrdersPerDay int                `yaml:"orders_per_day"`
	Peak         float64            `yaml:"peak"`
	CurveFile    string             `yaml:"curve_file"`
	History      time.Duration      `yaml:"history"`
	Awkward      map[string]float64 `yaml:"awkward"`
}

// load makes the traffic's configuration, with everything that is wrong with it.
func (c *trafficConfig) load(text []byte, seed uint64, site string) (traffic.Config, []*docklinev1.ConfigFault) {
	out := traffic.Config{Seed: seed, Site: site, OrdersPerDay: c.OrdersPerDay, Peak: c.Peak, Awkward: c.Awkward}
	var faults []*docklinev1.ConfigFault
	bad := func(key, format string, args ...any) {
		faults = append(faults, plugins.Fault(text, "traffic."+key, format, args...))
	}
	profile, known := traffic.Profiles[c.Profile]
	if !known {
		bad("profile", "%q is not known; use one of %s", c.Profile, strings.Join(traffic.Names(), ", "))
	}
	if out.Profile = profile; out.OrdersPerDay == 0 {
		out.OrdersPerDay = profile.OrdersPerDay
	}
	if out.OrdersPerDay < 0 || out.OrdersPerDay > 200_000 {
		bad("orders_per_day", "%d: give 1 to 200000", out.OrdersPerDay)
	}
	if out.Peak == 0 {
		out.Peak = 1
	}
	if !(out.Peak >= 1 && out.Peak <= 4) {
		bad("peak", "%v: give 1 (as the curve is) to 4", out.Peak)
	}
	if c.History < 0 || c.History > 90*24*time.Hour {
		bad("history", "%s: give 0 to 2160h", c.History)
	}
	names, _ := traffic.Cases()
	for name, rate := range c.Awkward {
		if !slices.Contains(names, name) {
			bad("awkward."+name, "there is no such case; use some of %s", strings.Join(names, ", "))
		} else if !(rate >= 0 && rate <= 100) {
			bad("awkward."+name, "%v: give 0 to 100 of a hundred orders", rate)
		}
	}
	if c.CurveFile != "" {
		file, err := os.Open(c.CurveFile)
		if err == nil {
			out.Profile.Curve, err = traffic.ReadCurve(file)
			_ = file.Close()
		}
		if err != nil {
			bad("curve_file", "%v", err)
		}
	}
	return out, faults
}

type stockRow struct {
	Bin      string `yaml:"bin"`
	Item     string `yaml:"item"`
	Unit     string `yaml:"unit"`
	Lot      string `yaml:"lot"`
	Quantity string `yaml:"quantity"`
}

//go:embed schema.json
var configSchema string

// parse reads a config section; id stands in for an empty site.
func parse(text []byte, id string) (day.Config, float64, []*docklinev1.ConfigFault) {
	d := day.DefaultConfig()
	c := config{MovementsPerSecond: 5, ShortPercent: d.ShortPercent, PartialPercent: d.PartialPercent, CountPercent: d.CountPercent}
	faults := plugins.Decode(text, &c)
	for path, value := range map[string]int{"short_percent": c.ShortPercent, "partial_percent": c.PartialPercent, "count_percent": c.CountPercent} {
		if value < 0 || value > 100 {
			faults = append(faults, plugins.Fault(text, path, "%d: give 0 to 100", value))
		}
	}
	if c.MovementsPerSecond < 0 {
		faults = append(faults, plugins.Fault(text, "movements_per_second", "give 0 or more"))
	}
	d.Seed, d.Site, d.ShortPercent, d.PartialPercent, d.CountPercent = c.Seed, c.Site, c.ShortPercent, c.PartialPercent, c.CountPercent
	if d.Site == "" {
		d.Site = id
	}
	if c.Traffic != nil {
		_, wrong := c.Traffic.load(text, d.Seed, d.Site)
		faults = append(faults, wrong...)
	}
	for i, row := range c.Stock {
		quantity, err := event.ParseQuantity(row.Quantity)
		if err != nil || row.Bin == "" || row.Item == "" {
			faults = append(faults, plugins.Fault(text, stockPath(i), "give bin, item and a quantity like \"120\""))
			continue
		}
		d.Stock = append(d.Stock, day.StockRow{Bin: row.Bin, Item: row.Item, Unit: row.Unit, Lot: row.Lot, Quantity: day.Micro(quantity)})
	}
	return d, c.MovementsPerSecond, faults
}
