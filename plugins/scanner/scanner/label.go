package scanner

import (
	"maps"
	"slices"

	"github.com/dockline/dockline/proto/gs1"
)

// Labels is what becomes of GS1 codes by what stands together on them: ignore, warn (taken with a remark) or refuse.
type Labels struct {
	// Forbidden: two that must not mark the same goods are in one code.
	Forbidden string `yaml:"forbidden"`
	// Missing: at the end of a line or an event one was scanned that needs another, and no code of this work had that.
	Missing string `yaml:"missing"`
}

// judge holds a code against GS1's rules for what stands together. What must not is seen in the code alone; what is missing may be on another label of the
// same goods, so it is looked for in all codes of this work, once a line or an event is whole.
func (m *machine) judge(elements gs1.Elements, whole bool) (labels map[string]string, remark, refusal string) {
	if labels = m.work.Labels; len(elements) > 0 {
		if labels = maps.Clone(labels); labels == nil {
			labels = map[string]string{}
		}
		for _, e := range elements {
			labels[e.AI] = e.Value
		}
	}
	if err := elements.Forbidden(); err != nil && m.labels.Forbidden != labelIgnore {
		remark = "Label: " + err.Error() + "."
		if m.labels.Forbidden == labelRefuse {
			return labels, "", remark + " The goods need another label."
		}
	}
	if !whole || m.labels.Missing == labelIgnore {
		return labels, remark, ""
	}
	var all gs1.Elements
	for _, ai := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, gs1.Element{AI: ai, Value: labels[ai]})
	}
	if err := all.Missing(); err != nil {
		missing := "Label: " + err.Error() + ", in this code or in one that is scanned before it."
		if m.labels.Missing == labelRefuse {
			return labels, "", missing
		}
		if remark == "" {
			remark = missing
		}
	}
	return labels, remark, ""
}
