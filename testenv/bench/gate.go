package bench

import (
	"fmt"
	"math"
	"strconv"
)

// reference is a peer's or a limit's value of the same run.
type reference struct {
	name  string
	value float64
	// missing says why there is no value.
	missing error
}

// gate is a bound on a ratio or a value.
type gate struct {
	bound float64
	// most: the bound is an upper one.
	most bool
}

func atLeast(bound float64) gate { return gate{bound: bound} }
func atMost(bound float64) gate  { return gate{bound: bound, most: true} }

func (g gate) holds(v float64) bool {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return false
	case g.most:
		return v <= g.bound
	}
	return v >= g.bound
}

func (g gate) text(unit string) string {
	sign := ">="
	if g.most {
		sign = "<="
	}
	if unit == "x" {
		return sign + " " + figure(g.bound) + "x"
	}
	return sign + " " + figure(g.bound) + " " + unit
}

// beside gates a rate or a time by its ratio to a reference.
func (s *Suite) beside(name string, value float64, unit string, r reference, g gate) {
	m := Measure{Name: s.area + ": " + name, Value: round(value), Unit: unit, Gate: g.text("x")}
	switch {
	case r.missing != nil:
		m.Beside = fmt.Sprintf("not available: %s: %v", r.name, r.missing)
	case r.value <= 0:
		m.Beside = fmt.Sprintf("not available: %s gave %v", r.name, r.value)
	default:
		ratio := value / r.value
		m.Beside, m.Ratio, m.Pass = fmt.Sprintf("%s: %s %s", r.name, figure(r.value), unit), round(ratio), g.holds(ratio)
	}
	s.put(m)
}

// absolute gates bytes, counts and sizes by a fixed bar.
func (s *Suite) absolute(name string, value float64, unit string, g gate) {
	s.put(Measure{Name: s.area + ": " + name, Value: round(value), Unit: unit, Beside: "bar: " + figure(g.bound) + " " + unit, Ratio: round(value / g.bound), Gate: g.text(unit), Pass: g.holds(value)})
}

// put gives a measure out. One without a value was not made, and is an error of its area.
func (s *Suite) put(m Measure) {
	if m.Value <= 0 {
		m.Pass = false
		s.faults = append(s.faults, fmt.Errorf("%s: nothing was measured", m.Name))
	}
	s.made++
	s.Out(m)
}

// round keeps four significant digits: no more is known.
func round(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func figure(v float64) string { return strconv.FormatFloat(round(v), 'f', -1, 64) }
