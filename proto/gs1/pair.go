package gs1

import (
	"fmt"
	"slices"
	"strings"
)

// Check says what is wrong with elements that mark the same goods: Forbidden and Missing (GS1 General Specifications, section 4.13). Give it all of
// them: two labels of one carton count together.
func (e Elements) Check() error {
	if err := e.Forbidden(); err != nil {
		return err
	}
	return e.Missing()
}

// Forbidden says which elements may not stand together, whatever else marks the goods: so one code alone can be judged by it.
func (e Elements) Forbidden() error {
	for i, one := range e {
		for _, other := range e[:i] {
			if other.AI == one.AI && other.Value != one.Value {
				return fmt.Errorf("AI %s (%s) is there twice, as %q and %q: what marks one thing must say one", one.AI, Name(one.AI), shown(other.Value), shown(one.Value))
			}
		}
	}
	for _, one := range e {
		id := identifiers()[one.AI]
		if id == nil {
			continue
		}
		for _, other := range e {
			if other.AI != one.AI && slices.ContainsFunc(id.forbids, func(pattern string) bool { return fits(pattern, other.AI) }) {
				return fmt.Errorf("AI %s (%s) and AI %s (%s) must not mark the same goods", one.AI, id.name, other.AI, Name(other.AI))
			}
		}
	}
	return nil
}

// Missing says which element lacks another that must be with it. Only all codes of the goods together tell: another label may have it.
func (e Elements) Missing() error {
	for _, one := range e {
		if id := identifiers()[one.AI]; id != nil && !e.meets(id) {
			return fmt.Errorf("AI %s (%s) needs AI %s beside it", one.AI, id.name, needed(id.needs))
		}
	}
	return e.checkSignature()
}

// meets says whether one of the groups that an AI needs is there.
func (e Elements) meets(id *identifier) bool {
	return len(id.needs) == 0 || slices.ContainsFunc(id.needs, func(group []string) bool {
		return !slices.ContainsFunc(group, func(pattern string) bool {
			return !slices.ContainsFunc(e, func(one Element) bool { return fits(pattern, one.AI) })
		})
	})
}

func needed(groups [][]string) string {
	var texts []string
	for _, group := range groups {
		texts = append(texts, strings.Join(group, " with "))
	}
	return strings.Join(texts, ", or ")
}

// checkSignature holds AI 8030: what is signed must be one thing, so that a key with a serial number as its last part must have it.
func (e Elements) checkSignature() error {
	if e.Get("8030") == "" {
		return nil
	}
	for ai, bare := range map[string]int{"253": 13, "255": 13, "8003": 14} {
		if value := e.Get(ai); value != "" && len(value) <= bare {
			return fmt.Errorf("AI 8030 (digital signature) needs AI %s (%s) with its serial number", ai, Name(ai))
		}
	}
	return nil
}
