package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/policy"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sectioned is a folder of which every file has rules for all, for a tenant, a region, a site and a customer, where it may.
var sectioned = map[string]string{
	"regions.yaml": "regions:\n  north: {sites: [dc-east]}\n",
	"targets.yaml": "targets:\n  - {name: erp, role: system_of_record}\n  - {name: erp2, role: system_of_record}\n",
	"routing.yaml": `routes:
  - {kind: goods_issue, role: system_of_record}
regions:
  north:
    routes:
      - {kind: goods_issue, targets: [erp], priority: high}
customers:
  C-1:
    routes:
      - {kind: goods_issue, targets: [erp2]}
      - {kind: goods_issue, targets: [erp2], when: "site == 'dc-east'", priority: urgent}
  C-0: {routes: []}
`,
	"limits.yaml": `over_ship_tolerance: "1"
over_ship: hold
tenants:
  acme: {over_ship_tolerance: "2"}
sites:
  dc-east: {over_ship: post}
customers:
  C-1: {over_ship_tolerance: "0"}
`,
	"timing.yaml": `default: {orphan_wait: 10m, pick_wait: 9m}
regions:
  north: {orphan_wait: 1h}
customers:
  C-1: {pick_wait: 0s}
`,
	"stock.yaml": `inbound_horizon: 48h
safety:
  - {item: A, quantity: "5"}
sites:
  dc-east: {safety: [{quantity: "7"}]}
`,
	"mapping.yaml": `strict: true
items:
  - {item: A, codes: [{code: X}], units: {CS: "12"}}
units: {PAL: "100"}
regions:
  north:
    items: [{item: A, codes: [{code: "47"}], units: {CS: "10"}}]
sites:
  dc-east:
    strict: false
    items: [{item: B, codes: [{code: X}]}]
tenants:
  acme: {units: {PAL: "80"}}
`,
}

// What holds for somebody is said in every file in one way, and explain names the line.
// Shows: S74
func TestSectionsOfEveryFile(t *testing.T) {
	p := load(t, sectioned)
	for _, c := range []struct {
		scope policy.Scope
		want  string
	}{
		{policy.Scope{}, `limits.yaml over_ship=hold@2 over_ship_tolerance=1@1
mapping.yaml item=A@3 units.CS=12@3
routing.yaml goods_issue=erp, erp2@2
stock.yaml inbound_horizon=48h0m0s@1 safety@3
timing.yaml orphan_wait=10m0s@1 pick_wait=9m0s@1`},
		{policy.Scope{Tenant: "acme", Site: "dc-east"}, `limits.yaml over_ship=post@6 over_ship_tolerance=2@4
mapping.yaml item=B@11
routing.yaml goods_issue=erp, priority high@6
stock.yaml inbound_horizon=48h0m0s@1 safety@5
timing.yaml orphan_wait=1h0m0s@3 pick_wait=9m0s@1`},
		{policy.Scope{Tenant: "acme", Site: "dc-west", Customer: "C-1"}, `limits.yaml over_ship=hold@2 over_ship_tolerance=0@8
mapping.yaml item=A@3 units.CS=12@3
routing.yaml goods_issue=erp2@10 goods_issue=erp2 when site == 'dc-east', priority urgent@11
stock.yaml inbound_horizon=48h0m0s@1 safety@3
timing.yaml orphan_wait=10m0s@1 pick_wait=0s@5`},
	} {
		var got []string
		for _, a := range p.Explain(policy.Question{Scope: c.scope, Item: "X", Kind: connector.GoodsIssue}) {
			switch a.File {
			case "limits.yaml", "mapping.yaml", "routing.yaml", "stock.yaml", "timing.yaml":
			default:
				continue
			}
			line := a.File
			for _, s := range a.Said {
				if s.Key == "safety" {
					s.Value = ""
				}
				line += strings.TrimSuffix(fmt.Sprintf(" %s=%v", s.Key, s.Value), "=") + fmt.Sprintf("@%d", s.Rule.Line)
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%+v:\n%s\nwant\n%s", c.scope, strings.Join(got, "\n"), c.want)
		}
	}
}

// What explain says is what holds.
func TestSectionsHold(t *testing.T) {
	p := load(t, sectioned)
	east, customer := p.Scope("acme", "dc-east", ""), p.Scope("acme", "dc-east", "C-1")
	if f := p.Fulfilment(east, "A"); f.OverShip != policy.Post || f.OverShipTolerance != "2" {
		t.Errorf("limits: %+v", f)
	}
	if f := p.Fulfilment(customer, "A"); f.OverShipTolerance != "0" {
		t.Errorf("a tolerance of nothing was not taken as said: %+v", f)
	}
	if w := p.Timing(customer); w.OrphanWait != time.Hour || w.PickWait != 0 || w.ReceiptWait != 24*time.Hour {
		t.Errorf("timing: %+v", w)
	}
	if s := p.Stock(east, "A"); s.SafetyOf("dc-east", "A") != 7_000_000 || p.Stock(p.Scope("", "dc-west", ""), "A").SafetyOf("dc-west", "A") != 5_000_000 {
		t.Errorf("stock: %+v", s)
	}
	list, err := p.Routes(customer, connector.GoodsIssue, nil, &docklinev1.Document{})
	if err != nil {
		t.Fatal(err)
	}
	if priority, rule := policy.PriorityOf(list, "erp2"); priority != policy.PriorityUrgent || rule.Line != 11 {
		t.Errorf("priority %s by %s", priority, rule)
	}
	if none, err := route(p, connector.GoodsIssue, "dc-east", &docklinev1.OrderState{Customer: "C-0"}, &docklinev1.Document{}); err != nil || len(none) > 0 {
		t.Errorf("a customer without routes: %v, %v", none, err)
	}
	m := p.MappingOf("acme")
	for _, c := range []struct {
		site, code, unit string
		item             string
		base             int64
	}{{"dc-east", "X", "PAL", "B", 80_000_000}, {"dc-east", "47", "CS", "A", 10_000_000}, {"dc-west", "X", "CS", "A", 12_000_000}, {"dc-east", "new", "", "new", 1_000_000}, {"dc-west", "47", "CS", "", 0}} {
		item, known := m.Item(c.site, c.code, "")
		if item != c.item || known != (c.item != "") {
			t.Errorf("%s of %s is %q, %t", c.code, c.site, item, known)
		}
		if base, ok := m.Base(c.site, item, c.unit, 1_000_000); known && (base != c.base || !ok) {
			t.Errorf("1 %s of %s at %s is %d, %t", c.unit, item, c.site, base, ok)
		}
	}
}

func TestSectionsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"routes twice":        {"routing.yaml", "routes: []\ndefault: {routes: []}\n", "routing.yaml:1: routes: the rules for all stand either under default or at the top"},
		"routes by item":      {"routing.yaml", "routes: []\nitems:\n  A: {routes: []}\n", "routing.yaml:3: items.A"},
		"a priority":          {"routing.yaml", "sites:\n  dc:\n    routes:\n      - {kind: goods_issue, role: crm, priority: soon}\n", `routing.yaml:4: sites.dc.routes[0].priority: "soon"`},
		"mapping by customer": {"mapping.yaml", "customers:\n  C: {strict: true}\n", "mapping.yaml:1: customers"},
		"timing by item":      {"timing.yaml", "items:\n  A: {pick_wait: 1m}\n", "timing.yaml:2: items.A"},
		"below zero":          {"timing.yaml", "customers:\n  C: {pick_wait: -1m}\n", "timing.yaml:2: customers.C"},
		"stock by customer":   {"stock.yaml", "customers:\n  C: {inbound_horizon: 1h}\n", "stock.yaml:2: customers.C"},
		"a limit":             {"limits.yaml", "over_ship_tolerance: '1'\nover_ship: hold\nregions:\n  n: {over_ship: maybe}\n", "limits.yaml:4: regions.n.over_ship"},
		"a unit":              {"mapping.yaml", "sites:\n  dc: {units: {CS: none}}\n", "mapping.yaml:2: sites.dc.units"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := policy.Load(folder(map[string]string{c.file: c.text})); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
