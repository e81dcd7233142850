package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	//lint:ignore ST1001 the words in which tests tell of a day
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

const aRelease = `warn: 40h
releases:
  - system: erp
    name: "2027.1"
    date: 2027-02-15
    calendar: office
    changes: The promised date loses its time.
    fields: [order.promised_at]
    kinds: [goods_issue]
    items: ["4711"]
  - {system: crm, name: spring, date: 2027-03-20, changes: New cases., team: key-accounts}
`

var folderWithReleases = map[string]string{
	"releases.yaml":  aRelease,
	"targets.yaml":   "targets:\n  - {name: erp, role: system_of_record}\n  - {name: crm, role: crm}\n",
	"calendars.yaml": "calendars:\n  office: {zone: Europe/Berlin, hours: {mon-fri: \"08:00-16:00\"}}\n",
	"mapping.yaml":   "items:\n  - {item: SKU-1, codes: [{code: \"4711\"}]}\n  - {item: SKU-2}\n",
}

// A release of the ERP touches a field and a kind of posting: the owner is warned five working days before, once, whoever looks; the warning says
// which flows it touches, and closes when the day is over.
// Shows: S70
func TestReleaseAhead(t *testing.T) {
	p := loadFolder(t, folderWithReleases)
	a := p.Affected(p.Releases()[0])
	if got := fmt.Sprint(a.Role, " ", a.Flows[0].Kind, " ", a.Flows[0].Rule, " ", a.Owned[0].About, " of ", a.Owned[0].Owner, " ", a.Owned[0].Rule.File, " ", a.Mappings, " ", a.Teams); !strings.HasPrefix(got,
		"system_of_record goods_issue built-in routing.yaml:") || !strings.HasSuffix(got, " order.promised_at of system_of_record ownership.yaml [mapping.yaml:2 (items[0])] [customer-service]") || len(a.Flows) != 1 {
		t.Errorf("what it touches: %s", got)
	}
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2027, 2, 5, 12, 0, 0, 0, time.UTC) // a Friday: the afternoon and five working days to go
		clock := func() time.Time { return now }
		d.Now = clock
		start := func() *collector.Stages {
			s, err := collector.NewStages(t.Context(), collector.Surroundings{DB: d, Tenant: Tenant, Policy: p, Systems: []collector.SurroundingSystem{{Name: "erp", Role: "system_of_record"}, {Name: "crm", Role: "crm"}}, Up: func() bool { return false }, Now: clock,
				Random: func() float64 { return 0.5 }, Publish: func(context.Context, wire.Message) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		look := func(s *collector.Stages, what string, want int) []exception.Exception {
			t.Helper()
			now = now.Add(2 * time.Minute)
			if err := s.Keeper.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			var found []exception.Exception
			if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
				found, err = exception.List(t.Context(), tx, Tenant, exception.Filter{Code: "release_ahead", Unresolved: true})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if len(found) != want {
				t.Fatalf("%s: %d warnings, want %d: %+v", what, len(found), want, found)
			}
			return found
		}
		s := start()
		look(s, "more than five working days before", 0)
		now = time.Date(2027, 2, 8, 9, 0, 0, 0, time.UTC)
		found := look(s, "five working days before", 1)
		if e := found[0]; e.Team != "customer-service" || !strings.Contains(e.Text, "It touches goods_issue, order.promised_at.") || !strings.Contains(e.Title, "erp has release 2027.1 on 2027-02-15") {
			t.Errorf("the warning: %s: %s: %s", e.Team, e.Title, e.Text)
		}
		again := look(start(), "another collector", 1)
		if again[0].Number != found[0].Number {
			t.Errorf("it is warned of twice: %d and %d", found[0].Number, again[0].Number)
		}
		now = time.Date(2027, 2, 15, 22, 0, 0, 0, time.UTC)
		look(s, "in the evening of the day", 1)
		now = time.Date(2027, 2, 16, 0, 0, 0, 0, time.UTC)
		look(s, "the day after", 0)
		now = time.Date(2027, 3, 19, 0, 0, 0, 0, time.UTC)
		if found := look(s, "before the next", 1); found[0].Team != "key-accounts" {
			t.Errorf("the team that the release names is not warned: %s", found[0].Team)
		}
	})
}

// Who wants to change what is told to the ERP, or who owns a field of it, for such a release needs the owner's yes.
// Shows: S70
func TestAChangeForAReleaseNeedsTheOwner(t *testing.T) {
	p := loadFolder(t, folderWithReleases)
	for name, change := range map[string]map[string]string{
		"another route":    {"routing.yaml": "routes:\n  - {kind: goods_issue, role: system_of_record, when: \"site == 'dc-east'\"}\n"},
		"another priority": {"routing.yaml": "routes:\n  - {kind: goods_issue, role: system_of_record, priority: high}\n"},
		"a site's routes":  {"routing.yaml": strings.Replace(p.Files()["routing.yaml"], "routes:", "sites:\n  dc-east: {routes: []}\nroutes:", 1)},
		"another owner":    {"ownership.yaml": "ownership:\n  - {fields: [order.promised_at], owners: [crm]}\n"},
	} {
		next := map[string]string{}
		for file, text := range folderWithReleases {
			next[file] = text
		}
		for file, text := range change {
			next[file] = text
		}
		q := loadFolder(t, next)
		var teams []string
		for _, d := range p.Demands(q, p.Changes(q)) {
			teams = append(teams, d.Team)
		}
		if len(p.Changes(q)) == 0 || !strings.Contains(strings.Join(teams, " "), "customer-service") {
			t.Errorf("%s: %d changes need the yes of %v", name, len(p.Changes(q)), teams)
		}
	}
	for name, text := range map[string]string{
		"releases[0].system":    "releases:\n  - {system: wms, name: a, date: 2027-01-01, changes: b}\n",
		"releases[0].date":      "releases:\n  - {system: erp, name: a, date: soon, changes: b}\n",
		"releases[0].fields[0]": "releases:\n  - {system: erp, name: a, date: 2027-01-01, changes: b, fields: [order.color]}\n",
		"releases[0].kinds[0]":  "releases:\n  - {system: erp, name: a, date: 2027-01-01, changes: b, kinds: [fax]}\n",
		"releases[1]: release":  "releases:\n  - {system: erp, name: a, date: 2027-01-01, changes: b}\n  - {system: erp, name: a, date: 2027-01-02, changes: b}\n",
	} {
		files := map[string]string{"targets.yaml": folderWithReleases["targets.yaml"], "releases.yaml": text}
		if _, err := policy.Load(folderOf(files)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func folderOf(files map[string]string) fstest.MapFS {
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return folder
}

func loadFolder(t *testing.T, files map[string]string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(folderOf(files))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
