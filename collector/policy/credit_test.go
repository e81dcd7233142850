package policy_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/policy"
)

// TestWhatIsCreditedAPolicySays: by default all that has come to an end, and by customer what his rule names; explain says which line decides. Returns
// are told to the system of record.
//
// Shows: S13
func TestWhatIsCreditedAPolicySays(t *testing.T) {
	p, err := policy.Load(fstest.MapFS{"fulfilment.yaml": {Data: []byte("default: {credit: [restock, refurbish, scrap, to_vendor]}\ncustomers:\n  C-1: {credit: [restock]}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []*policy.Policy{p, policy.Default()} {
		rule := of.Fulfilment(of.Scope("acme", "dc-east", "C-2"), "BOLT")
		if got := []string{"restock", "refurbish", "scrap", "to_vendor"}; !slices.Equal(rule.Credit, got) || rule.Credits("quarantine") || !rule.Credits("scrap") {
			t.Errorf("credited are %v", rule.Credit)
		}
	}
	if rule := p.Fulfilment(p.Scope("acme", "dc-east", "C-1"), "BOLT"); rule.Credits("scrap") || !rule.Credits("restock") {
		t.Errorf("of C-1 credited are %v", rule.Credit)
	}
	var said policy.Said
	for _, answer := range p.Explain(policy.Question{Scope: p.Scope("acme", "dc-east", "C-1"), Item: "BOLT"}) {
		for _, s := range answer.Said {
			if answer.File == "fulfilment.yaml" && s.Key == "credit" {
				said = s
			}
		}
	}
	if said.Rule.Key != "customers.C-1.credit" || said.Rule.Line != 3 {
		t.Errorf("explain says %+v", said)
	}
	if _, err := policy.Load(fstest.MapFS{"fulfilment.yaml": {Data: []byte("default: {credit: [restok]}\n")}}); err == nil {
		t.Error("a disposition that there is not was taken")
	}
	for _, kind := range []connector.Kind{connector.ReturnReceipt, connector.CreditRequest} {
		d := policy.Default()
		if routes, err := d.Routes(d.Scope("acme", "dc-east", ""), kind, nil, nil); err != nil || !slices.Equal(policy.TargetsOf(routes), []string{"erp"}) {
			t.Errorf("%s goes to %v: %v", kind, routes, err)
		}
	}
}
