package main

import (
	_ "embed" // the schema

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/day"
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
