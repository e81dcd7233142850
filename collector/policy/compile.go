package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
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
	return nil
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

func (c *compiler) routing() {
	var content struct {
		Routes []routeSpec `yaml:"routes"`
	}
	file := c.read("routing.yaml", &content)
	if file == nil {
		return
	}
	for i, spec := range content.Routes {
		key := fmt.Sprintf("routes[%d]", i)
		if !slices.Contains(kinds, connector.Kind(spec.Kind)) {
			c.bad(file, key+".kind", "%q: one of %v", spec.Kind, kinds)
		}
		names := spec.Targets
		switch {
		case (spec.Role == "") == (len(spec.Targets) == 0):
			c.bad(file, key, "a route names either targets or a role")
		case spec.Role == ownership.SystemOfRecord || spec.Role == ownership.CRM:
			names = c.policy.OfRole(spec.Role)
		case spec.Role != "":
			c.bad(file, key+".role", "%q: %s or %s", spec.Role, ownership.SystemOfRecord, ownership.CRM)
		}
		for j, name := range spec.Targets {
			if !slices.ContainsFunc(c.policy.Targets, func(t Target) bool { return t.Name == name }) {
				c.bad(file, fmt.Sprintf("%s.targets[%d]", key, j), "%q is not in targets.yaml", name)
			}
		}
		r := route{kind: connector.Kind(spec.Kind), targets: names, named: spec.Role == "", source: spec.When,
			rule: Rule{File: file.Name, Line: file.Line(key), Key: key, BuiltIn: isBuiltIn(file.Name, c.policy.files[file.Name])}}
		if spec.When != "" {
			program, err := compileWhen(spec.When)
			if err != nil {
				c.bad(file, key+".when", "%v", err)
			}
			r.when = program
		}
		c.policy.routes = append(c.policy.routes, r)
	}
}

func (c *compiler) mapping() {
	var content mappingSpec
	file := c.read("mapping.yaml", &content)
	if file == nil {
		return
	}
	m, faults := newMapping(content)
	for _, f := range faults {
		c.bad(file, f.key, "%s", f.text)
	}
	c.policy.Mapping = m
}

func (c *compiler) limits() {
	var content Limits
	file := c.read("limits.yaml", &content)
	if file == nil {
		return
	}
	tolerance, err := event.ParseQuantity(content.OverShipTolerance)
	if err != nil || tolerance < 0 {
		c.bad(file, "over_ship_tolerance", "%q: give percent as a decimal number, like \"2.5\"", content.OverShipTolerance)
	}
	if content.OverShip != Hold && content.OverShip != Post {
		c.bad(file, "over_ship", "%q: %s or %s", content.OverShip, Hold, Post)
	}
	content.tolerance = tolerance
	c.policy.Limits = content
}

func (c *compiler) timing() {
	var t Timing
	file := c.read("timing.yaml", &t)
	if file == nil {
		return
	}
	if t.OrphanWait < 0 || t.SubmitWait < 0 || t.CountWait < 0 || t.PickWait < 0 || t.RemainderWait < 0 || t.ReceiptWait < 0 || t.ClockUncertainty < 0 {
		c.bad(file, "", "a time to wait cannot be below zero")
	}
	if t.ReceiptWait == 0 { // a folder from before there was such a time
		t.ReceiptWait = 24 * time.Hour
	}
	c.policy.Timing = t
}
