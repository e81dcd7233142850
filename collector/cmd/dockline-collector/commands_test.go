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
	file := filepath.Join(dir, "nuts.csv")
	if err := os.WriteFile(file, []byte("code,name\nNUT,Nut by file\nWASHER,Washer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, said, code := command(t, dir, "site", "master", "--tenant", "acme", "--kind", "item", "--by", admin, file); code != exitFailed || !strings.Contains(out, "1 of 2 changed") || !strings.Contains(said, "not taken: NUT (erp)") {
		t.Errorf("a file that says something else of an item than the ERP: %d %s%s", code, out, said)
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
		case "order.json", "site.yaml", "items.csv", "codes.csv", "epcis.json", "openapi.json", "next", "other", "conf", "copy.db", "tables", "next/tests/so1.yaml":
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
