package policy

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/dockline/dockline/proto/event"
)

type mappingSpec struct {
	Strict bool              `yaml:"strict"`
	Items  []itemSpec        `yaml:"items"`
	Units  map[string]string `yaml:"units"`
}

type itemSpec struct {
	Item  string            `yaml:"item"`
	GTIN  string            `yaml:"gtin"`
	Codes []codeSpec        `yaml:"codes"`
	Units map[string]string `yaml:"units"`
}

type codeSpec struct {
	Code string `yaml:"code"`
	Site string `yaml:"site"`
}

// Mapping says what the codes of sources mean.
type Mapping struct {
	strict bool
	// items by site and code; site "" is every site.
	items map[codeSpec]string
	gtins map[string]string
	// units, millionths of the base unit, by item and unit; item "" is every item.
	units map[[2]string]int64
}

type mappingFault struct{ key, text string }

func newMapping(spec mappingSpec) (*Mapping, []mappingFault) {
	m := &Mapping{strict: spec.Strict, items: make(map[codeSpec]string), gtins: make(map[string]string), units: make(map[[2]string]int64)}
	var faults []mappingFault
	bad := func(key, format string, args ...any) {
		faults = append(faults, mappingFault{key, fmt.Sprintf(format, args...)})
	}
	addUnits := func(key, item string, units map[string]string) {
		for unit, factor := range units {
			millionths, err := event.ParseQuantity(factor)
			if err != nil || millionths <= 0 {
				bad(key, "unit %s is %q: give how many base units it is, above zero", unit, factor)
			}
			m.units[[2]string{item, unit}] = millionths
		}
	}
	addCode := func(key string, code codeSpec, item string) {
		if have, ok := m.items[code]; ok && have != item {
			bad(key, "code %q is item %s and item %s", code.Code, have, item)
		}
		m.items[code] = item
	}
	addUnits("units", "", spec.Units)
	for i, item := range spec.Items {
		key := fmt.Sprintf("items[%d]", i)
		if item.Item == "" {
			bad(key, "an item needs its code in the system of record")
			continue
		}
		addCode(key, codeSpec{Code: item.Item}, item.Item)
		for j, code := range item.Codes {
			addCode(fmt.Sprintf("%s.codes[%d]", key, j), code, item.Item)
		}
		if have, ok := m.gtins[gtin14(item.GTIN)]; ok && item.GTIN != "" && have != item.Item {
			bad(key+".gtin", "%s is item %s and item %s", item.GTIN, have, item.Item)
		}
		if item.GTIN != "" {
			m.gtins[gtin14(item.GTIN)] = item.Item
		}
		addUnits(key+".units", item.Item, item.Units)
	}
	slices.SortFunc(faults, func(a, b mappingFault) int { return slices.Compare([]string{a.key, a.text}, []string{b.key, b.text}) })
	return m, faults
}

// Item is the item that a site means by a code, or by a GTIN where it gives no code. ok is false where a strict mapping does not know it.
func (m *Mapping) Item(site, code, gtin string) (string, bool) {
	if code != "" {
		for _, key := range []codeSpec{{code, site}, {code, ""}} {
			if item, ok := m.items[key]; ok {
				return item, true
			}
		}
	}
	if gtin != "" {
		if item, ok := m.gtins[gtin14(gtin)]; ok {
			return item, true
		}
	}
	if m.strict {
		return "", false
	}
	if code == "" {
		code = gtin
	}
	return code, code != ""
}

// gtin14 is a GTIN in its form of 14 digits: scanners give 8, 12 or 13 of the same number, EPCIS always 14.
func gtin14(code string) string {
	if n := len(code); (n == 8 || n == 12 || n == 13) && strings.Trim(code, "0123456789") == "" {
		return strings.Repeat("0", 14-n) + code
	}
	return code
}

// Base is a quantity in the item's base unit; all are millionths. ok is false where a strict mapping does not know the unit, and where
// the result does not fit or is not whole millionths.
func (m *Mapping) Base(item, unit string, millionths int64) (int64, bool) {
	if unit == "" {
		return millionths, true
	}
	factor, ok := m.units[[2]string{item, unit}]
	if !ok {
		factor, ok = m.units[[2]string{"", unit}]
	}
	if !ok {
		return millionths, !m.strict
	}
	negative := millionths < 0
	if negative {
		millionths = -millionths
	}
	high, low := bits.Mul64(uint64(millionths), uint64(factor))
	if high >= event.Scale {
		return 0, false
	}
	base, rest := bits.Div64(high, low, event.Scale)
	if rest != 0 || base > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(base), true
	}
	return int64(base), true
}

// mulDiv is a*b/c for numbers that are not below zero, at most the largest.
func mulDiv(a, b, c int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high >= uint64(c) {
		return math.MaxInt64
	}
	quotient, _ := bits.Div64(high, low, uint64(c))
	return int64(min(quotient, math.MaxInt64))
}
