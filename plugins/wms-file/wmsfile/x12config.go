package wmsfile

import (
	_ "embed" // the mappings of sets
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/x12"
)

// SetMapping says what one sort of X12 transaction set tells.
type SetMapping struct {
	// Set is its number: "945".
	Set string `yaml:"set"`
	// Name tells several mappings of one set apart; it is a part of their keys and is never changed.
	Name string `yaml:"name"`
	// Loops are the segments that begin a loop, from the outermost on; the innermost gives a row. [HL] stands for the levels of an 856.
	Loops []string `yaml:"loops"`
	// Summary are segments that belong to the set as a whole wherever they stand.
	Summary []string `yaml:"summary"`

	mapping.Spec `yaml:",inline"`
}

// Exchange is what is agreed with the partner who speaks X12.
type Exchange struct {
	// Our and Partner are how both are named in ISA and GS.
	Our     Party  `yaml:"our"`
	Partner Party  `yaml:"partner"`
	Version string `yaml:"version"`
	Test    bool   `yaml:"test"`
	// Acknowledge answers each group that comes with a 997 in the inbound folder.
	Acknowledge *bool  `yaml:"acknowledge"`
	AckFile     string `yaml:"ack_file"`
	// AskTA1 asks for a TA1 for each interchange that is sent (ISA14). One that comes is read in any case.
	AskTA1 bool `yaml:"ask_ta1"`
	// Within is how long a 997 for what was sent may take; 0: none is awaited.
	Within time.Duration `yaml:"acknowledged_within"`
	// Item is the qualifier of item numbers (X12 data element 235) in what is sent.
	Item string `yaml:"item"`
	// Units translates units of ours into those of X12 (data element 355) in what is sent.
	Units map[string]string `yaml:"units"`
	// Bin is the storage place that the goods of sets without one lie at.
	Bin string `yaml:"bin"`
}

// Party is one side.
type Party struct {
	Qualifier string `yaml:"qualifier"`
	ID        string `yaml:"id"`
	Group     string `yaml:"group"`
}

func (p Party) x12() x12.Party { return x12.Party{Qualifier: p.Qualifier, ID: p.ID, Group: p.Group} }

func (e Exchange) acknowledges() bool { return e.Acknowledge == nil || *e.Acknowledge }

// edMapping is a SetMapping that has been checked.
type edMapping struct {
	SetMapping
	mapping *mapping.Mapping
	binding *mapping.Binding
	columns [][]edPlace
	header  []string
}

//go:embed sets.yaml
var setsYAML []byte

// builtIn are the mappings that come with the plugin. 846 is used only where it is named: whether its quantities are a count is for a person to say.
var builtIn = func() []SetMapping {
	var all struct {
		Sets []SetMapping `yaml:"sets"`
	}
	if faults := plugins.Decode(setsYAML, &all); len(faults) > 0 {
		panic(fmt.Sprintf("wmsfile: sets.yaml: %v", faults))
	}
	return all.Sets
}()

// onlyNamed are sets whose built-in mapping is used only where the configuration names it.
var onlyNamed = []string{"846"}

var rowReference = regexp.MustCompile(`row\[\s*["']([^"']+)["']\s*\]`)

func (l *loader) checkExchange(s *setup) {
	e := &s.X12
	for path, p := range map[string]Party{"x12.our": e.Our, "x12.partner": e.Partner} {
		if len(p.ID) > 15 || len(p.Qualifier) > 2 || len(p.Group) > 15 {
			l.fault(path, "the id has at most 15 characters, its qualifier 2, the group's code 15")
		}
		if p.ID != "" && p.Qualifier == "" {
			l.fault(path, "the id has no qualifier; write qualifier: ZZ where you have agreed on the id yourselves")
		}
	}
	if len(e.Version) != 6 {
		l.fault("x12.version", "version %q is none; write for example \"004010\" or \"005010\"", e.Version)
	}
	if e.Within < 0 || e.Within > 30*24*time.Hour {
		l.fault("x12.acknowledged_within", "acknowledged_within is %s; choose up to 720h, or 0s where the partner sends no 997", e.Within)
	}
	if strings.ContainsAny(e.AckFile, `/\`) || !strings.Contains(e.AckFile, "{control}") {
		l.fault("x12.ack_file", "%q must be a name in the inbound folder with {control} in it, so that no two are the same", e.AckFile)
	}
	reads := slices.ContainsFunc(s.Files, func(f File) bool { return f.Form == formX12 })
	if reads && e.acknowledges() && s.Inbound == "" {
		l.fault("inbound", "acknowledgements (997) are written into the folder from which the WMS reads, which is missing; write inbound: /path/to/folder, or x12: {acknowledge: false} where the partner wants none")
	}
}

// loadSets checks the mappings of one X12 stream.
func (l *loader) loadSets(path string, s *setup, f File) []*edMapping {
	for key, given := range map[string]bool{"kind": f.Kind != "", "key": len(f.Key) > 0, "columns": len(f.Columns) > 0, "group": f.Group} {
		if given {
			l.fault(path+"."+key, "of a file in X12 each set has its own mapping: write it under sets")
		}
	}
	given := f.Sets
	if len(given) == 0 {
		for _, m := range builtIn {
			if !slices.Contains(onlyNamed, m.Set) && !slices.ContainsFunc(given, func(o SetMapping) bool { return o.Set == m.Set }) {
				given = append(given, SetMapping{Set: m.Set})
			}
		}
	}
	var out []*edMapping
	for i, m := range given {
		at := fmt.Sprintf("%s.sets[%d]", path, i)
		if m.Kind == "" && len(m.Columns) == 0 {
			known := false
			for _, b := range builtIn {
				if b.Set == m.Set {
					known = true
					out = append(out, l.compileSet(at, s, f, b))
				}
			}
			if !known {
				l.fault(at+".set", "there is no built-in mapping of set %q; describe it (kind, key, loops, columns)", m.Set)
			}
			continue
		}
		if m.Name == "" {
			l.fault(at+".name", "the mapping has no name; it becomes a part of every key and must never change")
		}
		out = append(out, l.compileSet(at, s, f, m))
	}
	return out
}

func (l *loader) compileSet(path string, s *setup, f File, m SetMapping) *edMapping {
	if m.Number == (mapping.Number{}) {
		m.Number = f.Number
	}
	if len(m.Date) == 0 {
		if m.Date = f.Date; len(m.Date) == 0 {
			m.Date = x12Dates
		}
	}
	if m.Zone == "" {
		m.Zone = f.Zone
	}
	out := &edMapping{SetMapping: m}
	compiled, faults := mapping.Compile(f.Name+"-"+m.Name, m.Spec)
	for _, fault := range faults {
		l.fault(path+"."+fault.Path, "%s", fault.Text)
	}
	if compiled == nil {
		return out
	}
	out.mapping, out.header = compiled, namedColumns(m.Spec)
	for _, name := range out.header {
		places, err := parsePlaces(name)
		if err != nil {
			l.fault(path+".columns", "%v", err)
		}
		out.columns = append(out.columns, places)
	}
	out.binding, _ = compiled.Bind(out.header) // all that it names is there
	return out
}

// x12Dates are the forms of dates and times in X12.
var x12Dates = mapping.Dates{"yyyyMMdd HHmm", "yyyyMMdd HHmmss", "yyyyMMdd", "yyMMdd HHmm", "yyMMdd"}

// namedColumns are all columns that a mapping asks for, of its expressions too.
func namedColumns(spec mapping.Spec) (names []string) {
	add := func(name string) {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for header, column := range spec.Columns {
		add(header)
		for _, other := range column.Join {
			add(other)
		}
	}
	for _, name := range spec.Key {
		if name != mapping.RowAndOccurrence {
			add(name)
		}
	}
	add(spec.Revision)
	for _, source := range []string{spec.Kind, spec.When} {
		for _, found := range rowReference.FindAllStringSubmatch(source, -1) {
			add(found[1])
		}
	}
	slices.Sort(names)
	return names
}
