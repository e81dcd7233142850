package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	. "github.com/dockline/dockline/collector/state/statetest"
)

// Who misspells a tenant or a key is told so, and nothing comes into being.
func TestWhatNobodyKnowsIsSaid(t *testing.T) {
	all := &commands{Config: filepath.Join(t.TempDir(), "collector.yaml")}
	if err := (&initCommand{}).Run(all); err != nil {
		t.Fatal(err)
	}
	says := func(err error, words ...string) {
		t.Helper()
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%v, expected %q in it", err, word)
			}
		}
	}
	says((&orderListCommand{Tenant: "acne"}).Run(all), `no tenant "acne"`, "site add acne/SITE")
	if err := withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Write(ctx, func(tx *db.Tx) error {
			_, err := (&eventlog.Log{DB: d}).Append(ctx, tx, []eventlog.Recorded{{Event: Pick(10, "P1", L("SO1", "10", "BOLT", "4")), Epoch: "e1", EpochOrdinal: 1, Seq: 7}})
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
	for _, run := range []func() error{
		func() error { return (&orderListCommand{Tenant: "acne"}).Run(all) }, func() error { return (&siteListCommand{Tenant: "acne"}).Run(all) },
		func() error { return (&findCommand{Value: "SO1", Tenant: "acne"}).Run(all) }, func() error { return (&rebuildCommand{Tenant: "acne"}).Run(all) },
		func() error { return (&siteCloseCommand{Tenant: "acne"}).Run(all) }, func() error { return (&stockShowCommand{Tenant: "acne"}).Run(all) },
	} {
		says(run(), `no tenant "acne"; there is `+Tenant)
	}
	if err := (&orderListCommand{Tenant: Tenant, Limit: 10}).Run(all); err != nil {
		t.Error(err)
	}
	for _, r := range []rebuildCommand{{Tenant: Tenant, Key: "order/SO404"}, {Tenant: Tenant, Key: "order/SO404", Switch: true}} {
		says(r.Run(all), "nothing is known of order/SO404")
	}
	if err := withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Read(ctx, func(tx *db.Tx) error {
			var n int64
			err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM state WHERE fold_key = 'order/SO404'`).Scan(&n)
			if n != 0 {
				t.Error("an empty order came into being")
			}
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
}

// A person looks at two contents under one id and accepts the other one, with the commands that the exception names.
func TestAPersonAcceptsAnotherContent(t *testing.T) {
	all := &commands{Config: filepath.Join(t.TempDir(), "collector.yaml")}
	if err := (&initCommand{}).Run(all); err != nil {
		t.Fatal(err)
	}
	first := Revised(Pick(10, "P1", L("SO1", "10", "BOLT", "4")), "1")
	other := proto.CloneOf(first)
	other.GetPick().Lines[0].Order = "SO2"
	show := func() string {
		var out bytes.Buffer
		if err := withDatabase(all, func(ctx context.Context, d *db.DB) error {
			found, err := (&eventlog.Log{DB: d}).Get(ctx, Tenant, first.GetId())
			if err != nil {
				return err
			}
			return printBodies(&out, found)
		}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if err := withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Write(ctx, func(tx *db.Tx) error {
			_, err := (&eventlog.Log{DB: d}).Append(ctx, tx, []eventlog.Recorded{{Event: first, Epoch: "e1", EpochOrdinal: 1, Seq: 7}, {Event: other, Epoch: "e1", EpochOrdinal: 1, Seq: 9}})
			if err == nil {
				_, err = tx.Exec(ctx, `UPDATE event SET log_offset = log_id`) // as the running collector does
			}
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"this content counts", "SO1", "7 of epoch e1", "kept beside it, and does not count", "SO2", eventlog.BodyName(other)} {
		if text := show(); !strings.Contains(text, words) {
			t.Errorf("%q is not in\n%s", words, text)
		}
	}
	accept := &eventAcceptCommand{oneEvent: oneEvent{ID: first.GetId(), Tenant: Tenant}, person: person{By: "mara"}}
	if err := accept.Run(all); err == nil || !strings.Contains(err.Error(), "say why") {
		t.Errorf("without a reason: %v", err)
	}
	accept.Reason = "the WMS counts from 1 every day"
	for range 2 {
		if err := accept.Run(all); err != nil {
			t.Fatal(err)
		}
	}
	if text := show(); !strings.Contains(text, "accepted as an event of its own, "+eventlog.AcceptedID(other)) {
		t.Errorf("after that:\n%s", text)
	}
	var acts []audit.Entry
	if err := withDatabase(all, func(ctx context.Context, d *db.DB) error {
		return d.Read(ctx, func(tx *db.Tx) (err error) {
			acts, err = audit.List(ctx, tx, Tenant, audit.Filter{Action: "event.accept"})
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
	if len(acts) != 1 || acts[0].By != "mara" || acts[0].Object != first.GetId() || acts[0].Reason != accept.Reason || !strings.Contains(string(acts[0].Detail), eventlog.BodyName(other)) {
		t.Errorf("in the audit trail: %+v", acts)
	}
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collector.AcceptEvent(t.Context(), config, collector.Acceptance{Tenant: Tenant, Event: "nobody", Reason: "so"}); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an id that nobody has: %v", err)
	}
}

// Events are listed by what they are about, where they come from, what they are and when they happened, the newest first.
func TestEventsAreListed(t *testing.T) {
	dir := filled(t)
	list := func(flags string) (kinds []string) {
		t.Helper()
		out, said, code := command(t, dir, strings.Fields("event list --json --tenant acme "+flags)...)
		var found []api.Event
		if err := json.Unmarshal([]byte(out), &found); err != nil || code != exitFine {
			t.Fatalf("%s: %d, %s%s: %v", flags, code, out, said, err)
		}
		for _, e := range found {
			kinds = append(kinds, e.Kind)
		}
		return kinds
	}
	all := list("")
	for _, tc := range []struct {
		flags string
		n     int
		first string
	}{
		{"--order SO3", 4, "order.released"},
		{"--order SO3 --limit 1", 1, "order.released"},
		{"--order SO3 --site dc-east", 2, "shipment.departed"},
		{"--order SO3 --kind order.accepted", 1, "order.accepted"},
		{"--order SO3 --kind order.accepted --kind pick.confirmed", 2, "pick.confirmed"},
		{"--since 2099-01-01T00:00:00Z", 0, ""},
	} {
		if got := list(tc.flags); len(got) != tc.n || tc.n > 0 && got[0] != tc.first {
			t.Errorf("%s: %v, want %d, the first %s, of %v", tc.flags, got, tc.n, tc.first, all)
		}
	}
	if out, _, code := command(t, dir, strings.Fields("event list --tenant acme --order SO3")...); code != exitFine || strings.Count(out, "\n") != 5 || !strings.Contains(out, "S3") {
		t.Errorf("%d: %s", code, out)
	}
}
