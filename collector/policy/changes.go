package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/dockline/dockline/proto/configfile"
)

// Change is one value that two versions say otherwise.
type Change struct {
	File string `json:"file"`
	Key  string `json:"key"`
	// Line is where the newer version says it, or the older one where the newer says nothing.
	Line int `json:"line"`
	// Was and Is are the values as text, "" for none.
	Was string `json:"was"`
	Is  string `json:"is"`
}

func (c Change) String() string {
	where := fmt.Sprintf("%s:%d: %s", c.File, c.Line, c.Key)
	switch {
	case c.Was == "":
		return where + ": new, " + c.Is
	case c.Is == "":
		return where + ": gone, was " + c.Was
	}
	return where + ": " + c.Was + " -> " + c.Is
}

// Changes are the values that next says otherwise than p, by file and key. Comments and the order of keys are none.
func (p *Policy) Changes(next *Policy) []Change {
	var list []Change
	for _, name := range fileNames() {
		if string(p.files[name]) == string(next.files[name]) {
			continue
		}
		was, is := values(name, p.files[name]), values(name, next.files[name])
		for _, key := range slices.Sorted(maps.Keys(is.text)) {
			if was.text[key] != is.text[key] {
				list = append(list, Change{File: name, Key: key, Line: is.file.Line(key), Was: was.text[key], Is: is.text[key]})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(was.text)) {
			if _, there := is.text[key]; !there {
				list = append(list, Change{File: name, Key: key, Line: was.file.Line(key), Was: was.text[key]})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// valued is a file as single values by their keys.
type valued struct {
	file *configfile.File
	text map[string]string
}

// values reads a file that was read before, so that it has no faults.
func values(name string, text []byte) valued {
	var tree any
	file, err := configfile.Decode(name, text, &tree)
	v := valued{file: file, text: make(map[string]string)}
	if err != nil {
		v.file = &configfile.File{Name: name}
		return v
	}
	v.add("", tree)
	return v
}

func (v *valued) add(key string, tree any) {
	switch tree := tree.(type) {
	case map[string]any:
		for name, value := range tree {
			v.add(join(key, name), value)
		}
	case map[any]any:
		for name, value := range tree {
			v.add(join(key, fmt.Sprint(name)), value)
		}
	case []any:
		if len(tree) == 0 {
			v.text[key] = "[]" // a section that has no routes takes away those for all
		}
		for i, value := range tree {
			v.add(key+"["+strconv.Itoa(i)+"]", value)
		}
	case nil:
	default:
		v.text[key] = fmt.Sprint(tree)
	}
}
