package http

import (
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// link gives the address that a Link header names for a relation, "" for none.
func link(headers, relation ref.Val) ref.Val {
	all, isMap := headers.(traits.Mapper)
	name, isText := relation.Value().(string)
	if !isMap || !isText {
		return types.MaybeNoSuchOverloadErr(headers)
	}
	value, found := all.Find(types.String("link"))
	if !found {
		return types.String("")
	}
	text, _ := value.Value().(string)
	return types.String(linkOf(text, name))
}

// linkOf reads a Link header (RFC 8288): <address>; rel="next"; title="...", <address>; rel=prev.
func linkOf(header, relation string) string {
	for rest := header; rest != ""; {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			return ""
		}
		address, after, closed := strings.Cut(rest[open+1:], ">")
		if !closed {
			return ""
		}
		var parameters []string
		parameters, rest = linkParameters(after)
		for _, p := range parameters {
			name, value, _ := strings.Cut(p, "=")
			if strings.EqualFold(strings.TrimSpace(name), "rel") && relates(value, relation) {
				return address
			}
		}
	}
	return ""
}

// relates says whether a rel names the relation, perhaps among others.
func relates(value, relation string) bool {
	for each := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
		if strings.EqualFold(each, relation) {
			return true
		}
	}
	return false
}

// linkParameters splits what follows an address, to the comma that ends it; commas and semicolons within quotes are text.
func linkParameters(s string) (parameters []string, rest string) {
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			parameters, from = append(parameters, s[from:i]), i+1
		case s[i] == ',' && !quoted:
			return append(parameters, s[from:i]), s[i+1:]
		}
	}
	return append(parameters, s[from:]), ""
}
