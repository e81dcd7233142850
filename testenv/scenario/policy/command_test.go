package policy_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const patience = 4 * time.Minute

// office is where people give commands about the policy.
type office struct {
	t *testing.T
	w *world.World
}

// run gives a command that must succeed, and returns what it prints. One that asks for a moment's patience gets it.
func (o *office) run(args ...string) (said string) {
	o.t.Helper()
	worldtest.Until(o.t, "policy "+strings.Join(args, " "), patience, func() (bool, error) {
		var err error
		if said, err = o.try(args...); err != nil && strings.Contains(err.Error(), "ask again in a moment") {
			return false, err
		}
		if err != nil {
			o.t.Fatal(err)
		}
		return true, nil
	})
	return said
}

func (o *office) try(args ...string) (string, error) {
	argv := append([]string{world.Program(o.w.Config.Bin, "dockline-collector"), "policy"}, args...)
	if args[0] != "check" && args[0] != "test" {
		argv = append(argv, "--config", filepath.Join(o.w.Config.Dir, "collector.yaml"))
	}
	return world.RunProgram(o.t.Context(), argv...)
}

// refused gives a command that must fail with some words.
func (o *office) refused(words string, args ...string) {
	o.t.Helper()
	if said, err := o.try(args...); err == nil || !strings.Contains(said, words) {
		o.t.Errorf("policy %s: %v %s, want %q", strings.Join(args, " "), err, said, words)
	}
}

func (o *office) says(words string, args ...string) {
	o.t.Helper()
	if said := o.run(args...); !strings.Contains(said, words) {
		o.t.Errorf("policy %s: %s\nhas no %q", strings.Join(args, " "), said, words)
	}
}

// folder writes a policy folder.
func (o *office) folder(name string, files map[string]string) (path, version string) {
	o.t.Helper()
	path = filepath.Join(o.w.Config.Dir, name)
	for file, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(path, file)), 0o750); err != nil {
			o.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
	config, err := collector.LoadConfig(filepath.Join(o.w.Config.Dir, "collector.yaml"))
	if err != nil {
		o.t.Fatal(err)
	}
	p, err := collector.LoadPolicyFolder(config, path)
	if err != nil {
		return path, ""
	}
	return path, p.Version
}

// takesUp waits until the running collector works by a version.
func (o *office) takesUp(version string) {
	o.t.Helper()
	worldtest.Until(o.t, "the collector takes up version "+version, patience, func() (bool, error) {
		return strings.Contains(o.w.Collector.Log(), "version="+version), nil
	})
}

// TestAVersionFromProposalToRollback hands a version in, has it compared, approved and activated while the collector works, and takes it back.
//
// Shows: S8, S28, S29, S70, S74, A8, A21
func TestAVersionFromProposalToRollback(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 70, Sites: []string{world.FileSite}})
	o := &office{t, w}
	floor := worldtest.TakeOver(t, w)
	bad, _ := o.folder("bad", map[string]string{"limits.yaml": "over_ship: hold\nover_ship_tolerance: '0'\nover_pack: 1\n", "routing.yaml": "routes:\n  - {kind: goods_issue, role: crm, when: order.custmer == \"C-1\"}\n"})
	o.refused("limits.yaml:3", "check", bad)
	o.refused("routing.yaml:2: routes[0].when: column 6 of the expression: undefined field 'custmer'", "check", bad)
	o.refused("limits.yaml:3", "set", bad, "--reason", "wrong")

	list := func() (versions []struct {
		Version, State string
		Activations    []struct{ Offset int64 }
	}) {
		if err := json.Unmarshal([]byte(o.run("history", "--json")), &versions); err != nil {
			t.Fatal(err)
		}
		return versions
	}
	before := list()[0].Version

	order := floor.Order(4)
	floor.Await(floor.Tell(floor.Pick(order, 0, 4)))
	ship := floor.Ship(order)
	ship.Lines[0].Quantity *= 2 // twice what was ordered leaves
	floor.Await(floor.Tell(ship))
	held := func(number string) string { return o.run("decisions", "--tenant", w.Config.Tenant, "--order", number) }
	worldtest.Until(t, "the shipment is held", patience, func() (bool, error) { return strings.Contains(held(order.Number), "held"), nil })
	if said := held(order.Number); !strings.Contains(said, "built-in limits.yaml:7 (over_ship)") || !strings.Contains(said, before) {
		t.Errorf("decisions: %s", said)
	}

	answer, err := http.Get(w.ConsoleURL + "api/v1/decisions?order=" + order.Number)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var told api.Decisions
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil || len(told.Decisions) != 1 || told.Decisions[0].Outcome != "held" || told.Decisions[0].Rule.Line != 7 {
		t.Errorf("the API says %+v (%v)", told, err)
	}

	files := map[string]string{"limits.yaml": "over_ship: post\nover_ship_tolerance: \"0\"\n", "regions.yaml": "regions:\n  east: {sites: [dc-east]}\n",
		"fulfilment.yaml": "default: {remainder: none}\nregions:\n  east: {substitution: forbid}\n",
		"targets.yaml":    "targets:\n  - {name: erp, role: system_of_record}\n  - {name: crm, role: crm}\n",
		"ownership.yaml":  "ownership:\n  - {kinds: [order.released, policy.activated], owners: [dockline]}\n  - {kinds: [order.*, invoice.*], owners: [system_of_record]}\n"}
	folder, version := o.folder("next", files)
	o.says("is right; it is version "+version, "check", folder)
	worldtest.Until(t, "the site has told everything, so that the shipment would be posted", patience, func() (bool, error) {
		return strings.Contains(o.run("diff", folder), "new posting goods_issue "+order.Number), nil
	})
	o.says("proposed version "+version, "set", folder, "--reason", "boxes are sent whole", "--by", "mara")
	o.refused("it needs the yes of team", "activate", version, "--reason", "now", "--by", "mara")
	teams := teamsOf(t, o.run("show", version, "--json"))
	if len(teams) == 0 {
		t.Fatal("a change of ownership needs nobody's yes")
	}
	for _, team := range teams {
		o.refused("somebody else", "approve", version, "--team", team, "--by", "mara")
		o.says("has said yes", "approve", version[:6], "--team", team, "--by", "jon", "--reason", "looked at the diff")
	}
	o.refused("needs no yes of team kitchen", "approve", version, "--team", "kitchen", "--by", "jon")
	o.says("was not activated", "activate", version, "--reason", "now", "--dry-run")
	o.says("is in force", "activate", version, "--reason", "now", "--by", "jon")
	o.takesUp(version)
	worldtest.Until(t, "the activation has its place in the log", patience, func() (bool, error) {
		now := list()[0]
		return now.Version == version && now.State == "in force" && len(now.Activations) == 1 && now.Activations[0].Offset > 0, nil
	})

	next := floor.Order(4)
	floor.Await(floor.Tell(floor.Pick(next, 0, 4)))
	ship = floor.Ship(next)
	ship.Lines[0].Quantity *= 2
	floor.Await(floor.Tell(ship))
	worldtest.Until(t, "the shipment of the new order is posted as it left", patience, func() (bool, error) { return strings.Contains(held(next.Number), "posted"), nil })
	if said := held(order.Number); !strings.Contains(said, "held") {
		t.Errorf("the order of before: %s", said)
	}
	o.says("fulfilment.yaml:3 (regions.east.substitution)", "explain", "--site", "dc-east", "--customer", "C-1")
	o.says("folded under version "+version, "explain", "--tenant", w.Config.Tenant, "--order", next.Number)
	o.says("folded under version "+before, "explain", "--tenant", w.Config.Tenant, "--order", order.Number)
	o.says("ownership.yaml:3 (ownership[1])", "explain", "--event-kind", "order.accepted")

	test := filepath.Join(folder, "tests", "over.yaml")
	o.says("wrote "+test, "record", "--tenant", w.Config.Tenant, "--order", next.Number, "--out", test)
	o.says("1 tests, all as expected", "test", folder)
	if err := os.WriteFile(filepath.Join(folder, "limits.yaml"), []byte("over_ship: hold\nover_ship_tolerance: \"0\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.refused("no posting erp/goods_issue/"+next.Number, "test", folder)

	o.says("is in force", "activate", before, "--reason", "the ERP refuses them", "--by", "jon")
	o.takesUp(before)
	if err := w.RestartCollector(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := list()[0]; now.Version != before || now.State != "in force" || len(now.Activations) != 2 {
		t.Errorf("after the way back and a restart: %+v", now)
	}
}

// teamsOf are the teams whose yes a version needs.
func teamsOf(t *testing.T, said string) (teams []string) {
	t.Helper()
	var v struct {
		Demands []struct{ Team string }
	}
	if err := json.Unmarshal([]byte(said), &v); err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Demands {
		teams = append(teams, d.Team)
	}
	return teams
}
