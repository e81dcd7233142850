package mapping

import (
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/proto/event"
)

// layout says which fields the records of a mapping can fill, sorted by name, and where each stands among the values of a record.
type layout struct {
	names []string
	at    map[string]int
	// blank are the values of a record of which nothing was read: the constants.
	blank []value
	// mapped says of each that a column fills it: of those the content hash is made.
	mapped []bool
	// custom are the places of custom fields.
	custom []int
}

// lay makes the layout of what the columns and the constants fill, and tells each column its places.
func lay(columns []column, constants map[string]value) *layout {
	l := &layout{names: slices.Collect(maps.Keys(constants)), at: map[string]int{}}
	for _, col := range columns {
		for _, f := range col.fields {
			l.names = append(l.names, f.name)
		}
	}
	slices.Sort(l.names)
	l.blank, l.mapped = make([]value, len(l.names)), make([]bool, len(l.names))
	for i, name := range l.names {
		l.at[name] = i
		constant, ok := constants[name]
		constant.there = ok
		l.blank[i], l.mapped[i] = constant, !ok
		if strings.HasPrefix(name, customPrefix) {
			l.custom = append(l.custom, i)
		}
	}
	for i := range columns {
		for _, f := range columns[i].fields {
			columns[i].at = append(columns[i].at, l.at[f.name])
		}
	}
	return l
}

// values are the fields of one record.
type values struct {
	*layout
	all []value
}

func (l *layout) fresh() values { return values{l, slices.Clone(l.blank)} }

// empty are the values of a record that has none, not even constants.
func (l *layout) empty() values { return values{l, make([]value, len(l.names))} }

// get gives a field's value, and whether there is one: an empty cell has none.
func (v values) get(name string) (value, bool) {
	if at, ok := v.at[name]; ok {
		return v.all[at], v.all[at].there
	}
	return value{}, false
}

func (v values) text(name string) string {
	if at, ok := v.at[name]; ok {
		return v.all[at].text
	}
	return ""
}

// set fills the field at a place.
func (v values) set(at int, to value) {
	to.there = true
	v.all[at] = to
}

// hash is the content hash of what the columns filled.
func (v values) hash() []byte {
	return event.ContentHashSorted(func(yield func(name, cell string) bool) {
		for i, name := range v.names {
			if v.mapped[i] && v.all[i].there && !yield(name, v.all[i].text) {
				return
			}
		}
	})
}
