package siteconfig

import (
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/collector/schema"
	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// document is what the centre may set of a site's configuration. What only the site can judge, such as a plugin's own section or its rules,
// is looked at there before it is taken.
type document struct {
	Journal struct {
		Limit            *configfile.Bytes `yaml:"limit"`
		Reserve          *configfile.Bytes `yaml:"reserve"`
		Rotate           *configfile.Bytes `yaml:"rotate"`
		KeepAcknowledged *time.Duration    `yaml:"keep_acknowledged"`
	} `yaml:"journal"`
	Uplink struct {
		Window    *int           `yaml:"window"`
		RateLimit *int           `yaml:"rate_limit"`
		Heartbeat *time.Duration `yaml:"heartbeat"`
	} `yaml:"uplink"`
	Log struct {
		Level  *string `yaml:"level"`
		Format *string `yaml:"format"`
	} `yaml:"log"`
	Rules   yaml.RawMessage `yaml:"rules"`
	Plugins []struct {
		ID     string          `yaml:"id"`
		Config yaml.RawMessage `yaml:"config"`
	} `yaml:"plugins"`
}

// MaxBytes bounds a configuration: it must fit into one packet of any usual broker.
const MaxBytes = 64 << 10

// Check looks for every fault that can be seen at the centre; they are configfile.Faults with their lines.
func Check(text string) error {
	if len(text) > MaxBytes {
		return fmt.Errorf("the configuration has %d bytes, %d are allowed", len(text), MaxBytes)
	}
	if schema.Blank(text) {
		return nil
	}
	var d document
	file, err := configfile.Decode("configuration", []byte(text), &d)
	if err != nil {
		return err
	}
	var faults configfile.Faults
	bad := func(key, format string, args ...any) { faults = append(faults, file.Fault(key, format, args...)) }
	if n := d.Uplink.Window; n != nil && (*n < 1 || *n > 1000) {
		bad("uplink.window", "%d envelopes: give 1 to 1000", *n)
	}
	if n := d.Uplink.RateLimit; n != nil && (*n < 0 || *n > 0 && *n < 16) {
		bad("uplink.rate_limit", "%d kbit/s: give 0 for none, or 16 at least", *n)
	}
	if h := d.Uplink.Heartbeat; h != nil && (*h < time.Second || *h > 10*time.Minute) {
		bad("uplink.heartbeat", "%s: give 1s to 10m", *h)
	}
	if l := d.Journal.Limit; l != nil && *l < 16<<20 {
		bad("journal.limit", "%d bytes is too little to last through an outage: give at least 16MiB", *l)
	}
	if l := d.Log.Level; l != nil && !slices.Contains([]string{"debug", "info", "warn", "error"}, *l) {
		bad("log.level", "%q: one of debug, info, warn, error", *l)
	}
	if f := d.Log.Format; f != nil && *f != "text" && *f != "json" {
		bad("log.format", "%q: text or json", *f)
	}
	var rules struct {
		DoubleScan []struct {
			Step string `yaml:"step"`
		} `yaml:"double_scan"`
	}
	if configfile.Unmarshal(d.Rules, &rules) == nil { // what is wrong with the rest of them the site says
		for i, r := range rules.DoubleScan {
			if _, known := event.ParseKind(r.Step); !known {
				bad(fmt.Sprintf("rules.double_scan[%d].step", i), "%q: there is no such step; give one like pick.confirmed, pack.confirmed or shipment.departed", r.Step)
			}
		}
	}
	seen := map[string]bool{}
	for i, p := range d.Plugins {
		key := fmt.Sprintf("plugins[%d].id", i)
		switch {
		case !wire.ValidName(p.ID):
			bad(key, "%q: name a plugin by its id in the sites' agent.yaml", p.ID)
		case seen[p.ID]:
			bad(key, "%q is there twice", p.ID)
		}
		seen[p.ID] = true
	}
	return faults.Err()
}
