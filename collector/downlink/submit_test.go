package downlink_test

import (
	"testing"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// A command of a person gets the next version of its key and a correlation id; its state can be followed.
func TestSubmit(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		count := &docklinev1.Command{Tenant: tenant, Site: "dc-east", Work: &docklinev1.Command_RequestCount{RequestCount: &docklinev1.RequestCount{
			Number: "RC1", Lines: []*docklinev1.Line{{Bin: "A-1", Item: "SKU-1"}}}}}
		if _, _, err := downlink.Submit(t.Context(), d, count, w.now); err == nil {
			t.Error("a command to a site that is not known was taken")
		}
		w.exec(`INSERT INTO site (tenant, id, created_at) VALUES (?, 'dc-east', 1)`, tenant)
		for want := range uint64(2) {
			key, version, err := downlink.Submit(t.Context(), d, count, w.now)
			if err != nil || version != want+1 || key != "count-request/RC1" {
				t.Fatalf("%s version %d, %v", key, version, err)
			}
		}
		state := func(want string) {
			t.Helper()
			found, err := downlink.Commands(t.Context(), d, tenant, "dc-east", "count-request/RC1", 10)
			if err != nil || len(found) != 1 || found[0].State != want || found[0].Version != 2 || found[0].Kind != "request_count" || found[0].CorrelationID == "" {
				t.Errorf("%+v, %v; want %s", found, err, want)
			}
		}
		state("waiting")
		w.place()
		w.beat("s1", 1)
		w.step(1)
		w.beat("s1", 1)
		state("held")
		if w.work["count-request/RC1"] != 2 {
			t.Errorf("the site was sent %v", w.work)
		}
		w.exec(`UPDATE command SET outcome = 1, completed_at = 5, outcome_text = 'counted'`)
		state("applied")
		for name, c := range map[string]*docklinev1.Command{
			"no work": {}, "a release": {Work: &docklinev1.Command_ReleaseOrder{}}, "a reread from nowhere": {Work: &docklinev1.Command_Reread{Reread: &docklinev1.Reread{}}},
			"a count of nothing":       {Work: &docklinev1.Command_RequestCount{RequestCount: &docklinev1.RequestCount{Number: "X"}}},
			"an advice of nothing":     {Work: &docklinev1.Command_AdviseInbound{AdviseInbound: &docklinev1.AdviseInbound{Inbound: &docklinev1.Inbound{Advice: "X"}}}},
			"an advice without number": {Work: &docklinev1.Command_AdviseInbound{AdviseInbound: &docklinev1.AdviseInbound{Inbound: &docklinev1.Inbound{Lines: []*docklinev1.Line{{Item: "A"}}}}}},
			"too long a configuration": {Work: &docklinev1.Command_ApplyConfig{ApplyConfig: &docklinev1.ApplyConfig{Yaml: string(make([]byte, downlink.MaxConfigBytes+1))}}},
		} {
			c.Tenant, c.Site = tenant, "dc-east"
			if _, _, err := downlink.Submit(t.Context(), d, c, w.now); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
	})
}
