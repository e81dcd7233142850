package wmshttp

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// node is a value of a document, and what it stands in.
type node struct {
	value any
	up    *node // the record that this one is listed in; nil for the whole
}

// root is the whole.
func (n *node) root() *node {
	for n.up != nil {
		n = n.up
	}
	return n
}

// step goes to a member by name, or to a place of a list (name is "").
type step struct {
	name string
	at   int
}

// path leads to a value: order.number, lines[0].sku; /batch.site begins at the whole, ../number at the record that lists this one.
type path struct {
	whole bool
	up    int
	steps []step
}

func parsePath(text string) (path, error) {
	var p path
	rest := text
	if after, ok := strings.CutPrefix(rest, "/"); ok {
		p.whole, rest = true, after
	}
	for strings.HasPrefix(rest, "../") && !p.whole {
		p.up, rest = p.up+1, rest[3:]
	}
	if rest == "" || rest == "." {
		return p, nil
	}
	for part := range strings.SplitSeq(rest, ".") {
		name, places, _ := strings.Cut(part, "[")
		if name == "" && len(p.steps) > 0 || name == "" && places == "" {
			return path{}, fmt.Errorf("%q is no path such as order.number, lines[0].sku, ../number or /batch.site", text)
		}
		if name != "" {
			p.steps = append(p.steps, step{name: name})
		}
		for places != "" {
			number, after, closed := strings.Cut(places, "]")
			at, err := strconv.Atoi(number)
			if !closed || err != nil || at < 0 || after != "" && after[0] != '[' {
				return path{}, fmt.Errorf("%q: a place in a list is written lines[0]", text)
			}
			p.steps = append(p.steps, step{at: at})
			places = strings.TrimPrefix(after, "[")
		}
	}
	return p, nil
}

// find is the value at a path; false where there is none.
func (p path) find(n *node) (any, bool) {
	if p.whole {
		n = n.root()
	}
	for range p.up {
		if n.up == nil {
			return nil, false
		}
		n = n.up
	}
	v := n.value
	for _, s := range p.steps {
		switch of := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = of[s.name]; !ok || s.name == "" {
				return nil, false
			}
		case []any:
			if s.name != "" || s.at >= len(of) {
				return nil, false
			}
			v = of[s.at]
		default:
			return nil, false
		}
	}
	return v, true
}

// listing leads to records: data.items[].lines[]; each [] is a list whose members are records, the last of them those that are read.
type listing []path

func parseListing(text string) (listing, error) {
	var l listing
	for part := range strings.SplitSeq(text, "[]") {
		p, err := parsePath(strings.TrimPrefix(part, "."))
		if err != nil || p.whole || p.up > 0 {
			return nil, fmt.Errorf("%q is no path to records such as items[] or shipments[].lines[]", text)
		}
		l = append(l, p)
	}
	if last := l[len(l)-1]; len(last.steps) > 0 && len(l) > 1 {
		return nil, fmt.Errorf("%q: records are in a list, and [] stands behind it", text)
	}
	return l, nil
}

// records are those of a document. Without a path the document is one, or a list of them. What is no list where one should be is an error. An order that
// has no lines at all, not even none, is passed over where systems are polled, which leave out what is empty; named wants them said: a name that is misspelt would pass for it.
func (l listing) records(whole any, named bool) ([]*node, error) {
	top := &node{value: whole}
	if len(l) == 0 {
		all, many := whole.([]any)
		if !many {
			return []*node{top}, nil
		}
		return members(top, all), nil
	}
	level := []*node{top}
	for i, p := range l[:max(len(l)-1, 1)] {
		var next []*node
		for _, n := range level {
			v, ok := p.find(n)
			if !ok && i > 0 && !named || v == nil && ok {
				continue // an order without lines
			}
			all, many := v.([]any)
			switch {
			case many:
				next = append(next, members(n, all)...)
			case len(l) == 1 && ok:
				next = append(next, &node{value: v, up: n})
			default:
				return nil, fmt.Errorf("there is no list at %s: one without any is written []", l.String())
			}
		}
		level = next
	}
	return level, nil
}

func members(up *node, all []any) []*node {
	out := make([]*node, len(all))
	for i, v := range all {
		out[i] = &node{value: v, up: up}
	}
	return out
}

// String is how it is written.
func (l listing) String() string {
	parts := make([]string, len(l))
	for i, p := range l {
		var b strings.Builder
		for _, s := range p.steps {
			if s.name == "" {
				fmt.Fprintf(&b, "[%d]", s.at)
				continue
			}
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		}
		parts[i] = b.String()
	}
	return strings.TrimSuffix(strings.ReplaceAll(strings.Join(parts, "[]."), ".[]", "[]"), ".")
}

// cell is a value as a mapping reads it. null is also what is not there. A list of plain values becomes their list, anything deeper its JSON.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			switch one.(type) {
			case map[string]any, []any:
				return asJSON(v)
			}
			parts[i] = cell(one)
		}
		return strings.Join(parts, ",")
	}
	return asJSON(v)
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
