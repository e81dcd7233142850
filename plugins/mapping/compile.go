package mapping

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Mapping is a checked Spec, ready for use. It does not change and may be used by several goroutines.
type Mapping struct {
	stream    string
	spec      Spec
	columns   []column
	constants map[string]value
	layout    *layout
	// kind is set where it is the same for all rows, else kindOf is.
	kind   docklinev1.EventKind
	kindOf *expression
	when   *expression
	// deleted is nil where no row says of itself that it is.
	deleted *expression
	// kinds are those that the expression can give, as far as can be told beforehand.
	kinds []docklinev1.EventKind
	// signed: some kind may have quantities below zero.
	signed bool
}

// column is one mapped column, by its header.
type column struct {
	header   string
	join     []string
	fields   []field
	number   Number
	dates    moments
	required bool
	// words translates what stands in a cell, by the source's word in lower case.
	words map[string]string
	// at are the places of its fields in the layout.
	at []int
}

// ConfigFault says what is wrong with a Spec, at a path of keys below it: "columns.qty".
type ConfigFault struct{ Path, Text string }

// compiler gathers faults, so that a person sees all of them at once.
type compiler struct {
	spec   Spec
	out    *Mapping
	faults []ConfigFault
	zone   *time.Location
}

func (c *compiler) fault(path, format string, args ...any) {
	c.faults = append(c.faults, ConfigFault{path, fmt.Sprintf(format, args...)})
}

// Compile checks a Spec. The stream's name becomes a part of every source key, so that keys of two streams never meet. With
// any fault the Mapping is nil.
func Compile(stream string, spec Spec) (*Mapping, []ConfigFault) {
	c := &compiler{spec: spec, out: &Mapping{stream: stream, spec: spec, constants: map[string]value{}}}
	for _, text := range spec.Number.Faults() {
		c.fault("number", "%s", text)
	}
	c.compileZone()
	c.compileColumns()
	c.compileConstants()
	c.compileKey()
	c.compileExpressions()
	c.checkNeeds()
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	c.out.layout = lay(c.out.columns, c.out.constants)
	c.out.signed = slices.ContainsFunc(c.out.Kinds(), func(k docklinev1.EventKind) bool { return plans[k].lines.Negative })
	return c.out, nil
}

func (c *compiler) compileZone() {
	c.zone = time.UTC
	if c.spec.Zone == "" {
		return
	}
	zone, err := time.LoadLocation(c.spec.Zone)
	if err != nil || c.spec.Zone == "Local" {
		c.fault("zone", "time zone %q is not known; write a name such as Europe/Berlin, America/Chicago or UTC", c.spec.Zone)
		return
	}
	c.zone = zone
}

func (c *compiler) compileColumns() {
	if len(c.spec.Columns) == 0 {
		c.fault("columns", "no column is mapped; name the fields that the columns fill, or let plugin try propose a mapping")
	}
	filledBy := map[string]string{}
	for _, header := range slices.Sorted(maps.Keys(c.spec.Columns)) {
		spec, path := c.spec.Columns[header], "columns."+header
		col := column{header: header, join: spec.Join, number: c.spec.Number, required: spec.Required, words: map[string]string{}}
		for word, means := range spec.Words {
			col.words[strings.ToLower(strings.TrimSpace(word))] = means
		}
		if spec.Number != nil {
			col.number = *spec.Number
			for _, text := range spec.Number.Faults() {
				c.fault(path+".number", "%s", text)
			}
		}
		if strings.TrimSpace(header) == "" {
			c.fault(path, "the column has no header")
		}
		if len(spec.Field) == 0 {
			c.fault(path, "it fills no field; write %s: order or %s: {field: order}", header, header)
		}
		for _, name := range spec.Field {
			f, ok := fieldNamed(name)
			if !ok {
				c.fault(path, "field %q is not known; %s", name, nearest(name))
				continue
			}
			if other, taken := filledBy[name]; taken {
				c.fault(path, "field %s is filled by column %s already", name, other)
				continue
			}
			filledBy[name] = header
			col.fields = append(col.fields, f)
		}
		col.dates = c.compileDates(spec, path, slices.ContainsFunc(col.fields, func(f field) bool { return f.typ == moment }))
		c.out.columns = append(c.out.columns, col)
	}
}

func (c *compiler) compileDates(spec Column, path string, used bool) moments {
	patterns, at := spec.Date, path+".date"
	if len(patterns) == 0 {
		patterns, at = c.spec.Date, "date"
	}
	if len(patterns) == 0 {
		patterns = Dates{"iso"}
	}
	m := moments{zone: c.zone}
	if !used && len(spec.Date) > 0 {
		c.fault(at, "a date format, but the column fills no date")
	}
	if !used {
		return m
	}
	for _, pattern := range patterns {
		f, err := compileFormat(pattern)
		if err != nil {
			c.faultOnce(at, err.Error())
			continue
		}
		if c.spec.Zone == "" && !f.zoned && f.unit == 0 {
			c.faultOnce("zone", "the time zone of the times is missing; write for example zone: Europe/Berlin")
		}
		m.formats = append(m.formats, f)
	}
	return m
}

// faultOnce keeps a fault of the whole mapping from being told for every column.
func (c *compiler) faultOnce(path, text string) {
	if f := (ConfigFault{path, text}); !slices.Contains(c.faults, f) {
		c.faults = append(c.faults, f)
	}
}

func (c *compiler) compileConstants() {
	for _, name := range slices.Sorted(maps.Keys(c.spec.Constants)) {
		path := "constants." + name
		f, ok := fieldNamed(name)
		if !ok {
			c.fault(path, "field %q is not known; %s", name, nearest(name))
			continue
		}
		if slices.ContainsFunc(c.out.columns, func(col column) bool { return slices.Contains(col.fields, f) }) {
			c.fault(path, "field %s has a column; leave one of the two out", name)
			continue
		}
		iso, _ := compileFormat("iso")
		v, err := read(strings.TrimSpace(c.spec.Constants[name]), f, Number{}, moments{formats: []dateFormat{iso}, zone: c.zone})
		if err != nil {
			c.fault(path, "%v", err)
			continue
		}
		c.out.constants[name] = v
	}
}

func (c *compiler) compileKey() {
	key := c.spec.Key
	switch {
	case len(key) == 0:
		c.fault("key", "no key: name the columns that identify a record (key: [pick_id]), so that a file read twice counts once; where there are none choose key: %s, whose limits the README states", RowAndOccurrence)
	case key.byRow() && c.spec.Group:
		c.fault("key", "group needs key columns: rows with the same key make one event")
	case key.byRow() && c.spec.Revision != "":
		c.fault("revision", "a revision column needs key columns")
	case slices.Contains(key, RowAndOccurrence) && !key.byRow():
		c.fault("key", "%s stands alone or not at all", RowAndOccurrence)
	}
	for i, name := range key {
		if slices.Index(key, name) < i {
			c.fault("key", "column %s is named twice", name)
		}
		if strings.TrimSpace(name) == "" {
			c.fault("key", "a key column has no name")
		}
	}
}

// kindShape is what a kind looks like: an expression gives one in quotation marks, or has more than one word.
var kindShape = regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)

func (c *compiler) compileExpressions() {
	switch k, ok := event.ParseKind(c.spec.Kind); {
	case c.spec.Kind == "":
		c.fault("kind", "no kind: write one (%s) or a CEL expression that gives one", kindList())
	case ok && plans[k] != nil:
		c.out.kind, c.out.kinds = k, []docklinev1.EventKind{k}
	case ok:
		c.fault("kind", "kind %s is not for a mapping to give: it comes from elsewhere (docs/events.md says from whom); choose one of %s", c.spec.Kind, kindList())
	case kindShape.MatchString(c.spec.Kind):
		c.fault("kind", "kind %q is not known; choose one of %s", c.spec.Kind, kindList())
	default:
		c.compileKind()
	}
	c.out.when = c.condition("when", c.spec.When)
	c.out.deleted = c.condition("deleted", c.spec.Deleted)
}

// condition compiles an expression that is true or false; nil where there is none.
func (c *compiler) condition(path, source string) *expression {
	if source == "" {
		return nil
	}
	x, err := compileExpression(source, c.filled(), wantBool)
	if err != nil {
		c.fault(path, "%v", err)
	}
	return x
}

func (c *compiler) compileKind() {
	x, err := compileExpression(c.spec.Kind, c.filled(), wantText)
	if err != nil {
		c.fault("kind", "%v", err)
		return
	}
	c.out.kindOf = x
	for _, name := range x.results() {
		k, ok := event.ParseKind(name)
		switch {
		case !ok:
			c.fault("kind", "kind %q is not known; choose one of %s", name, kindList())
			continue
		case plans[k] == nil:
			c.fault("kind", "kind %s is not for a mapping to give: it comes from elsewhere (docs/events.md says from whom); choose one of %s", name, kindList())
			continue
		}
		if !slices.Contains(c.out.kinds, k) {
			c.out.kinds = append(c.out.kinds, k)
		}
	}
}

// filled are the fields that have a value in some row, by name.
func (c *compiler) filled() map[string]field {
	names := map[string]field{}
	for _, col := range c.out.columns {
		for _, f := range col.fields {
			names[f.name] = f
		}
	}
	for name := range c.out.constants {
		names[name], _ = fieldNamed(name)
	}
	return names
}

func (c *compiler) checkNeeds() {
	filled := c.filled()
	for _, kind := range c.out.kinds {
		for _, need := range plans[kind].needs {
			if !slices.ContainsFunc(strings.Split(need, "|"), func(name string) bool { _, ok := filled[name]; return ok }) {
				c.faultOnce("columns", fmt.Sprintf("%s needs %s; map a column to it", event.KindName(kind), strings.ReplaceAll(need, "|", " or ")))
			}
		}
	}
}

func kindList() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, event.KindName(k))
	}
	return strings.Join(names, ", ")
}

// nearest helps with a slip of the hand: it names the fields that look alike, or all.
func nearest(name string) string {
	var alike, all []string
	if strings.HasPrefix(name, customPrefix) {
		return "the name of a custom field has lower-case letters, digits and underscores, a letter first: custom.route"
	}
	for _, f := range fields {
		all = append(all, f.name)
		if distance(name, f.name) <= 2 || len(name) > 3 && (strings.Contains(f.name, name) || strings.Contains(name, f.name)) {
			alike = append(alike, f.name)
		}
	}
	if len(alike) > 0 {
		return "did you mean " + strings.Join(alike, " or ") + "?"
	}
	return "fields are " + strings.Join(all, ", ")
}

// distance is the number of single letters to change, add or leave out (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0]++
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
