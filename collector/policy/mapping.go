package policy

import (
	"fmt"
	"math"
	"math/bits"
	"reflect"
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

// mappingFile is mapping.yaml. Its items are entries, so that it has no section of that name.
type mappingFile struct {
	Rules   mappingSpec            `yaml:",inline"`
	Default mappingSpec            `yaml:"default"`
	Tenants map[string]mappingSpec `yaml:"tenants"`
	Regions map[string]mappingSpec `yaml:"regions"`
	Sites   map[string]mappingSpec `yaml:"sites"`
}

// Mapping says what the codes of sources mean. Sections add to each other: what is said further down goes before what is said further up, for
// each code and each unit on its own.
type Mapping struct {
	tenant string
	*tables
}

// tables are those of all sections, by their paths of keys.
type tables struct {
	top       string
	bySection map[string]*table
	region    func(site string) string
}

// table is what one section says.
type table struct {
	// strict is nil where the section does not say it.
	strict *bool
	// items by site and code; site "" is every site.
	items map[codeSpec]string
	gtins map[string]string
	// units, millionths of the base unit, by item and unit; item "" is every item.
	units map[[2]string]int64
}

// of are the tables that hold at a site, the one that goes before all others first.
func (m *Mapping) of(site string) []*table {
	if len(m.bySection) == 1 {
		return []*table{m.bySection[m.top]}
	}
	var list []*table
	for _, path := range []string{"sites." + site, "regions." + m.region(site), "tenants." + m.tenant, m.top} {
		if t := m.bySection[path]; t != nil {
			list = append(list, t)
		}
	}
	return list
}

// MappingOf is the mapping for a tenant.
func (p *Policy) MappingOf(tenant string) *Mapping { return &Mapping{tenant, p.Mapping.tables} }

type mappingFault struct{ key, text string }

func newTable(spec mappingSpec) (*table, []mappingFault) {
	m := &table{items: make(map[codeSpec]string), gtins: make(map[string]string), units: make(map[[2]string]int64)}
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

func (c *compiler) mapping() {
	var content mappingFile
	file := c.read("mapping.yaml", &content)
	if file == nil {
		return
	}
	of := sections[mappingSpec]{Default: content.Default, Tenants: content.Tenants, Regions: content.Regions, Sites: content.Sites}
	atTop := c.atTop(file, reflect.TypeFor[mappingSpec]())
	if atTop {
		of.Default = content.Rules
	}
	s := newScoped(c, file, of)
	s.atTop = atTop
	delete(c.policy.explainers, file.Name) // a mapping of many thousand codes is asked about one item
	all := &tables{top: s.top(), bySection: make(map[string]*table), region: c.policy.Region}
	s.each(func(_, key string, spec *mappingSpec) {
		t, faults := newTable(*spec)
		for _, f := range faults {
			c.bad(file, join(key, f.key), "%s", f.text)
		}
		if file.Has(join(key, "strict")) {
			t.strict = &spec.Strict
		}
		all.bySection[key] = t
	})
	c.policy.Mapping = &Mapping{tables: all}
}

// strict says whether what is not listed is not known.
func strict(list []*table) bool {
	for _, t := range list {
		if t.strict != nil {
			return *t.strict
		}
	}
	return false
}

// Item is the item that a site means by a code, or by a GTIN where it gives no code. ok is false where a strict mapping does not know it.
func (m *Mapping) Item(site, code, gtin string) (string, bool) {
	list := m.of(site)
	if code != "" {
		for _, t := range list {
			for _, key := range []codeSpec{{code, site}, {code, ""}} {
				if item, ok := t.items[key]; ok {
					return item, true
				}
			}
		}
	}
	if gtin != "" {
		for _, t := range list {
			if item, ok := t.gtins[gtin14(gtin)]; ok {
				return item, true
			}
		}
	}
	if strict(list) {
		return "", false
	}
	if code == "" {
		code = gtin
	}
	return code, code != ""
}

// factor is how many millionths of the base unit a unit is, at a site.
func factor(list []*table, item, unit string) (int64, bool) {
	for _, of := range []string{item, ""} {
		for _, t := range list {
			if millionths, ok := t.units[[2]string{of, unit}]; ok {
				return millionths, true
			}
		}
	}
	return 0, false
}

// gtin14 is a GTIN in its form of 14 digits: scanners give 8, 12 or 13 of the same number, EPCIS always 14.
func gtin14(code string) string {
	if n := len(code); (n == 8 || n == 12 || n == 13) && strings.Trim(code, "0123456789") == "" {
		return strings.Repeat("0", 14-n) + code
	}
	return code
}

// Base is a site's quantity in the item's base unit; all are millionths. ok is false where a strict mapping does not know the unit, and where
// the result does not fit or is not whole millionths.
func (m *Mapping) Base(site, item, unit string, millionths int64) (int64, bool) {
	if unit == "" {
		return millionths, true
	}
	list := m.of(site)
	factor, ok := factor(list, item, unit)
	if !ok {
		return millionths, !strict(list)
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
