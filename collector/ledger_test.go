package collector_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// keysBefore are those that events had before there was a ledger: a pick had a fact in each bucket that it took from.
func keysBefore(e *docklinev1.Event) []eventlog.Touch {
	if e.GetPick() == nil {
		var touches []eventlog.Touch
		for _, touch := range state.Keys(e, policy.Default().Mapping) {
			if kind, _, _ := event.ParseKey(touch.Key); kind != state.KindMovement {
				touches = append(touches, eventlog.Touch(touch))
			}
		}
		return touches
	}
	var touches []eventlog.Touch
	for _, line := range e.GetPick().GetLines() {
		part := event.WithLines(e, []*docklinev1.Line{line})
		touches = append(touches, eventlog.Touch{Key: event.OrderKey(line.GetOrder()), Event: part},
			eventlog.Touch{Key: event.StockKey(e.GetSite(), line.GetBin(), line.GetItem(), line.GetLot(), line.GetStockStatus()), Event: part})
	}
	return touches
}

// TestADatabaseFromBeforeTheLedger has facts of picks in their buckets, one of them corrected to another bin, and a state that was folded from
// these. A collector that starts makes the ledger from the event log, and everything comes to what it was.
func TestADatabaseFromBeforeTheLedger(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		const bucket, other = "stock/dc-east/B-01/A//available", "stock/dc-east/B-02/A//available"
		line := func(bin, quantity string) *docklinev1.Line { return In(L("SO1", "1", "A", quantity), bin, "") }
		before := &eventlog.Log{DB: d, Keys: keysBefore}
		write := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *db.Tx) error {
			var all []eventlog.Recorded
			for i, e := range []*docklinev1.Event{Snapshot(0, line("B-01", "50"), line("B-02", "20")), Pick(10, "p1", line("B-01", "5")), Pick(11, "p2", line("B-01", "3")),
				Revised(Pick(12, "p3", line("B-01", "2")), "1"), Revised(Pick(12, "p3", line("B-02", "2")), "2"), Count(20, "CC1", line("B-01", "41")), Pick(30, "p4", line("B-01", "1"))} {
				all = append(all, eventlog.Recorded{Event: e, Epoch: "e1", EpochOrdinal: 1, Seq: uint64(i + 1)})
			}
			_, err := before.Append(t.Context(), tx, all)
			return err
		})
		old, err := proto.Marshal(&docklinev1.StockState{Site: Site, Bin: "B-01", Item: "A", StockStatus: "available", OnHand: 40 * event.Scale, Opened: true})
		if err != nil {
			t.Fatal(err)
		}
		write(func(tx *db.Tx) error {
			if _, err := tx.Exec(t.Context(), `DELETE FROM dirty`); err != nil {
				return err
			}
			return tx.InsertAll(t.Context(), db.Insert{Table: "state", Columns: []string{"tenant", "fold_key", "body", "hash", "fact_count", "policy_version", "first_at", "changed_at"},
				Rows: [][]any{{Tenant, bucket, old, "old", int64(7), "old", int64(1), int64(1)}}})
		})
		stages, err := collector.NewStages(t.Context(), collector.Surroundings{DB: d, Tenant: Tenant, Policy: policy.Default(), Up: func() bool { return false },
			Publish: func(context.Context, wire.Message) error { return nil }, Now: func() time.Time { return Morning.Add(time.Hour) }, Random: func() float64 { return 0 }})
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n > 0; {
			if n, err = stages.Worker.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for key, want := range map[string]int64{bucket: 40, other: 18} {
			var body []byte
			var left, balance int64
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				if err := tx.QueryRow(t.Context(), `SELECT body FROM state WHERE fold_key = ?`, key).Scan(&body); err != nil {
					return err
				}
				if err := tx.QueryRow(t.Context(), `SELECT balance FROM ledger_account WHERE account = ?`, key).Scan(&balance); err != nil {
					return err
				}
				return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM fact f JOIN event e ON e.log_id = f.log_id WHERE f.fold_key = ? AND e.kind = ?`, key,
					docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED).Scan(&left)
			})
			if err != nil {
				t.Fatal(err)
			}
			stock := &docklinev1.StockState{}
			if err := proto.Unmarshal(body, stock); err != nil {
				t.Fatal(err)
			}
			if stock.GetOnHand() != want*event.Scale || balance != want*event.Scale || left != 0 {
				t.Errorf("%s: on hand %d, its account %d, want %d; %d picks are still its facts", key, stock.GetOnHand()/event.Scale, balance/event.Scale, want, left)
			}
			if v := stock.GetVariances(); key == bucket && (len(v) != 1 || v[0].GetVariance() != -1*event.Scale) {
				t.Errorf("%s: variances %v", key, v)
			}
		}
	})
}
