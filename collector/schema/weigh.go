package schema

import "strings"

// maxWeight is how heavy a schema may be: twenty definitions that each refer twice to the one before weigh a million.
const maxWeight = 20_000

// weigh says how many parts a schema has when every reference is replaced by what it refers to, which is how often one value may be looked
// at. A reference that leads back to itself counts once: it goes no deeper than the value. What refers in another way than by a
// path within the schema is too heavy.
func weigh(document any) int {
	w := &scale{document: document, known: make(map[string]int), open: make(map[string]bool)}
	return w.of(document)
}

type scale struct {
	document any
	known    map[string]int
	open     map[string]bool
}

func (w *scale) of(part any) int {
	total := 1
	add := func(n int) { total = min(total+n, maxWeight+1) }
	switch part := part.(type) {
	case []any:
		for _, v := range part {
			add(w.of(v))
		}
	case map[string]any:
		for key, v := range part {
			add(w.of(v))
			switch key {
			case "$ref":
				if path, ok := v.(string); ok {
					add(w.ref(path))
				}
			case "$dynamicRef", "$recursiveRef", "$id":
				if _, isText := v.(string); isText {
					add(maxWeight)
				}
			}
		}
	}
	return total
}

func (w *scale) ref(path string) int {
	if n, ok := w.known[path]; ok {
		return n
	}
	if w.open[path] {
		return 1
	}
	rest, ok := strings.CutPrefix(path, "#")
	if !ok || rest != "" && rest[0] != '/' {
		return maxWeight
	}
	target := w.document
	for _, step := range strings.Split(rest, "/")[1:] {
		within, isMap := target.(map[string]any)
		if !isMap {
			return maxWeight // within a list: nobody writes that
		}
		target = within[strings.NewReplacer("~1", "/", "~0", "~", "%24", "$", "%25", "%").Replace(step)]
	}
	w.open[path] = true
	n := w.of(target)
	delete(w.open, path)
	w.known[path] = n
	return n
}
