package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/people"
)

// given is a command that is given at the filled centre.
type given struct {
	name string
	// scope is what it needs, since it changes something; "" is a command that only reads.
	scope string
	args  string
	// code is what it ends with where the administrator gives it.
	code int
}

// every command that there is. A new one must stand here: with the scope that it needs, if it changes what others see, or as one that only reads.
var every = []given{
	{"init", "", "", exitFine}, // writes a file of its own, where there is none
	{"members", "", "", exitFine},
	{"find", "", "SO1 --tenant acme", exitFine},
	{"site add", people.SiteAct, "acme/dc-west", exitFine},
	{"site list", "", "--tenant acme", exitFine},
	{"site show", "", "acme/dc-east", exitFine},
	{"site loss", people.SiteAct, "acme/dc-east --accept", exitFine},
	{"site close", people.SiteAct, "acme/dc-east --date 2026-11-24 --accept counted", exitFailed},
	{"site revoke", people.SiteAct, "acme/dc-east --reason stolen", exitFine},
	{"site allow", people.SiteAct, "acme/dc-east", exitFine},
	{"site certificates", "", "acme/dc-east", exitFine},
	{"site config set", people.SiteAct, "--tenant acme site.yaml --reason quieter", exitFine},
	{"site config show", "", "--tenant acme", exitFailed},
	{"site config diff", "", "--tenant acme", exitFailed},
	{"site config history", "", "--tenant acme", exitFine},
	{"site config rollout status", "", "--tenant acme", exitFailed},
	{"site config rollout go", people.SiteAct, "--tenant acme", exitFailed},
	{"site config rollout stop", people.SiteAct, "--tenant acme --reason wrong", exitFailed},
	{"site config join", people.SiteAct, "acme/dc-east --ring 0", exitFine},
	{"site config drift", "", "--tenant acme", exitFine},
	{"site master", people.SiteAct, "--tenant acme --kind item items.csv", exitFine},
	{"site command list", "", "acme/dc-east", exitFine},
	{"site command reread", people.SiteAct, "acme/dc-east --plugin wms --since 36h", exitFine},
	{"site command recount", people.SiteAct, "acme/dc-east --number C1 --bin A-01,BOLT", exitFine},
	{"site command cancel", people.SiteAct, "acme/dc-east SO2 --reason lost", exitFine},
	{"site command config", people.SiteAct, "acme/dc-east site.yaml", exitFine},
	{"master list", "", "--tenant acme", exitFine},
	{"master show", "", "--tenant acme item NUT", exitFine},
	{"master refused", "", "--tenant acme", exitFine},
	{"master sync", people.SiteAct, "--tenant acme erp --kind item --reason wrong", exitFine},
	{"order list", "", "--tenant acme", exitFine},
	{"order show", "", "--tenant acme SO1", exitFine},
	{"order hold", people.OrderAct, "--tenant acme SO2 --reason asked", exitFailed}, // it is picked already
	{"order release", people.OrderAct, "--tenant acme SO2 --reason answered", exitFailed},
	{"order cancel", people.OrderAct, "--tenant acme SO2 --reason asked", exitFine},
	{"order split", people.OrderAct, "--tenant acme SO2 --line 1=1 --reason asked", exitFine},
	{"order move", people.OrderAct, "--tenant acme SO2 --to dc-west --reason full", exitFailed},
	{"order submit", people.OrderAct, "--tenant acme order.json", exitFine},
	{"show", "", "--tenant acme shipment/dc-east/S1", exitFine},
	{"return credit", people.ExceptionAct, "--tenant acme RMA-1 --line 1 --quantity 2 --override --reason promised", exitWrong},
	{"return accept", people.ExceptionAct, "--tenant acme blind_return/dc-east/RC1 --order SO1 --reason found", exitWrong},
	{"posting list", "", "--tenant acme", exitFine},
	{"posting show", "", "--tenant acme erp/goods_issue/SO3/S3", exitFine},
	{"posting retry", people.PostingAct, "--tenant acme --target erp --reason again", exitFailed},
	{"posting waive", people.PostingAct, "--tenant acme erp/goods_issue/SO3/S3 --reason entered", exitFailed},
	{"posting jobs", "", "--tenant acme", exitFine},
	{"posting cancel", people.PostingAct, "--tenant acme 1 --reason wrong", exitWrong},
	{"posting pause", people.PostingAct, "--tenant acme erp --reason stocktaking", exitFailed},
	{"posting resume", people.PostingAct, "--tenant acme erp --reason counted", exitFine},
	{"posting timing", "", "--tenant acme", exitFine},
	{"posting cutoff", "", "--tenant acme", exitFine},
	{"event show", "", "--tenant acme EVENT", exitFine},
	{"event accept", people.ExceptionAct, "--tenant acme EVENT --reason both", exitFine},
	{"stock show", "", "--tenant acme", exitFine},
	{"stock atp", "", "--tenant acme --site dc-east --item BOLT", exitFine},
	{"milestone list", "", "--tenant acme", exitFine},
	{"milestone show", "", "--tenant acme SO2", exitFine},
	{"milestone report", "", "--tenant acme", exitFine},
	{"milestone signal", people.ExceptionAct, "--tenant acme SO2 picked --reason seen", exitFine},
	{"milestone reset", people.ExceptionAct, "--tenant acme SO2 picked --reason anew", exitFine},
	{"milestone extend", people.ExceptionAct, "--tenant acme SO2 picked --for 4h --reason agreed", exitFine},
	{"milestone pause", people.ExceptionAct, "--tenant acme SO2 picked --reason asked", exitFine},
	{"milestone resume", people.ExceptionAct, "--tenant acme SO2 picked --reason answered", exitFailed},
	{"milestone stop", people.ExceptionAct, "--tenant acme SO2 picked --reason moot", exitFine},
	{"deadletter list", "", "--tenant acme", exitFine},
	{"deadletter show", "", "--tenant acme LETTER", exitFine},
	{"deadletter edit", people.DeadLetterAct, "--tenant acme LETTER --set subject=P9 --reason misread", exitWrong},
	{"deadletter requeue", people.DeadLetterAct, "--tenant acme LETTER --reason mended", exitFailed},
	{"deadletter discard", people.DeadLetterAct, "--tenant acme LETTER --reason twice", exitFine},
	{"deadletter export", "", "--tenant acme", exitFine},
	{"exceptions list", "", "--tenant acme", exitFine},
	{"exceptions show", "", "--tenant acme 3", exitFine},
	{"exceptions groups", "", "--tenant acme", exitFine},
	{"exceptions impact", "", "--tenant acme", exitFine},
	{"exceptions actions", "", "--tenant acme order/SO2", exitFine},
	{"exceptions act", people.ExceptionAct, "--tenant acme 3 acknowledge --reason seen", exitFine},
	{"exceptions notices", "", "--tenant acme", exitFine},
	{"exceptions ack", people.ExceptionAct, "--tenant acme 3", exitFine},
	{"exceptions start", people.ExceptionAct, "--tenant acme 3", exitFine},
	{"exceptions assign", people.ExceptionAct, "--tenant acme 3 --person ines --reason hers", exitFine},
	{"exceptions comment", people.ExceptionAct, "--tenant acme 3 waiting", exitFine},
	{"exceptions snooze", people.ExceptionAct, "--tenant acme 3 --until 36h --reason monday", exitFine},
	{"exceptions resolve", people.ExceptionAct, "--tenant acme 3 --reason found", exitFine},
	{"user add", people.UserManage, "--tenant acme otto", exitFine},
	{"user list", "", "--tenant acme", exitFine},
	{"user show", "", "--tenant acme ines", exitFine},
	{"user role", people.UserManage, "--tenant acme vera --give clerk", exitFine},
	{"user team", people.UserManage, "--tenant acme vera --join operations", exitFine},
	{"user disable", people.UserManage, "--tenant acme vera", exitFine},
	{"user enable", people.UserManage, "--tenant acme vera", exitFine},
	{"user roles", people.UserManage, "--tenant acme lead --scope replay", exitFine},
	{"audit list", "", "--tenant acme", exitFine},
	{"audit verify", "", "", exitFine},
	{"audit export", "", "--tenant acme", exitFine},
	{"identity status", "", "", exitFine},
	{"identity rotate", people.SystemAct, "", exitFine},
	{"identity retire", people.SystemAct, "", exitFailed},
	{"broker mosquitto", people.SystemAct, "--out conf --hosts localhost", exitFine},
	{"export log", "", "--tenant acme", exitFine},
	{"export analytics", "", "--tenant acme --out tables", exitFine},
	{"retention plan", "", "--tenant acme", exitFine},
	{"retention run", people.Retention, "--tenant acme --reason old", exitFine},
	{"retention runs", "", "--tenant acme", exitFine},
	{"retention list", "", "--tenant acme", exitFine},
	{"retention where", "", "--tenant acme order/SO1", exitWrong},
	{"retention verify", "", "--tenant acme", exitFine},
	{"retention restore", people.Retention, "--tenant acme --key order/SO1 --reason asked", exitWrong},
	{"import", people.EventImport, "--tenant acme epcis.json", exitFine},
	{"backup", "", "--out copy.db", exitFine},
	{"restore", people.SystemAct, "--mark", exitFine},
	{"policy check", "", "next", exitFine},
	{"policy test", "", "next", exitFailed},
	{"policy record", "", "--tenant acme --order SO1 --out next/tests/so1.yaml", exitFine},
	{"policy explain", "", "--tenant acme --order SO1", exitFine},
	{"policy decisions", "", "--tenant acme --order SO1", exitFine},
	{"policy diff", "", "next", exitFine},
	{"policy releases", "", "", exitFine},
	{"policy set", people.PolicySet, "other --reason more", exitFine},
	{"policy show", "", "", exitFine},
	{"policy history", "", "", exitFine},
	{"policy approve", people.PolicyApprove, "VERSION --team operations --reason fine", exitFailed},
	{"policy activate", people.PolicySet, "VERSION --reason now", exitFine},
	{"ownership list", "", "", exitFine},
	{"ownership explain", "", "customer", exitFine},
	{"rebuild", people.SystemAct, "--switch", exitFine},
	{"sweep run", people.PostingAct, "--tenant acme", exitFailed}, // its system cannot be reached
	{"sweep list", "", "--tenant acme", exitFine},
	{"sweep show", "", "--tenant acme 1", exitWrong},
	{"replay keys", people.Replay, "--tenant acme --order SO1 --run --yes --reason anew", exitFine},
	{"replay list", "", "--tenant acme", exitFine},
	{"replay show", "", "--tenant acme 1", exitWrong},
	{"replay cancel", people.Replay, "--tenant acme 1 --reason wrong", exitWrong},
	{"version", "", "", exitFine},
}

// mistakes are command lines in which something is wrong, with the code that they end with and words that they say.
var mistakes = []struct {
	line string
	code int
	says string
}{
	{"posting list --tenant acme --target erq", exitWrong, "there is erp"},
	{"posting list --tenant acme --kind goods", exitWrong, "goods_issue"},
	{"posting list --tenant acme --state sent", exitWrong, "confirmed"},
	{"posting list --tenant acne", exitWrong, "there is acme"},
	{"posting list --tenant acme --code nope", exitWrong, "nothing of that name"},
	{"posting list --tenant acme --code period_close", exitWrong, "period_closed"},
	{"exceptions list --tenant acme --code nope", exitWrong, "nothing of that name"},
	{"posting show --tenant acme erp/goods_issue/NO", exitWrong, "none of that name"},
	{"posting retry --tenant acme --reason x", exitWrong, "name one posting"},
	{"exceptions list --tenant acme --code short", exitWrong, "short_pick"},
	{"exceptions list --tenant acme --team nobody", exitWrong, "operations"},
	{"exceptions list --tenant acme --order SO404", exitWrong, "nothing was ever told of it"},
	{"exceptions groups --tenant acme --site dc-north", exitWrong, "dc-east"},
	{"exceptions show --tenant acme 404", exitWrong, "no such exception"},
	{"exceptions act --tenant acme --all nosuch --reason x", exitWrong, "acknowledge"},
	{"exceptions act --tenant acme 3 nosuch --reason x", exitWrong, "no such action"},
	{"exceptions act --tenant acme 3 substitute --reason x", exitFailed, "names no substitutes"},
	{"replay keys --tenant acme --order SO404", exitWrong, "nothing was ever told of it"},
	{"replay keys --tenant acme --posting issue", exitWrong, "goods_issue"},
	{"replay keys --tenant acme --site dc-north", exitWrong, "dc-east"},
	{"replay keys --tenant acme --target sap", exitWrong, "there is erp"},
	{"replay keys --tenant acme --order SO1 --run", exitWrong, "--token"},
	{"user team --tenant acme vera --join hackers", exitWrong, "operations"},
	{"user show --tenant acme nobody", exitWrong, "not known"},
	{"order show --tenant acme SO404", exitWrong, "no such order"},
	{"order list --tenant acme --status done", exitWrong, "shipped"},
	{"event show --tenant acme ffff", exitWrong, "no such event"},
	{"deadletter show --tenant acme ffff", exitWrong, "no such dead letter"},
	{"site show acme/dc-north", exitWrong, "no such site"},
	{"site command reread acme/dc-east --plugin wms", exitWrong, "--since or --cursor"},
	{"master show --tenant acme item NONE", exitWrong, "is known"},
	{"master sync --tenant acme crm --kind item --reason x", exitWrong, "master list"},
	{"policy show ffff", exitWrong, "no such version"},
	{"policy check nowhere", exitWrong, "nowhere"},
	{"find --tenant acme NOTHING", exitFailed, "nothing is called"},
	{"milestone show --tenant acme SO404", exitWrong, "no clock"},
	{"exceptions actions --tenant acme order/SO404", exitWrong, "nothing is known"},
	{"exceptions actions --tenant acme SO1", exitWrong, "order/NUMBER"},
	{"policy explain --tenant acme --order SO404", exitWrong, "nothing is known"},
	{"policy record --tenant acme --order SO404 --out so404.yaml", exitWrong, "nothing is known"},
	{"return accept --tenant acme blind_return/dc-east/RC404 --order SO1 --reason x", exitWrong, "nothing of that name"},
	{"retention where --tenant acme order/SO1", exitWrong, "it is in the database"},
	{"retention where --tenant acme order/SO404", exitWrong, "nothing is known of it"},
	{"export log --tenant acme --kind pick.confirmd", exitWrong, "pick.confirmed"},
	{"export analytics --tenant acme --out tables --kind pick.confirmd", exitWrong, "pick.confirmed"},
	{"sweep run --tenant acme --target sap", exitWrong, "there is erp"},
	{"sweep run --tenant acme --site dc-north", exitWrong, "dc-east"},
	{"sweep show --tenant acme 404", exitWrong, "no such run"},
	{"nonsense", exitWrong, "nonsense"},
	{"order show --tenant acme", exitWrong, "order"},
}

// One rule: 2 where what was asked for is wrong, 1 where it was done and found something, or could not be done as things stand.
func TestExitCodesFollowOneRule(t *testing.T) {
	dir := filled(t)
	before := contents(t, dir)
	for _, m := range mistakes {
		out, said, code := command(t, dir, append(strings.Fields(m.line), byAdmin(m.line)...)...)
		if code != m.code || !strings.Contains(said, m.says) {
			t.Errorf("%s: code %d, %s%s", m.line, code, out, said)
		}
	}
	if contents(t, dir) != before {
		t.Error("something of it changed the database")
	}
	event := named(t, dir, "EVENT")
	if out, said, code := command(t, dir, "event", "show", "--tenant", "acme", event[:8]); code != exitFine || !strings.Contains(out, event) {
		t.Errorf("by the beginning of its id: %d %s", code, said)
	}
	if _, said, code := command(t, dir, "event", "show", "--tenant", "acme", ""); code != exitWrong || !strings.Contains(said, "several ids") {
		t.Errorf("by what many ids begin with: %d %s", code, said)
	}
	record := []string{"policy", "record", "--tenant", "acme", "--order", "SO1", "--out", filepath.Join(dir, "so1.yaml")}
	for i, want := range []int{exitFine, exitWrong, exitFine} {
		if i == 2 {
			record = append(record, "--force")
		}
		if _, said, code := command(t, dir, record...); code != want {
			t.Errorf("recorded for the %d. time: %d %s", i+1, code, said)
		}
	}
	if out, _, _ := command(t, dir, "policy", "decisions", "--tenant", "acme", "--order", "SO1"); !strings.Contains(out, "built-in limits.yaml") {
		t.Errorf("decided by what ships: %s", out)
	}
}

// TestATenantThatNobodyKnowsIsSaid: what only reads says so rather than that there is nothing, which reads as if all were well; what changes something does
// nothing, also while the tenant has no users who could be refused.
func TestATenantThatNobodyKnowsIsSaid(t *testing.T) {
	dir := filled(t)
	for _, g := range every {
		args := g.line(t, dir, admin)
		at := slices.Index(args, "--tenant")
		if at < 0 || g.scope == people.UserManage || g.name == "import" { // a tenant may begin with these
			continue
		}
		args[at+1] = "acne"
		out, said, code := command(t, dir, args...)
		if g.name == "user list" { // it says how the first user comes to be
			if code != exitFine || !strings.Contains(out, "has no users") {
				t.Errorf("%s: code %d, %s%s", g.name, code, out, said)
			}
			continue
		}
		if code != exitWrong || out != "" || said == "" {
			t.Errorf("%s: code %d, %s%s", g.name, code, out, said)
		}
	}
	document := filepath.Join(dir, "epcis.json")
	if out, said, code := command(t, dir, "import", "--tenant", "acne", "--by", admin, document); code != exitFine || !strings.Contains(said, "no tenant") {
		t.Errorf("import for a tenant that begins with it: code %d, %s%s", code, out, said)
	}
	for _, g := range []string{"posting resume --tenant acne erp --reason x", "posting pause --tenant acne erp --reason x", "retention run --tenant acne --reason x"} {
		if out, said, code := command(t, dir, strings.Fields(g)...); code != exitWrong || !strings.Contains(said, "acne") {
			t.Errorf("%s: code %d, %s%s", g, code, out, said)
		}
	}
}

// byAdmin names who acts, for commands that take that.
func byAdmin(line string) []string {
	for _, g := range every {
		if g.scope != "" && strings.HasPrefix(line, g.name+" ") {
			return []string{"--by", admin}
		}
	}
	return nil
}

// serving commands are not given here: they run until they are stopped.
var serving = []string{"run"}

// line is the command line, by somebody where it takes that. What it names by a word in capitals is what the folder has.
func (g given) line(t *testing.T, dir, by string) []string {
	t.Helper()
	args := append(strings.Fields(g.name), strings.Fields(g.args)...)
	for i, a := range args {
		switch a {
		case "EVENT", "LETTER", "VERSION":
			args[i] = named(t, dir, a)
		case "order.json", "site.yaml", "items.csv", "epcis.json", "next", "other", "conf", "copy.db", "tables", "next/tests/so1.yaml":
			args[i] = filepath.Join(dir, a)
		}
	}
	if g.scope != "" {
		args = append(args, "--by", by)
	}
	return args
}

func named(t *testing.T, dir, what string) string {
	t.Helper()
	query := map[string]string{"EVENT": `SELECT id FROM event WHERE variant = 1`, "LETTER": `SELECT event_id FROM dead_letter`, "VERSION": `SELECT version FROM policy_proposal WHERE version NOT IN (SELECT version FROM policy_activation)`}[what]
	rows := rowsOf(t, dir, query)
	if len(rows) == 0 {
		t.Fatalf("there is no %s", what)
	}
	return rows[0]
}

// Shows: S68
func TestEveryCommandThatChangesSomethingNeedsAScopeAndIsRecorded(t *testing.T) {
	var all []string
	var c commands
	for _, leaf := range newParser(&c).Model.Leaves(false) {
		all = append(all, strings.TrimPrefix(leaf.Path(), "dockline-collector "))
	}
	for _, name := range all {
		if !slices.ContainsFunc(every, func(g given) bool { return g.name == name }) && !slices.Contains(serving, name) {
			t.Errorf("command %q is new: say in this test which scope it needs, or that it only reads", name)
		}
	}
	from := filled(t)
	for _, g := range every {
		if !slices.Contains(all, g.name) {
			t.Errorf("command %q is gone", g.name)
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			dir := copied(t, from)
			before := contents(t, dir)
			if g.scope != "" {
				_, said, code := command(t, dir, g.line(t, dir, guest)...)
				if code != exitWrong || !strings.Contains(said, "this needs the scope "+g.scope) {
					t.Errorf("by who may not: code %d, %s", code, said)
				}
				if contents(t, dir) != before {
					t.Error("by who may not it has changed something")
				}
			}
			trail := len(rowsOf(t, dir, `SELECT n FROM audit WHERE person = '`+admin+`'`))
			out, said, code := command(t, dir, g.line(t, dir, admin)...)
			if code != g.code {
				t.Errorf("code %d, expected %d: %s%s", code, g.code, out, said)
			}
			acts := len(rowsOf(t, dir, `SELECT n FROM audit WHERE person = '`+admin+`'`)) - trail
			if after := contents(t, dir); after != before && g.scope == "" {
				t.Errorf("a command that only reads has changed the database")
			}
			if recorded := acts > 0; recorded != (g.scope != "" && code == exitFine && changed(g)) {
				t.Errorf("it ended with %d and left %d rows in the trail", code, acts)
			}
		})
	}
}

// Every --json is one document, without null in the place of a list, and without numbers of nanoseconds.
func TestEveryJSONHasOneForm(t *testing.T) {
	from := filled(t)
	var c commands
	asked := 0
	for _, leaf := range newParser(&c).Model.Leaves(false) {
		name := strings.TrimPrefix(leaf.Path(), "dockline-collector ")
		i := slices.IndexFunc(every, func(g given) bool { return g.name == name })
		if i < 0 || !slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == "json" }) {
			continue
		}
		asked++
		t.Run(name, func(t *testing.T) {
			dir := from
			if every[i].scope != "" {
				dir = copied(t, from)
			}
			out, said, code := command(t, dir, append(every[i].line(t, dir, admin), "--json")...)
			if code != every[i].code {
				t.Fatalf("code %d: %s", code, said)
			}
			if out == "" && code != exitFine {
				return // it says on the standard error why there is nothing to print
			}
			decoder := json.NewDecoder(strings.NewReader(out))
			decoder.UseNumber()
			var document any
			if err := decoder.Decode(&document); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := decoder.Decode(new(any)); err != io.EOF {
				t.Errorf("more than one document: %s", out)
			}
			holdForm(t, name, document)
		})
	}
	if asked < 40 {
		t.Errorf("only %d commands have --json", asked)
	}
}

// holdForm says where a document breaks the form.
func holdForm(t *testing.T, at string, v any) {
	switch v := v.(type) {
	case nil:
		if !foreign(at) {
			t.Errorf("%s is null", at)
		}
	case []any:
		for i, each := range v {
			holdForm(t, fmt.Sprintf("%s[%d]", at, i), each)
		}
	case map[string]any:
		for name, each := range v {
			if name != strings.ToLower(name) && !strings.Contains(at, "files") && !strings.ContainsAny(name, "-/. ") && !foreign(at) {
				t.Errorf("%s.%s: names have lower-case letters and underscores", at, name)
			}
			holdForm(t, at+"."+name, each)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil && n > 999_999_999 && !strings.HasSuffix(at, "_bytes") && !foreign(at) {
			t.Errorf("%s is %s: a duration is text, a time RFC 3339", at, v)
		}
	}
}

// foreign tells parts that are of another form by their nature: events and documents in the JSON form of their schema, what people may set, and where a
// next export begins, which is given back as it is.
func foreign(at string) bool {
	return strings.Contains(at, ".next") || strings.Contains(at, ".event") || strings.Contains(at, ".document") || strings.Contains(at, ".detail") || strings.Contains(at, ".inputs") || strings.Contains(at, ".booked")
}

// changed says whether a command had something to change: in the filled centre nothing is lost.
func changed(g given) bool { return g.name != "site loss" }

// The trail of an act that is several steps says that it began and what came of it.
func TestActsInStepsAreRecordedFromTheirBeginning(t *testing.T) {
	dir := filled(t)
	for _, g := range every {
		if !slices.Contains([]string{"import", "identity rotate", "rebuild"}, g.name) {
			continue
		}
		if _, said, code := command(t, dir, g.line(t, dir, admin)...); code != exitFine {
			t.Fatalf("%s: %s", g.name, said)
		}
	}
	if _, said, code := command(t, dir, "identity", "rotate", "--by", admin); code != exitFailed {
		t.Errorf("twice: %d %s", code, said)
	}
	var outcomes []string
	for _, tenant := range []string{"acme", audit.Everywhere} {
		out, _, _ := command(t, dir, "audit", "list", "--tenant", tenant, "--by", admin, "--json")
		var rows []audit.Entry
		if err := json.Unmarshal([]byte(out), &rows); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(rows)
		for _, r := range rows {
			var detail struct{ Outcome string }
			if len(r.Detail) > 0 {
				if err := json.Unmarshal(r.Detail, &detail); err != nil {
					t.Fatal(err)
				}
			}
			if detail.Outcome != "" {
				outcomes = append(outcomes, r.Action+" "+detail.Outcome)
			}
		}
	}
	want := "event.import begun, event.import done, identity.rotate begun, identity.rotate done, state.rebuild begun, state.rebuild done, identity.rotate begun, identity.rotate failed"
	if got := strings.Join(outcomes, ", "); got != want {
		t.Errorf("the trail has %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "identity")); err != nil {
		t.Error(err)
	}
}

// What would overwrite something is refused before anything is done, and what is there stays.
func TestWhatIsThereIsNotWrittenOver(t *testing.T) {
	dir := filled(t)
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{{"backup", "--out", there}, {"export", "analytics", "--tenant", "acme", "--out", there}} {
		if _, said, code := command(t, dir, line...); code != exitWrong || !strings.Contains(said, "is there already") {
			t.Errorf("%v: code %d, %s", line, code, said)
		}
	}
	if text, err := os.ReadFile(there); err != nil || string(text) != "mine" {
		t.Errorf("%q %v", text, err)
	}
}
