package policy_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// TestTheFolderAtTheStart: a folder that has changed is in force from the start on, or only proposed; one that has not leaves in force what people
// activated since. Every collector of the database takes up what is in force, and what it told by the former version meanwhile is put right.
//
// Shows: S70
func TestTheFolderAtTheStart(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		clock := Morning.Add(time.Hour)
		folder := func(mapping string) *policy.Policy {
			p, err := policy.Load(fstest.MapFS{"mapping.yaml": {Data: []byte(mapping)}})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		start := func(p *policy.Policy, approval string) *collector.Stages {
			clock = clock.Add(time.Minute)
			s, err := collector.NewStages(t.Context(), collector.Surroundings{DB: d, Tenant: Tenant, Policy: p, PolicyApproval: approval,
				Systems: []collector.SurroundingSystem{{Name: "erp", Role: "system_of_record"}},
				Publish: func(context.Context, wire.Message) error { return nil }, Up: func() bool { return true }, Now: func() time.Time { return clock }})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		inForce := func(what string, s *collector.Stages, want *policy.Policy) {
			t.Helper()
			if got := s.Worker.InForce().Version; got != want.Version {
				t.Errorf("%s: version %s is in force, want %s", what, got, want.Version)
			}
		}
		one, two, three := folder("strict: true\nitems: [{item: A}]\n"), folder("strict: true\nitems: [{item: A}, {item: B}]\n"), folder("strict: true\nitems: [{item: A}, {item: C, codes: [{code: X}]}]\n")
		first := start(one, "none")
		inForce("the first start", first, one)
		inForce("a folder that needs a yes", start(two, "required"), one)
		inForce("the same again", start(two, "required"), one)
		inForce("the same, now without a yes", start(two, "none"), one)
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			v, err := version.Get(t.Context(), tx, two.Version)
			if err == nil && (v.State != version.Approved || v.ProposedBy != policy.Self || len(v.Activations) > 0) {
				t.Errorf("proposed: %+v", v)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		last := start(three, "none")
		inForce("another folder", last, three)
		inForce("a collector that has not looked yet", first, one)
		buckets := func() (n int) {
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM fact WHERE tenant = ? AND fold_key LIKE 'stock/%/C/%'`, Tenant).Scan(&n)
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := first.Filler.Log.Append(t.Context(), tx, []eventlog.Recorded{{Event: Count(40, "CC1", In(L("", "", "X", "5"), "B-01", "")), Epoch: "e1", EpochOrdinal: 1, Seq: 1}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if buckets() != 0 {
			t.Error("the former version knows the code")
		}
		if err := first.TakeUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		inForce("a collector that has looked", first, three)
		if buckets() != 1 {
			t.Error("what was told by the former version lies under a code still")
		}
	})
}

// TestATenantThatComesLater: a collector that was started before there was any tenant puts the policy that it runs by in force for the first one, and
// does it once.
func TestATenantThatComesLater(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		s, err := collector.NewStages(t.Context(), collector.Surroundings{DB: d, Tenant: Tenant, Policy: policy.Default(),
			Publish: func(context.Context, wire.Message) error { return nil }, Up: func() bool { return true }, Now: func() time.Time { return Morning }})
		if err != nil {
			t.Fatal(err)
		}
		activations := func() (n int) {
			if err := s.TakeUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := d.Read(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM policy_activation WHERE tenant = ? AND version = ?`, Tenant, s.Worker.InForce().Version).Scan(&n)
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if activations() != 0 {
			t.Error("in force for a tenant that is not there")
		}
		if _, err := (&fleet.Fleet{DB: d}).AddSite(t.Context(), fleet.Registration{Tenant: Tenant, ID: Site, Title: "East"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if n := activations(); n != 1 {
				t.Errorf("put in force %d times", n)
			}
		}
	})
}
