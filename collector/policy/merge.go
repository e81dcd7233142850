package policy

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// merging lays sections over each other.
type merging struct {
	has func(key string) bool
	// said is where each value came from, by its path within a section; nil where nobody asks.
	said map[string]string
}

// merge lays the parts over each other, the last on top, and says where each value came from if asked.
func (s *scoped[T]) merge(parts []part[T], explain bool) (value T, all []Said) {
	m := &merging{has: s.file.Has}
	if explain {
		m.said = make(map[string]string)
	}
	out := reflect.ValueOf(&value).Elem()
	for _, p := range parts {
		m.lay(out, reflect.ValueOf(p.value), p.path, "")
	}
	if !explain {
		return value, nil
	}
	leaves := make(map[string]any)
	flatten(out, "", leaves)
	for _, path := range slices.Sorted(maps.Keys(leaves)) {
		section, known := m.said[path]
		if f, ok := s.fallback[path]; ok && (!known || section == "default" && !s.file.Has("default."+path)) {
			all = append(all, Said{Key: path, Value: leaves[path], Rule: f.Rule})
		} else if known {
			key := join(section, path)
			all = append(all, Said{Key: path, Value: leaves[path], Rule: Rule{File: s.file.Name, Line: s.file.Line(key), Key: key, BuiltIn: s.builtIn}})
		}
	}
	return value, all
}

// lay puts what a section says on top of what there is. A value that is zero counts as said where it is written.
func (m *merging) lay(onto, what reflect.Value, section, path string) {
	switch {
	case what.Kind() == reflect.Struct && isOpen(what.Type()):
		for i := range what.NumField() {
			if name, ok := keyOf(what.Type().Field(i)); ok {
				m.lay(onto.Field(i), what.Field(i), section, join(path, name))
			}
		}
	case what.Kind() == reflect.Map && what.Type().Key().Kind() == reflect.String:
		m.layMap(onto, what, section, path)
	case !what.IsZero() || m.has(join(section, path)):
		onto.Set(what)
		if m.said != nil {
			m.said[path] = section
		}
	}
}

// layMap merges maps into a new one: the one that is there belongs to the section below.
func (m *merging) layMap(onto, what reflect.Value, section, path string) {
	if what.Len() == 0 {
		return
	}
	merged := reflect.MakeMapWithSize(what.Type(), onto.Len()+what.Len())
	for it := onto.MapRange(); it.Next(); {
		merged.SetMapIndex(it.Key(), it.Value())
	}
	for it := what.MapRange(); it.Next(); {
		entry := reflect.New(what.Type().Elem()).Elem()
		if had := merged.MapIndex(it.Key()); had.IsValid() {
			entry.Set(had)
		}
		m.lay(entry, it.Value(), section, join(path, it.Key().String()))
		merged.SetMapIndex(it.Key(), entry)
	}
	onto.Set(merged)
}

// flatten notes the single values of something by their paths.
func flatten(v reflect.Value, path string, out map[string]any) {
	switch {
	case v.Kind() == reflect.Struct && isOpen(v.Type()):
		for i := range v.NumField() {
			if name, ok := keyOf(v.Type().Field(i)); ok {
				flatten(v.Field(i), join(path, name), out)
			}
		}
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		for it := v.MapRange(); it.Next(); {
			flatten(it.Value(), join(path, it.Key().String()), out)
		}
	default:
		out[path] = v.Interface()
	}
}

// isOpen tells a structure of keys from one that is a value of its own, like a time.
func isOpen(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	if pointer.Implements(reflect.TypeFor[yaml.BytesUnmarshaler]()) || pointer.Implements(reflect.TypeFor[yaml.InterfaceUnmarshaler]()) {
		return false
	}
	for i := range t.NumField() {
		if _, ok := keyOf(t.Field(i)); ok {
			return true
		}
	}
	return false
}

// keyOf is the key that a field is written under, "" for one whose fields stand in its place; ok is false where it is not written.
func keyOf(f reflect.StructField) (key string, ok bool) {
	tag, has := f.Tag.Lookup("yaml")
	key, options, _ := strings.Cut(tag, ",")
	return key, has && f.IsExported() && key != "-" && (key != "" || strings.Contains(options, "inline"))
}

// join adds a key to a path of keys.
func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}
