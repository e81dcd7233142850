package policy

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// WhyFulfilment is the rule that decided one key of what holds for a scope and an item.
func (p *Policy) WhyFulfilment(of Scope, item, key string) Rule {
	for _, said := range p.explainFulfilment(of, item) {
		if said.Key == key {
			return said.Rule
		}
	}
	return Rule{File: "fulfilment.yaml", Key: key}
}

// WhyOwners is the rule that says who may state a fact of a kind; its Key is "" where none does, so that anybody may.
func (p *Policy) WhyOwners(kind docklinev1.EventKind) Rule {
	return p.WhyOwner(Scope{}, event.KindName(kind))
}

// WhyOwner is the rule that says who owns a field, a change of status, a kind of fact or an object in a scope; its Key is "" where none does.
func (p *Policy) WhyOwner(of Scope, about string) Rule {
	answer, ok := p.OwnershipIn(of).About(about)
	if !ok {
		return Rule{File: "ownership.yaml"}
	}
	return p.ruleAt("ownership.yaml", answer.Key)
}
