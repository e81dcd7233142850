// Package milestone runs the clocks of orders, shipments and returns: each begins with a fact, has a time by which another one is due, waits while
// something holds it, and ends when it is reached. It is pure: the same facts give the same clocks in whatever order they came. What of a clock
// depends on the time of day, that it ran past its due, is decided by who asks.
package milestone

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Objects that can have milestones.
const (
	Order    = "order"
	Shipment = "shipment"
	Return   = "return"
)

// Definition is what a policy says of one milestone.
type Definition struct {
	// Name is its key in milestones.yaml.
	Name string `yaml:"-"`
	// Of is what it is a milestone of: Order, Shipment or Return.
	Of string `yaml:"of"`
	// Start and Stop name points: a status ("picked"), the kind of a fact ("pick.confirmed"), or what a person signals ("signal:NAME"). Of several
	// the first that was reached counts.
	Start []string `yaml:"start"`
	Stop  []string `yaml:"stop"`
	// Within is how long it has, in working time of the calendar. By names a time that the facts tell ("promised_at") and goes before it; Lead is
	// how long before that it is due.
	Within time.Duration `yaml:"within"`
	By     string        `yaml:"by"`
	Lead   time.Duration `yaml:"lead"`
	// Calendar is one of calendars.yaml; "" is round the clock.
	Calendar string `yaml:"calendar"`
	// Pause names what stops the clock while it holds ("held", "held:CREDIT"), Drop the points that end it without counting ("cancelled").
	Pause []string `yaml:"pause"`
	Drop  []string `yaml:"drop"`
	// Forecast names a time that the facts expect ("eta"): one later than due is a breach at once.
	Forecast string `yaml:"forecast"`
	// Warn is how long before it is due people are told. Wait is how long after it a breach waits for a site that has not told everything up to
	// then; 0 is two hours.
	Warn time.Duration `yaml:"warn"`
	Wait time.Duration `yaml:"wait"`
	// Code is that of the exception at a breach, by which owners.yaml finds who must act; Team and Severity go before those.
	Code     string `yaml:"code"`
	Team     string `yaml:"team"`
	Severity string `yaml:"severity"`
	// Level is the name of the service level and Target how many percent must be met.
	Level  string  `yaml:"level"`
	Target float64 `yaml:"target"`
	// Off: there is no such milestone in this scope.
	Off bool `yaml:"off"`
}

// DefaultCode is that of a breach whose definition names none; DueSoon that of the warning before it.
const (
	DefaultCode = "milestone_missed"
	DueSoon     = "milestone_due_soon"
)

// defaultWait is how long a breach waits for a site where nothing is said.
const defaultWait = 2 * time.Hour

// Waits is how long a breach waits for a site that has not told everything.
func (d Definition) Waits() time.Duration {
	if d.Wait == 0 {
		return defaultWait
	}
	return d.Wait
}

// signalPrefix stands before the name of what a person signals.
const signalPrefix = "signal:"

// points are what each object can reach, but for kinds of facts and signals; intervals what can hold of it, and times what its facts name.
var points = map[string][]string{
	Order:    {"accepted", "released", "picking", "picked", "packed", "first_shipped", "shipped", "delivered", "invoiced", "closed", "cancelled", "rejected"},
	Shipment: {"planned", "picking", "packed", "staged", "loaded", "departed", "in_transit", "out_for_delivery", "refused", "lost", "damaged", "returning", "returned_to_sender", "voided", "delivered", "closed"},
	Return: {"requested", "authorised", "denied", "in_transit", "received", "matched", "inspected", "quarantined", "disposed",
		"credited", "cancelled", "closed"},
}

var intervals = map[string][]string{
	Order:    {"held", "backordered", "cancel_requested"},
	Shipment: {},
	Return:   {},
}

var times = map[string][]string{
	Order:    {"promised_at", "ordered_at", "eta"},
	Shipment: {"carrier_cutoff", "eta"},
	Return:   {"expires_at", "eta"},
}

// customPrefix stands before the name of a custom field whose value is a time.
const customPrefix = "custom."

// Check returns what is wrong with a definition that nothing is inherited into any more, by field. isKind tells the names of kinds.
func (d Definition) Check(isKind func(string) bool) map[string]string {
	faults := make(map[string]string)
	known, ok := points[d.Of]
	if !ok {
		faults["of"] = fmt.Sprintf("%q: one of order, shipment, return", d.Of)
		return faults
	}
	for _, field := range []struct {
		name   string
		values []string
		needed bool
	}{{"start", d.Start, true}, {"stop", d.Stop, true}, {"drop", d.Drop, false}} {
		if field.needed && len(field.values) == 0 {
			faults[field.name] = "name the point at which the clock " + map[string]string{"start": "starts", "stop": "stops"}[field.name]
		}
		for _, value := range field.values {
			if !slices.Contains(known, value) && !isKind(value) && !isSignal(value) {
				faults[field.name] = fmt.Sprintf("%q is no point of %s: one of %s, the kind of an event, or signal:NAME", value, d.Of, strings.Join(known, ", "))
			}
		}
	}
	for _, value := range d.Pause {
		if held, code, ok := strings.Cut(value, ":"); ok && held == "held" && code != "" && d.Of == Order {
			continue
		}
		if !slices.Contains(intervals[d.Of], value) {
			faults["pause"] = fmt.Sprintf("%q never holds of a %s: one of %s, held:CODE; a person pauses with dockline-collector milestone pause", value, d.Of, strings.Join(intervals[Order], ", "))
		}
	}
	switch {
	case d.Within < 0 || d.Lead < 0 || d.Warn < 0 || d.Wait < 0:
		faults["within"] = "durations are not negative"
	case d.Within == 0 && d.By == "":
		faults["within"] = "say within how long it is due, as \"4h\", or by which time, as by: promised_at"
	case d.By != "" && !slices.Contains(times[d.Of], d.By) && !isCustom(d.By):
		faults["by"] = fmt.Sprintf("%q is no time of a %s: one of %s, or custom.NAME", d.By, d.Of, strings.Join(times[d.Of], ", "))
	}
	if d.Forecast != "" && !slices.Contains(times[d.Of], d.Forecast) && !isCustom(d.Forecast) {
		faults["forecast"] = fmt.Sprintf("%q is no time of a %s: one of %s, or custom.NAME", d.Forecast, d.Of, strings.Join(times[d.Of], ", "))
	}
	if d.Target < 0 || d.Target > 100 {
		faults["target"] = fmt.Sprintf("%g: give percent, from 0 to 100", d.Target)
	}
	return faults
}

func isSignal(value string) bool {
	name, ok := strings.CutPrefix(value, signalPrefix)
	return ok && name != ""
}

func isCustom(value string) bool {
	name, ok := strings.CutPrefix(value, customPrefix)
	return ok && name != ""
}
