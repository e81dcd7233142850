package scanner

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/gs1"
)

// Columns that every event has beside what was scanned.
const (
	columnTransaction = "transaction" // a number of its own for each event
	columnDevice      = "device"
	columnOperator    = "operator"
	columnAt          = "scanned_at"
)

// flow is a Flow that has been checked.
type flow struct {
	Flow
	states map[string][]*transition
	events map[string]*event
}

type transition struct {
	Transition
	pattern *regexp.Regexp
	when    *mapping.Condition
}

// event is what is emitted: a mapping bound to the columns that it asks for.
type event struct {
	mapping *mapping.Mapping
	binding *mapping.Binding
	columns []string
}

type controls struct {
	cancel, undo, badge, leave *regexp.Regexp
}

// scanned are the columns of a scan itself, for conditions.
type scanned struct {
	gs1.Scan
	groups []string
}

func (l *loader) loadControls(c Controls) controls {
	pattern := func(key, text string) *regexp.Regexp {
		if text == "" {
			return nil
		}
		x, err := regexp.Compile(text)
		if err != nil {
			l.fault("controls."+key, "it is no pattern: %v", err)
		}
		return x
	}
	out := controls{cancel: pattern("cancel", c.Cancel), undo: pattern("undo", c.Undo), badge: pattern("badge", c.Badge), leave: pattern("leave", c.Leave)}
	if out.badge != nil && out.badge.NumSubexp() != 1 {
		l.fault("controls.badge", "the pattern needs one group in brackets, which is the operator's number: ^OP([0-9]+)$")
	}
	if c.BadgeRequired && out.badge == nil {
		l.fault("controls.badge_required", "there is no pattern for badges")
	}
	return out
}

func (l *loader) loadFlow(path string, c Flow) *flow {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Minute
	}
	l.between(path+".timeout", c.Timeout, time.Second, 24*time.Hour)
	l.between(path+".double_scan", c.DoubleScan, 0, time.Minute)
	f := &flow{Flow: c, states: map[string][]*transition{}, events: map[string]*event{}}
	if _, ok := c.States[c.Start]; !ok {
		l.fault(path+".start", "there is no state %q; name the one that work begins in", c.Start)
	}
	values := []string{columnTransaction, columnDevice, columnOperator, columnAt}
	for _, name := range slices.Sorted(maps.Keys(c.States)) {
		if len(c.States[name].On) == 0 {
			l.fault(path+".states."+name, "nothing leads out of it; write what it takes below on")
		}
		for i, on := range c.States[name].On {
			at := fmt.Sprintf("%s.states.%s.on[%d]", path, name, i)
			f.states[name] = append(f.states[name], l.loadTransition(at, on, c))
			values = append(append(values, slices.Collect(maps.Keys(on.Take))...), slices.Collect(maps.Keys(on.Set))...)
		}
	}
	if len(c.Events) == 0 {
		l.fault(path+".events", "it makes no event; describe at least one, with its kind")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Events)) {
		f.events[name] = l.loadEvent(path+".events."+name, c.Name, c.Events[name], values)
	}
	return f
}

// sources of a value that is taken from a scan.
var sourceShape = regexp.MustCompile(`^(code|symbology|ai\.[0-9]{2,4}|date\.[0-9]{2,4}|number\.[0-9]{3}|group\.[1-9])$`)

func (l *loader) loadTransition(path string, c Transition, in Flow) *transition {
	t := &transition{Transition: c}
	var err error
	if c.Pattern != "" {
		if t.pattern, err = regexp.Compile(c.Pattern); err != nil {
			l.fault(path+".pattern", "it is no pattern: %v", err)
		}
	}
	if c.When != "" {
		if t.when, err = mapping.NewCondition(c.When); err != nil {
			l.fault(path+".when", "%v", err)
		}
	}
	if c.AI != "" && gs1.Name(strings.ReplaceAll(c.AI, "n", "0")) == "" {
		l.fault(path+".ai", "there is no application identifier %s; write one such as 01, or 310n for any decimal point", c.AI)
	}
	if c.AI == "" && c.Pattern == "" && c.When == "" && len(c.Symbology) == 0 {
		l.fault(path, "it takes every code; write at least one of ai, pattern, symbology and when")
	}
	for name, source := range c.Take {
		number, isGroup := strings.CutPrefix(source, "group.")
		n, _ := strconv.Atoi(number)
		switch {
		case !sourceShape.MatchString(source):
			l.fault(path+".take."+name, "%q is not known; write code, symbology, ai.10, date.17, number.310 or group.1", source)
		case isGroup && (t.pattern == nil || n > t.pattern.NumSubexp()):
			l.fault(path+".take."+name, "the pattern has no group %d", n)
		}
	}
	if _, ok := in.States[c.Next]; !ok && c.Refuse == "" {
		l.fault(path+".next", "there is no state %q", c.Next)
	}
	if _, ok := in.Events[c.Emit]; !ok && c.Emit != "" {
		l.fault(path+".emit", "there is no event %q", c.Emit)
	}
	if len(c.Keep) > 0 && c.Emit == "" {
		l.fault(path+".keep", "keep goes with emit: until then all values stay")
	}
	if c.Refuse != "" && (c.Emit != "" || c.Line || len(c.Take)+len(c.Set) > 0) {
		l.fault(path+".refuse", "a refusal takes nothing and makes no event")
	}
	return t
}

// loadEvent completes a mapping: values that are named as fields fill them, each event has a key of its own, and who scanned when and with what is known.
func (l *loader) loadEvent(path, name string, spec mapping.Spec, values []string) *event {
	names, _ := mapping.FieldNames()
	columns := maps.Clone(spec.Columns)
	if columns == nil {
		columns = map[string]mapping.Column{}
	}
	filled := map[string]bool{}
	for header, c := range columns {
		if !slices.Contains(values, header) {
			l.fault(path+".columns."+header, "no state takes or sets a value of this name")
		}
		for _, f := range c.Field {
			filled[f] = true
		}
	}
	for field := range spec.Constants {
		filled[field] = true
	}
	for header, field := range map[string]string{columnAt: "occurred_at", columnOperator: "actor", columnDevice: "device"} {
		if !filled[field] {
			columns[header] = mapping.Column{Field: mapping.Fields{field}}
			filled[field] = true
		}
	}
	for _, header := range values {
		if _, there := columns[header]; !there && !filled[header] && slices.Contains(names, header) {
			columns[header] = mapping.Column{Field: mapping.Fields{header}}
			filled[header] = true
		}
	}
	spec.Columns, spec.Group = columns, true
	if len(spec.Key) == 0 {
		spec.Key = mapping.Key{columnTransaction}
	}
	if spec.Zone == "" {
		spec.Zone = "UTC"
	}
	compiled, faults := mapping.Compile(name, spec)
	for _, f := range faults {
		l.fault(path+"."+f.Path, "%s", f.Text)
	}
	if compiled == nil {
		return nil
	}
	headers := slices.Compact(slices.Sorted(slices.Values(values)))
	binding, unbound := compiled.Bind(headers)
	for _, f := range unbound {
		l.fault(path, "%s: %s", f.Column, f.Text)
	}
	return &event{compiled, binding, headers}
}

// fits says whether a transition takes a scan, and which groups its pattern found.
func (t *transition) fits(s gs1.Scan, row map[string]string) (groups []string, ok bool, err error) {
	if t.AI != "" && !slices.ContainsFunc(s.Elements, func(e gs1.Element) bool { return isAI(t.AI, e.AI) }) {
		return nil, false, nil
	}
	if len(t.Symbology) > 0 && !slices.Contains(t.Symbology, s.Symbology) && !slices.Contains(t.Symbology, s.Identifier) {
		return nil, false, nil
	}
	if t.pattern != nil {
		if groups = t.pattern.FindStringSubmatch(s.Data); groups == nil {
			return nil, false, nil
		}
	}
	if t.when == nil {
		return groups, true, nil
	}
	ok, err = t.when.Holds(row)
	return groups, ok, err
}

// isAI says whether an AI is meant: 310n is 3100 to 3105.
func isAI(pattern, ai string) bool {
	stem, any := strings.CutSuffix(pattern, "n")
	return pattern == ai || any && len(ai) == len(pattern) && strings.HasPrefix(ai, stem)
}

// value is what a source gives of a scan; "" where it is not there.
func value(source string, s scanned, now time.Time) (string, error) {
	sort, of, _ := strings.Cut(source, ".")
	switch sort {
	case "code":
		return s.Data, nil
	case "symbology":
		return s.Symbology, nil
	case "ai":
		return s.Elements.Get(of), nil
	case "group":
		n, _ := strconv.Atoi(of)
		return s.groups[n], nil
	case "date":
		text := s.Elements.Get(of)
		if text == "" {
			return "", nil
		}
		day, err := gs1.Date(text[:min(6, len(text))], now)
		return day.Format(time.DateOnly), err
	default:
		for _, e := range s.Elements {
			if number, ok := gs1.Decimal(e); ok && strings.HasPrefix(e.AI, of) {
				return number, nil
			}
		}
		return "", nil
	}
}
