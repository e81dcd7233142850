package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view/viewtest"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// A sweep is begun by who may, once for each key, and recorded; the schedule of a collector goes through with it, and what it found is there to read.
// Who may not, an unknown system or site, and one of another scope while one runs are refused and leave nothing.
//
// Shows: S22, S43
func TestASweepIsBegunAndRead(t *testing.T) {
	d := testenv.SQLite(t)
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	d.Now = func() time.Time { return now }
	viewtest.New(t, d)
	stages, err := collector.NewStages(t.Context(), collector.Surroundings{DB: d, Tenant: viewtest.Tenant, Policy: policy.Default(), Now: d.Now, Random: func() float64 { return 0 },
		Systems: []collector.SurroundingSystem{{Name: "erp", Role: ownership.SystemOfRecord, Connector: &connectortest.Memory{Now: d.Now}}}, Up: func() bool { return false },
		Publish: func(context.Context, wire.Message) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		by := people.Change{Tenant: viewtest.Tenant, By: "ines", Now: now}
		if err := by.Add(t.Context(), tx, people.User{Name: "ines"}); err != nil {
			return err
		}
		return by.Add(t.Context(), tx, people.User{Name: "vera", Roles: []string{"viewer"}})
	}); err != nil {
		t.Fatal(err)
	}
	woken := 0
	targets := stages.SweepTargets()
	h := api.New(api.Config{DB: d, Now: d.Now, Process: "run-1", Sweep: collector.BeginSweep(stages.Sweep, targets), Swept: func() { woken++ }})
	for i, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{"target":"erp","by":"vera"}`, http.StatusForbidden, "posting.act"},
		{`{"target":"sap","by":"ines"}`, http.StatusUnprocessableEntity, "there is erp"},
		{`{"target":"erp","site":"dc-north","by":"ines"}`, http.StatusUnprocessableEntity, "there is dc-east"},
		{`{"by":"ines"}`, http.StatusUnprocessableEntity, "name the system"},
		{`{"target":"erp","all":true}`, http.StatusUnprocessableEntity, "all"},
	} {
		w := post(t, h, "/api/v1/sweeps", "bad"+string(rune('a'+i)), c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s; want %d, and %q", c.body, w.Code, w.Body, c.status, c.says)
		}
	}
	length(t, get(t, h, "/api/v1/sweeps", 200), 0, "sweeps")
	var location string
	for range 2 {
		w := post(t, h, "/api/v1/sweeps", "k1", `{"target":"erp","by":"ines"}`)
		if location = w.Header().Get("Location"); w.Code != http.StatusAccepted || location == "" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if w := post(t, h, "/api/v1/sweeps", "k2", `{"target":"erp","site":"dc-east","by":"ines"}`); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "not finished") {
		t.Errorf("of another scope: %d %s", w.Code, w.Body)
	}
	expect(t, get(t, h, location, 200), "list", "phase")
	l := &sweep.Schedule{Sweep: stages.Sweep, Targets: targets}
	for more := true; more; {
		if more, err = l.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The ERP of the day has no goods issue of which it is said that it confirmed it.
	tree := get(t, h, location, 200)
	expect(t, tree, "done", "phase")
	expect(t, tree, "asked", "why")
	expect(t, tree, "missing", "findings", 0, "result")
	expect(t, tree, "goods_issue", "findings", 0, "kind")
	length(t, tree, 1, "new")
	listed := get(t, h, "/api/v1/sweeps?target=erp", 200)
	length(t, listed, 1, "sweeps")
	expect(t, listed, float64(1), "sweeps", 0, "unexplained")
	length(t, listed, 0, "sweeps", 0, "findings")
	get(t, h, "/api/v1/sweeps/404", 404)
	get(t, h, "/api/v1/sweeps/x", 400)
	if woken != 1 {
		t.Errorf("the schedule was woken %d times, want once", woken)
	}
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		acts, err := audit.List(t.Context(), tx, viewtest.Tenant, audit.Filter{})
		n := 0
		for _, a := range acts {
			if a.Action == "sweep.run" && a.By == "ines" && a.Object == "erp" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("recorded %d times, want once: %+v", n, acts)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// What can be promised is asked for by item and site, or page by page; a site that has never told makes it stale.
//
// Shows: S5
func TestAvailability(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		viewtest.New(t, d)
		h := api.New(api.Config{DB: d})
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, item := range []string{"BOLT", "NUT"} {
				if _, err := tx.Exec(t.Context(), `INSERT INTO ledger_account (tenant, account, kind, site, item, moved, balance, changed_at) VALUES (?, ?, 'stock', 'dc-east', ?, 1, 5000000, 1)`,
					viewtest.Tenant, event.OwnedStockKey("dc-east", "B-01", item, "", event.Available, ""), item); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		all := get(t, h, "/api/v1/availability", 200)
		items := at(t, all, "availability").([]any)
		if len(items) == 0 {
			t.Fatal("nothing is there")
		}
		first := at(t, items, 0, "item").(string)
		one := get(t, h, "/api/v1/availability?item="+first+"&site=dc-east", 200)
		length(t, one, 1, "availability")
		expect(t, one, first, "availability", 0, "item")
		expect(t, one, true, "availability", 0, "stale")
		expect(t, one, "dc-east", "availability", 0, "sites", 0, "site")
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at) VALUES (?, 'dc-east', 'e0', 4, 9, 'lost', 1)`, viewtest.Tenant)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		gap := get(t, h, "/api/v1/availability?item="+first+"&site=dc-east", 200)
		expect(t, gap, true, "availability", 0, "sites", 0, "stale")
		if why := at(t, gap, "availability", 0, "stale_because").(string); !strings.Contains(why, "1 piece of its stream is missing") {
			t.Errorf("with a gap in what the site told it is stale because %q", why)
		}
		next := get(t, h, "/api/v1/availability?limit=1", 200)
		expect(t, next, first, "next")
		rest := get(t, h, "/api/v1/availability?limit=100&after="+first, 200)
		length(t, rest, len(items)-1, "availability")
		get(t, h, "/api/v1/availability?site=dc-east&site=dc-west", 400)
		get(t, h, "/api/v1/availability?limit=1&item=A&item=B", 400)
	})
}
