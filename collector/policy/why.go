package policy

import (
	"fmt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// WhyFulfilment is the rule that decided one key of what holds for a scope and an item.
func (p *Policy) WhyFulfilment(of Scope, item, key string) Rule {
	for _, said := range p.fulfilment.explain(of, item) {
		if said.Key == key {
			return said.Rule
		}
	}
	return Rule{File: "fulfilment.yaml", Key: key}
}

// WhyOwners is the rule that says who may state a fact of a kind; its Key is "" where none does, so that anybody may.
func (p *Policy) WhyOwners(kind docklinev1.EventKind) Rule {
	for i := range p.Ownership {
		if p.Ownership[i:i+1].Owners(kind) != nil {
			return p.ruleAt("ownership.yaml", fmt.Sprintf("ownership[%d]", i))
		}
	}
	return Rule{File: "ownership.yaml"}
}
