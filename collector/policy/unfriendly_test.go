package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/testenv"
)

// write makes a policy folder on disk.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A folder that is made to harm, or that somebody made a mess of, is refused with the file; nothing is read that lies outside of it.
func TestFoldersThatAreMadeToHarm(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a list within itself":      {map[string]string{"routing.yaml": "routes: &a\n- &b [*b, *a, *b]\n"}, "routing.yaml:2"},
		"a long expression":         {map[string]string{"routing.yaml": "routes:\n  - {kind: goods_issue, role: crm, when: 'site == \"" + strings.Repeat("x", 20_000) + "\"'}\n"}, "routing.yaml:2: routes[0].when: the expression has 20010 characters"},
		"a deep expression":         {map[string]string{"routing.yaml": "routes:\n  - {kind: goods_issue, role: crm, when: '" + strings.Repeat("(", 900) + "true" + strings.Repeat(")", 900) + "'}\n"}, "routing.yaml:2: routes[0].when"},
		"an expression that counts": {map[string]string{"routing.yaml": "routes:\n  - {kind: goods_issue, role: crm, when: 'order.lines.size()'}\n"}, "gives int, not true or false"},
		"lines in an expression":    {map[string]string{"routing.yaml": "routes:\n  - kind: goods_issue\n    role: crm\n    when: |\n      site == \"a\"\n      && order.colour == \"b\"\n"}, "line 2, column 9 of the expression: undefined field 'colour'"},
		"no UTF-8":                  {map[string]string{"limits.yaml": "over_ship: \xff\n"}, "limits.yaml"},
		"two regions":               {map[string]string{"regions.yaml": "regions:\n  a: {sites: [x]}\n  b: {sites: [y, x]}\n"}, "regions.yaml:3: regions.b.sites[1]: site x lies in region a already"},
		"nobody's approval":         {map[string]string{"approvals.yaml": "owners: {boss: me}\nfiles:\n  - {file: limit.yaml, team: x}\n  - {file: limits.yaml}\n"}, "approvals.yaml:4: files[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.LoadFolder(write(t, c.files))
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 3000 {
				t.Errorf("%.500v", err)
			}
		})
	}
}

// A link that leads out of the folder is refused, one within it is followed; a folder in the place of a file is no file of the policy.
func TestLinksInAFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making links needs a right that accounts do not have there")
	}
	outside := write(t, map[string]string{"limits.yaml": "over_ship: post\nover_ship_tolerance: '3'\n"})
	dir := write(t, map[string]string{"real": "over_ship: post\nover_ship_tolerance: '7'\n"})
	if err := os.Symlink("real", filepath.Join(dir, "limits.yaml")); err != nil {
		t.Fatal(err)
	}
	if p, err := policy.LoadFolder(dir); err != nil || p.Fulfilment(policy.Scope{}, "").OverShipTolerance != "7" {
		t.Errorf("a link within: %v", err)
	}
	for name, target := range map[string]string{"a file elsewhere": filepath.Join(outside, "limits.yaml"), "a device": "/dev/zero", "nothing": "absent", "itself": "timing.yaml"} {
		dir := t.TempDir()
		if err := os.Symlink(target, filepath.Join(dir, "timing.yaml")); err != nil {
			t.Fatal(err)
		}
		if _, err := policy.LoadFolder(dir); err == nil || !strings.Contains(err.Error(), "timing.yaml") {
			t.Errorf("a link to %s: %v", name, err)
		}
	}
	if _, err := policy.LoadFolder(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there")
	}
}

// TestAHundredThousandRules are read, and each says where it stands; what holds for nobody in particular is found at once.
//
// Shows: S74
func TestAHundredThousandRules(t *testing.T) {
	n := testenv.Count("policy.rules")
	one := n * 7 / 9
	var rules, items strings.Builder
	rules.WriteString("customers:\n")
	items.WriteString("strict: true\nitems:\n")
	for i := range n {
		fmt.Fprintf(&rules, "  C-%06d: {remainder: cancel, over_ship_tolerance: \"%d\"}\n", i, i%50)
		fmt.Fprintf(&items, "  - {item: I-%06d, codes: [{code: \"%d\", site: dc-east}], units: {CS: \"12\"}}\n", i, i)
	}
	p, err := policy.LoadFolder(write(t, map[string]string{"fulfilment.yaml": rules.String(), "mapping.yaml": items.String()}))
	if err != nil {
		t.Fatal(err)
	}
	scope := p.Scope("", "dc-east", fmt.Sprintf("C-%06d", one))
	if got := p.Fulfilment(scope, ""); got.Remainder != policy.RemainderCancel || got.OverShipTolerance != fmt.Sprint(one%50) {
		t.Errorf("%+v", got)
	}
	if rule := p.WhyFulfilment(scope, "", "remainder"); rule.Line != one+2 || rule.Key != fmt.Sprintf("customers.C-%06d.remainder", one) {
		t.Errorf("by %s", rule)
	}
	if item, ok := p.Mapping.Item("dc-east", fmt.Sprint(n-1), ""); !ok || item != fmt.Sprintf("I-%06d", n-1) {
		t.Errorf("item %s, %t", item, ok)
	}
	other, err := policy.LoadFolder(write(t, map[string]string{"fulfilment.yaml": strings.Replace(rules.String(), "  C-000005: {remainder: cancel", "  C-000005: {remainder: ask", 1), "mapping.yaml": items.String()}))
	if err != nil {
		t.Fatal(err)
	}
	if changes := p.Changes(other); len(changes) != 1 || changes[0].String() != "fulfilment.yaml:7: customers.C-000005.remainder: cancel -> ask" {
		t.Errorf("changes: %v", changes)
	}
}

// TestWhoseYesAChangeNeeds: those who own what it changes, by the version in force.
//
// Shows: S70
func TestWhoseYesAChangeNeeds(t *testing.T) {
	base := map[string]string{"targets.yaml": "targets:\n  - {name: erp, role: system_of_record}\n  - {name: crm, role: crm}\n",
		"approvals.yaml": "owners: {system_of_record: finance, crm: sales, site: docks}\nfiles:\n  - {file: fulfilment.yaml, keys: [customers], team: sales}\n  - {file: approvals.yaml, team: board}\n"}
	p := load(t, base)
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"a comment":            {"limits.yaml", "# again\nover_ship_tolerance: \"0\"\nover_ship: hold\n", ""},
		"a limit":              {"limits.yaml", "over_ship_tolerance: \"1\"\nover_ship: hold\n", ""},
		"a customer's rule":    {"fulfilment.yaml", "customers: {C-1: {remainder: ask}}\n", "[sales]"},
		"a site's rule":        {"fulfilment.yaml", "sites: {dc-east: {remainder: ask}}\n", ""},
		"another owner":        {"ownership.yaml", "ownership:\n  - {kinds: [order.*], owners: [crm]}\n", "[docks finance sales]"},
		"what the CRM is told": {"routing.yaml", strings.Replace(string(p.Files()["routing.yaml"]), "kind: crm_case\n    role: crm", "kind: crm_case\n    role: crm\n    when: site == \"dc-east\"", 1), "[sales]"},
		"another target":       {"targets.yaml", "targets:\n  - {name: erp, role: system_of_record}\n  - {name: sap, role: system_of_record}\n  - {name: crm, role: crm}\n", "[finance]"},
		"those who say yes":    {"approvals.yaml", "owners: {}\nfiles: []\n", "[board]"},
	} {
		files := map[string]string{c.file: c.text}
		for name, text := range base {
			if name != c.file {
				files[name] = text
			}
		}
		next := load(t, files)
		var teams []string
		for _, d := range p.Demands(next, p.Changes(next)) {
			teams = append(teams, d.Team)
		}
		if got := fmt.Sprint(teams); got != c.want && (len(teams) > 0 || c.want != "") {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
