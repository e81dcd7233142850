package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	. "github.com/dockline/dockline/collector/state/statetest"
)

// Who takes the difference of a day for known may do so, and is in the audit trail.
func TestADayIsAcceptedBySomebody(t *testing.T) {
	all := &commands{Config: filepath.Join(t.TempDir(), "collector.yaml")}
	if err := (&initCommand{}).Run(all); err != nil {
		t.Fatal(err)
	}
	write := func(f func(ctx context.Context, tx *db.Tx) error) {
		t.Helper()
		if err := withDatabase(all, func(ctx context.Context, d *db.DB) error {
			return d.Write(ctx, func(tx *db.Tx) error { return f(ctx, tx) })
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(func(ctx context.Context, tx *db.Tx) error {
		for _, row := range []db.Insert{
			{Table: "site", Columns: []string{"tenant", "id", "created_at"}, Rows: [][]any{{Tenant, "dc-east", 1}}},
			{Table: "site_day_said", Columns: []string{"tenant", "site", "day", "accepted", "refused", "epoch", "last_seq"}, Rows: [][]any{{Tenant, "dc-east", "2026-11-24", 5, 0, "e1", 5}}},
			{Table: "site_day_log", Columns: []string{"tenant", "site", "day", "logged", "refused", "again"}, Rows: [][]any{{Tenant, "dc-east", "2026-11-24", 4, 0, 0}}},
			{Table: "site_day_close", Columns: []string{"tenant", "site", "day", "state", "captured", "logged", "again", "refused", "lost", "unfolded", "pending", "parked", "reason", "remedy", "checked_at", "closed_at"},
				Rows: [][]any{{Tenant, "dc-east", "2026-11-24", "difference", 5, 4, 0, 0, 0, 0, 0, 0, "", "", 1, 0}}},
		} {
			if err := tx.InsertAll(ctx, row); err != nil {
				return err
			}
		}
		return people.Change{Tenant: Tenant, By: "ines", Now: time.Now()}.Add(ctx, tx, people.User{Name: "ines"})
	})
	accept := func(by string) error {
		return (&siteCloseCommand{person: person{By: by}, Tenant: Tenant, Site: "dc-east", Date: "2026-11-24", Accept: "counted by hand"}).Run(all)
	}
	if err := accept("otto"); !errors.Is(err, people.ErrNotAllowed) {
		t.Errorf("by who is no user: %v", err)
	}
	if err := accept("ines"); err != nil {
		t.Fatal(err)
	}
	write(func(ctx context.Context, tx *db.Tx) error {
		list, err := audit.List(ctx, tx, Tenant, audit.Filter{Object: "site/dc-east"})
		if len(list) != 1 || list[0].By != "ines" || list[0].Action != "site.close" || list[0].Reason != "counted by hand" {
			t.Errorf("the trail has %+v", list)
		}
		return err
	})
}
