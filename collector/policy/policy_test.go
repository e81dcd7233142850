package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func load(t *testing.T, files map[string]string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(folder(files))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func folder(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestBuiltInPolicy(t *testing.T) {
	p := policy.Default()
	for kind, want := range map[connector.Kind]string{
		connector.GoodsIssue: "[erp]", connector.InvoiceTrigger: "[erp]", connector.StockAdjustment: "[erp]",
		connector.OrderStatus: "[crm]", connector.ServiceCase: "[crm]",
	} {
		got, err := route(p, kind, "dc-east", nil, &docklinev1.Document{})
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s goes to %v (%v), want %s", kind, got, err, want)
		}
	}
	if p.Fulfilment(policy.Scope{}, "").OverShip != policy.Hold || p.Timing(policy.Scope{}).OrphanWait != 10*time.Minute || len(p.Version) != 16 {
		t.Errorf("limits %+v, timing %+v, version %q", p.Fulfilment(policy.Scope{}, ""), p.Timing(policy.Scope{}), p.Version)
	}
	if o := p.Owner("short_pick", docklinev1.FaultClass_FAULT_CLASS_PROCESS); o.Team != "operations" || o.Due != 2*time.Hour {
		t.Errorf("short_pick belongs to %+v", o)
	}
	if o := p.Owner("no_such_code", docklinev1.FaultClass_FAULT_CLASS_TECHNICAL); o.Team != "it-operations" || o.SeverityOf() != docklinev1.Severity_SEVERITY_ERROR {
		t.Errorf("a technical fault belongs to %+v", o)
	}
	again, err := policy.FromBody(p.Body())
	if err != nil || again.Version != p.Version {
		t.Errorf("from its body: %v, %v", again, err)
	}
}

func TestRoutesHoldWhereTheirExpressionDoes(t *testing.T) {
	p := load(t, map[string]string{
		"targets.yaml": "targets:\n  - {name: sap, role: system_of_record}\n  - {name: tryton, role: system_of_record}\n  - {name: crm, role: crm}\n",
		"routing.yaml": `routes:
  - {kind: goods_issue, targets: [sap], when: 'site == "dc-east" && order.customer != "C-9"'}
  - {kind: goods_issue, targets: [tryton], when: "document.goods_issue.lines.exists(l, l.item == 'A')"}
`})
	document := &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Lines: []*docklinev1.DocumentLine{{Item: "A"}}}}}
	for _, c := range []struct {
		site     string
		order    *docklinev1.OrderState
		document *docklinev1.Document
		want     string
	}{
		{"dc-east", &docklinev1.OrderState{Customer: "C-1"}, document, "[sap tryton]"},
		{"dc-east", &docklinev1.OrderState{Customer: "C-9"}, document, "[tryton]"},
		{"dc-west", nil, document, "[tryton]"},
		{"dc-east", nil, &docklinev1.Document{}, "[sap]"},
	} {
		got, err := route(p, connector.GoodsIssue, c.site, c.order, c.document)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s %v: %v (%v), want %s", c.site, c.order, got, err, c.want)
		}
	}
	if got, _ := route(p, connector.OrderStatus, "", nil, document); len(got) != 0 {
		t.Errorf("a kind without a route goes to %v", got)
	}
	if p.Version == policy.Default().Version {
		t.Error("another policy has the same version")
	}
}

func TestEveryFaultHasItsFileAndLine(t *testing.T) {
	_, err := policy.Load(folder(map[string]string{
		"targets.yaml":   "targets:\n  - {name: erp, role: system_of_record}\n  - {name: erp, role: boss}\n",
		"routing.yaml":   "routes:\n  - kind: goods_issue\n    role: system_of_record\n    when: site = 3\n  - kind: parcels\n    targets: [nobody]\n  - kind: crm_case\n",
		"limits.yaml":    "over_ship_tolerance: lots\nover_ship: maybe\n",
		"timing.yaml":    "orphan_wait: 10m\ncount_wait: soon\n",
		"owners.yaml":    "classes:\n  technical: {team: it}\n  data: {team: md, severity: terrible}\n",
		"mapping.yaml":   "strict: true\nitems:\n  - item: A\n    codes: [{code: '1'}]\n  - item: B\n    codes: [{code: '1'}]\n    units: {CS: none}\n",
		"ownership.yaml": "ownership:\n  - {kinds: [parcel.*], owners: [site]}\n",
		"extra.yaml":     "a: 1\n",
		"notes.txt":      "not looked at",
	}))
	var faults configfile.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	text := faults.Error()
	for _, want := range []string{
		"extra.yaml: not a file", "targets.yaml:3: targets[1].name", "targets.yaml:3: targets[1].role", "routing.yaml:4: routes[0].when", "routing.yaml:5: routes[1].kind",
		"routing.yaml:6: routes[1].targets[0]", "routing.yaml:7: routes[2]", "limits.yaml:1: over_ship_tolerance", "limits.yaml:2: over_ship", "timing.yaml:2",
		"owners.yaml:3: classes.data.severity", "classes.process", "mapping.yaml:6: items[1].codes[0]", "mapping.yaml:7: items[1].units", "ownership.yaml:2: ownership[0]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no fault %q in\n%s", want, text)
		}
	}
}

func TestUnknownKeyIsAFault(t *testing.T) {
	_, err := policy.Load(folder(map[string]string{"limits.yaml": "over_ship: hold\nover_ship_tolerance: '0'\nover_pack: hold\n"}))
	if err == nil || !strings.Contains(err.Error(), "limits.yaml:3") {
		t.Errorf("got %v", err)
	}
}

func TestMapping(t *testing.T) {
	strict := load(t, map[string]string{"mapping.yaml": `strict: true
items:
  - item: SKU-1
    gtin: "4006381333931"
    codes: [{code: "4711", site: dc-east}, {code: OLD-1}]
    units: {CS: "12", G: "0.001"}
units: {EA: "1"}
`}).Mapping
	open := policy.Default().Mapping
	for _, c := range []struct {
		site, code, gtin, want string
		ok                     bool
	}{
		{"dc-east", "4711", "", "SKU-1", true}, {"dc-west", "4711", "", "", false}, {"dc-west", "OLD-1", "", "SKU-1", true},
		{"", "SKU-1", "", "SKU-1", true}, {"", "", "4006381333931", "SKU-1", true}, {"", "", "04006381333931", "SKU-1", true}, {"", "", "14006381333931", "", false}, {"", "", "", "", false},
	} {
		if got, ok := strict.Item(c.site, c.code, c.gtin); got != c.want || ok != c.ok {
			t.Errorf("%+v: %q %t", c, got, ok)
		}
	}
	if got, ok := open.Item("dc-west", "4711", ""); got != "4711" || !ok {
		t.Errorf("an open mapping makes %q %t of an unlisted code", got, ok)
	}
	for _, c := range []struct {
		unit     string
		in, want int64
		ok       bool
	}{
		{"", 5_000_000, 5_000_000, true}, {"EA", 5_000_000, 5_000_000, true}, {"CS", -2_000_000, -24_000_000, true}, {"PAL", 1_000_000, 1_000_000, false},
		{"G", 1_000_000, 1_000, true}, {"G", 1, 0, false}, {"CS", 1 << 62, 0, false},
	} {
		got, ok := strict.Base("dc-east", "SKU-1", c.unit, c.in)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%d %s: %d %t", c.in, c.unit, got, ok)
		}
	}
	if got, ok := open.Base("dc-east", "SKU-1", "PAL", 3_000_000); got != 3_000_000 || !ok {
		t.Errorf("an open mapping makes %d %t of an unlisted unit", got, ok)
	}
}

func TestOverShipTolerance(t *testing.T) {
	rule := load(t, map[string]string{"limits.yaml": "over_ship_tolerance: '2.5'\nover_ship: post\n"}).Fulfilment(policy.Scope{Site: "dc-east", Customer: "C-1"}, "A")
	for _, c := range []struct {
		over, ordered int64
		want          bool
	}{{2_500_000, 100_000_000, false}, {2_500_001, 100_000_000, true}, {1, 0, true}, {0, 0, false}} {
		if got := c.over > rule.Tolerated(c.ordered); got != c.want {
			t.Errorf("%d over %d: %t", c.over, c.ordered, got)
		}
	}
}

// TestFulfilmentIsInherited: each key of its own, customer before item before site before default, and limits.yaml is the default's default.
func TestFulfilmentIsInherited(t *testing.T) {
	p := load(t, map[string]string{"limits.yaml": "over_ship_tolerance: '2'\nover_ship: hold\n", "fulfilment.yaml": `default: {remainder: keep}
sites:
  dc-east: {remainder: split, substitution: forbid, over_ship: post}
items:
  A: {substitution: allow, over_ship_tolerance: "5"}
customers:
  C-1: {remainder: cancel, invoice: ordered, proof_of_delivery: required}
`})
	for _, c := range []struct{ customer, item, site, want string }{
		{"", "", "", "keep approval 2 hold shipped false"}, {"C-9", "", "dc-east", "split forbid 2 post shipped false"},
		{"C-9", "A", "dc-east", "split allow 5 post shipped false"}, {"C-1", "A", "dc-east", "cancel allow 5 post ordered true"},
	} {
		f := p.Fulfilment(policy.Scope{Site: c.site, Customer: c.customer}, c.item)
		if got := fmt.Sprint(f.Remainder, " ", f.Substitution, " ", f.OverShipTolerance, " ", f.OverShip, " ", f.Invoice, " ", f.ProofRequired()); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
	_, err := policy.Load(folder(map[string]string{"fulfilment.yaml": "default: {remainder: maybe}\nsites:\n  dc-east: {proof_of_delivery: required}\nitems:\n  A:\n    remainder: keep\n    over_ship_tolerance: lots\n"}))
	for _, want := range []string{"fulfilment.yaml:1: default.remainder", "fulfilment.yaml:3: sites.dc-east.proof_of_delivery", "fulfilment.yaml:6: items.A.remainder", "fulfilment.yaml:7: items.A.over_ship_tolerance"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %q in %v", want, err)
		}
	}
}

// TestAPolicyKeptBeforeThereWasAFileHasTheVersionThatItHad, so that what was decided by it is found again.
func TestAPolicyKeptBeforeThereWasAFileHasTheVersionThatItHad(t *testing.T) {
	files := make(map[string][]byte)
	if err := json.Unmarshal(policy.Default().Body(), &files); err != nil {
		t.Fatal(err)
	}
	delete(files, "fulfilment.yaml")
	body, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	old, err := policy.FromBody(body)
	if err != nil || old.Version == policy.Default().Version || old.Fulfilment(policy.Scope{}, "").Remainder != policy.RemainderNone {
		t.Errorf("%v, %v", old, err)
	}
	again, err := policy.FromBody(body)
	if err != nil || again.Version != old.Version {
		t.Errorf("its version changes: %v", err)
	}
}

func TestRoleOfASource(t *testing.T) {
	p, err := policy.Default().WithTargets([]policy.Target{{Name: "tryton", Role: ownership.SystemOfRecord}})
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[*docklinev1.Event]ownership.Role{
		{Site: "dc-east", Source: "tryton"}: ownership.Site,
		{Source: "tryton"}:                  ownership.SystemOfRecord,
		{Source: "erp"}:                     ownership.Stranger,
		{Source: policy.Self}:               ownership.Dockline,
	} {
		if got := p.RoleOf(source); got != want {
			t.Errorf("%v is %s, want %s", source, got, want)
		}
	}
	if got := p.OfRole(ownership.SystemOfRecord); !slices.Equal(got, []string{"tryton"}) {
		t.Errorf("systems of record: %v", got)
	}
}

// TestAnAmendmentByNameNeedsATargetThatTakesIt: by role it goes to those that do, and where none does a person is told.
func TestAnAmendmentByNameNeedsATargetThatTakesIt(t *testing.T) {
	takes := func(target string) bool { return target == "erp" }
	byName := load(t, map[string]string{"routing.yaml": "routes:\n  - {kind: order_amend, targets: [erp]}\n  - {kind: order_amend, targets: [crm]}\n"})
	if got := byName.Unsupported(takes); len(got) != 1 || !strings.Contains(got[0], "line 3 (routes[1]): crm takes no order_amend: not supported") {
		t.Errorf("by name: %q", got)
	}
	if got := policy.Default().Unsupported(func(string) bool { return false }); len(got) != 0 {
		t.Errorf("by role: %q", got)
	}
}

// route names the targets that are to be told of a document.
func route(p *policy.Policy, kind connector.Kind, site string, order *docklinev1.OrderState, document *docklinev1.Document) ([]string, error) {
	list, err := p.Routes(p.Scope("", site, order.GetCustomer()), kind, order, document)
	return policy.TargetsOf(list), err
}
