package downlink_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const items = docklinev1.MasterKind_MASTER_KIND_ITEM

// heartbeat is one as ingest stores it, with the version of master data that the site holds.
func (w *world) heartbeat(session, incarnation string) {
	w.t.Helper()
	raw, err := proto.Marshal(&docklinev1.Heartbeat{Session: session, Incarnation: incarnation, MasterThrough: w.master})
	if err != nil {
		w.t.Fatal(err)
	}
	w.beat(session, 1)
	w.exec(`UPDATE presence SET heartbeat = ?`, raw)
}

// A site gets the master data of its tenant once, then what changes; what is lost comes again, and after another database everything.
func TestASiteGetsWhatChangesOfMasterData(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		incarnation, err := d.Incarnation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]string{}
		for n := range 25 {
			known[fmt.Sprintf("SKU-%02d", n)] = fmt.Sprint("item ", n)
		}
		put := func(want int, whole bool) {
			t.Helper()
			if n, err := downlink.PutMaster(t.Context(), d, tenant, items, known, whole); err != nil || n != want {
				t.Fatalf("%d changed, %v; want %d", n, err, want)
			}
		}
		put(25, true)
		put(0, true)
		if _, err := downlink.PutMaster(t.Context(), d, "other", items, map[string]string{"X": "theirs"}, false); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.heartbeat("s1", incarnation)
			w.step(1)
			w.step(0) // the next one when it holds this one
		}
		w.heartbeat("s1", incarnation)
		w.step(0)
		if !maps.Equal(w.names, known) {
			t.Fatalf("the site knows %v", w.names)
		}
		delete(known, "SKU-03")
		known["SKU-04"], known["SKU-99"] = "renamed", "new"
		put(3, true)
		w.lose = true
		w.step(1)
		w.lose = false
		w.now = w.now.Add(6 * time.Second)
		w.heartbeat("s1", incarnation)
		lists := w.lists
		w.step(1)
		w.heartbeat("s1", incarnation)
		w.step(0)
		if !maps.Equal(w.names, known) || w.lists != lists+1 {
			t.Errorf("after the change it knows %v", w.names)
		}
		// It speaks of another database: all comes again.
		w.master, w.names = 0, map[string]string{}
		for range 3 {
			w.heartbeat("s2", incarnation)
			w.step(1)
		}
		w.heartbeat("s2", "another")
		w.step(0) // in this session it is known to hold everything
		if !maps.Equal(w.names, known) {
			t.Errorf("anew it knows %v", w.names)
		}
		for _, bad := range []map[string]string{{"": "x"}, {"a\x00": "x"}} {
			if _, err := downlink.PutMaster(t.Context(), d, tenant, items, bad, false); err == nil {
				t.Errorf("%q was taken", bad)
			}
		}
	})
}

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
			"too long a configuration": {Work: &docklinev1.Command_ApplyConfig{ApplyConfig: &docklinev1.ApplyConfig{Yaml: string(make([]byte, downlink.MaxConfigBytes+1))}}},
		} {
			c.Tenant, c.Site = tenant, "dc-east"
			if _, _, err := downlink.Submit(t.Context(), d, c, w.now); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
	})
}
