package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/event"
)

// compiler checks the files of one policy and gathers every fault.
type compiler struct {
	kept             bool // a version as it was kept, not a folder
	policy           *Policy
	faults, warnings configfile.Faults
	scopes           []Named
}

// read decodes a file; nil where it could not be, the faults then say so.
func (c *compiler) read(name string, out any) *configfile.File {
	file, err := configfile.Decode(name, c.policy.files[name], out)
	if err == nil {
		return file
	}
	var faults configfile.Faults
	if !errors.As(err, &faults) {
		faults = configfile.Faults{{File: name, Text: err.Error()}}
	}
	c.faults = append(c.faults, faults...)
	if slices.ContainsFunc(faults, func(f configfile.Fault) bool { return !f.Unknown }) {
		return nil
	}
	file, err = configfile.Parse(name, c.policy.files[name]) // keys that nobody knows are left out, and the values of the others are looked at too
	if err != nil {
		return nil
	}
	return file
}

func (c *compiler) bad(file *configfile.File, key, format string, args ...any) {
	c.faults = append(c.faults, file.Fault(key, format, args...))
}

// warn notes what is not wrong, but most likely not meant.
func (c *compiler) warn(file *configfile.File, key, format string, args ...any) {
	c.warnings = append(c.warnings, file.Fault(key, format, args...))
}

func (c *compiler) targets() {
	var content struct {
		Targets []Target `yaml:"targets"`
	}
	file := c.read("targets.yaml", &content)
	if file == nil {
		return
	}
	seen := make(map[string]bool)
	for i, t := range content.Targets {
		key := fmt.Sprintf("targets[%d]", i)
		switch {
		case t.Name == "":
			c.bad(file, key, "a target needs the name of its connector")
		case seen[t.Name]:
			c.bad(file, key+".name", "%q is there twice", t.Name)
		case t.Name == Self:
			c.bad(file, key+".name", "%q is the name of the centre itself", Self)
		}
		if t.Role != ownership.SystemOfRecord && t.Role != ownership.CRM && t.Role != ownership.Carrier {
			c.bad(file, key+".role", "%q: %s, %s or %s", t.Role, ownership.SystemOfRecord, ownership.CRM, ownership.Carrier)
		}
		seen[t.Name] = true
	}
	c.policy.Targets = content.Targets
}

func (c *compiler) limits() {
	limits := readTopped[Limits](c, "limits.yaml")
	if limits == nil {
		return
	}
	limits.each(func(section, key string, l *Limits) {
		tolerance, err := event.ParseQuantity(l.OverShipTolerance)
		if said := l.OverShipTolerance != "" || section == "default"; said && (err != nil || tolerance < 0) {
			c.bad(limits.file, join(key, "over_ship_tolerance"), "%q: give percent as a decimal number, like \"2.5\"", l.OverShipTolerance)
		}
		if said := l.OverShip != "" || section == "default"; said && l.OverShip != Hold && l.OverShip != Post {
			c.bad(limits.file, join(key, "over_ship"), "%q: %s or %s", l.OverShip, Hold, Post)
		}
	})
	c.policy.limits = limits
}

func (c *compiler) timing() {
	timing := readTopped[Timing](c, "timing.yaml")
	if timing == nil {
		return
	}
	timing.each(func(section, key string, t *Timing) {
		if section == "items" {
			c.bad(timing.file, key, "facts wait for others as a whole: it can be said by tenant, region, site and customer, not by item")
		}
		if t.OrphanWait < 0 || t.SubmitWait < 0 || t.CountWait < 0 || t.PickWait < 0 || t.RemainderWait < 0 || t.ReceiptWait < 0 || t.ClockUncertainty < 0 {
			c.bad(timing.file, key, "a time to wait cannot be below zero")
		}
	})
	c.policy.timing = timing
}
