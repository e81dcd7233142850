package event

import (
	"maps"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Requirement is what Validate asks of a kind, for schemas, mappings and pages. Names are those of the protocol's schema.
type Requirement struct {
	// Payload is the field of Event that says what happened.
	Payload string
	// Needs are fields of the payload; of several together one is enough.
	Needs [][]string
	// Words are the fields that take one of a few words.
	Words map[string][]string
	// Amounts are decimal numbers, as texts.
	Amounts        []string
	Lines, Outputs LineRequirement
}

// LineRequirement is what Validate asks of lines.
type LineRequirement struct {
	// Some: there must be one at least.
	Some bool
	// Needs are fields of each line; of several together one is enough.
	Needs [][]string
	// Negative: quantities may be below zero.
	Negative bool
}

// RequirementOf a kind; it has no payload for a kind that this version does not know.
func RequirementOf(kind docklinev1.EventKind) Requirement {
	c := rules[kind]
	if c == nil {
		return Requirement{}
	}
	r := Requirement{Payload: c.payload, Needs: alternatives(c.rule.needs), Words: maps.Clone(c.rule.words), Amounts: c.rule.amounts, Lines: c.lines.requirement()}
	if c.outputs != nil {
		r.Outputs = c.rule.outputs.requirement()
	}
	return r
}

func (r lineRule) requirement() LineRequirement {
	var needs []string
	if !r.itemless {
		needs = append(needs, "item|gtin")
	}
	needs = append(needs, "quantity")
	if r.order {
		needs = append(needs, "order")
	}
	if r.bin {
		needs = append(needs, "bin")
	}
	return LineRequirement{Some: r.some, Needs: alternatives(append(needs, r.needs...)), Negative: r.negative}
}

func alternatives(needs []string) [][]string {
	all := make([][]string, len(needs))
	for i, need := range needs {
		all[i] = strings.Split(need, "|")
	}
	return all
}
